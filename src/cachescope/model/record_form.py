"""What records have in common word for word, so that a catalogue can keep it once and write a record out again.

Spack writes the nodes of an index compactly and with their keys in one order. Apart from name, version, parameters,
package hash, dependencies and hash, the text of a node is that of thousands of others.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

from cachescope.model.identity import DAG_HASH_LENGTH
from cachescope.model.spec import DependencyEdge, EdgeKind, deptype_names

__all__ = ["PATCHES", "RecordForm", "dependency_text", "edge_text", "is_hashed_text", "kind_text"]

PATCHES = b"\x01"
"""Stands in a form where a node repeats the value of its parameter ``patches``; no JSON text holds it as it is."""

_BETWEEN = b"\x00"  # nor this
_PATCHES_KEY = b'"patches":'
_HASH = len(',"hash":"') + DAG_HASH_LENGTH + len('"}')
_DIGITS = bytes.maketrans(b"abcdefghijklmnopqrstuvwxyz234567", b"0123456789abcdefghijklmnopqrstuv")


class RecordForm(NamedTuple):
    """The text of a node between what is its own, all ASCII. It stands so.

    ::

        {"name":"NAME","version":"VERSION <head> PARAMETERS <middle> PACKAGE_HASH <opening> DEPENDENCIES <tail> HASH"}
    """

    head: bytes
    """From the end of the version to the parameters: the architecture and the namespace."""

    middle: bytes
    """From the end of the parameters to the package hash."""

    opening: bytes
    """From the package hash to the first dependency; empty where there are none."""

    tail: bytes
    """From the last dependency, or the package hash, to the hash: the annotations."""

    @classmethod
    def of_content(cls, content: bytes) -> Self:
        """Read back what ``content`` gave. Raises ``ValueError`` for anything else."""
        head, middle, opening, tail = content.split(_BETWEEN)
        return cls(head, middle, opening, tail)

    @property
    def content(self) -> bytes:
        """All four as one."""
        return _BETWEEN.join(self)

    def record(
        self,
        *,
        name: bytes,
        version: bytes,
        parameters: bytes,
        package_hash: bytes,
        edges: Iterable[bytes],
        dag_hash: bytes,
    ) -> bytes:
        """Write a record out. ``edges`` are texts as ``edge_text`` makes them."""
        middle = self.middle
        if PATCHES in middle:
            start = parameters.index(_PATCHES_KEY) + len(_PATCHES_KEY)
            middle = middle.replace(PATCHES, parameters[start : parameters.index(b"]", start) + 1])
        return b"".join(
            (
                *(b'{"name":"', name, b'","version":"', version, self.head, parameters, middle, package_hash),
                *(self.opening, b",".join(edges), self.tail, dag_hash, b'"}'),
            )
        )


def edge_text(edge: DependencyEdge) -> bytes:
    """Write a dependency as Spack does since format 4."""
    return dependency_text(edge.name, edge.hash, kind_text(edge.kind))


def dependency_text(name: str, dag_hash: str, kind: str) -> bytes:
    """Write a dependency; ``kind`` is what ``kind_text`` gave."""
    return f'{{"name":"{name}","hash":"{dag_hash}","parameters":{kind}}}'.encode()


def kind_text(kind: EdgeKind) -> str:
    """Write how a dependency is used."""
    return f'{{"deptypes":[{_quoted(deptype_names(kind.deptypes))}],"virtuals":[{_quoted(kind.virtuals)}]}}'


def is_hashed_text(dag_hash: str, record: bytes) -> bool:
    """Say whether a record, without the hash at its end, is the very text whose sha1 is its DAG hash.

    So Spack writes it in an index. Compares as numbers: Python reads base 32 in C, but writes base32 in Python.
    """
    text = dag_hash.encode()
    if record[-_HASH:] != b',"hash":"' + text + b'"}':
        return False
    found = hashlib.sha1(record[:-_HASH] + b"}", usedforsecurity=False).digest()
    return int(text.translate(_DIGITS), 32) == int.from_bytes(found, "big")


def _quoted(names: Sequence[str]) -> str:
    return ",".join(f'"{name}"' for name in names)
