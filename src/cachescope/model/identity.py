"""The identities of the field, each with the one function that makes it from text.

``parse_*`` returns the value or raises ``UserInputError``; there is no ``is_valid_*`` twin to fall out of step.
A *DAG hash* says what a binary is, a *digest* says which bytes: they are never mixed.
"""

import re
from dataclasses import dataclass
from typing import NewType, cast

from cachescope.model.errors import UserInputError

__all__ = [
    "DAG_HASH_LENGTH",
    "PATTERNS",
    "ROOT",
    "DagHash",
    "Digest",
    "MirrorName",
    "PackageName",
    "Ref",
    "SourceName",
    "Stack",
    "ViewName",
    "cut_hashes",
    "is_hash_text",
    "parse_dag_hash",
    "parse_digest",
    "parse_hash_prefix",
    "parse_mirror_name",
    "parse_package_name",
    "parse_ref",
    "parse_source_name",
]

DagHash = NewType("DagHash", str)
"""32 characters of RFC 4648 base32 in lower case: the sha1 of a concrete node (formats: DAG hash)."""

PackageName = NewType("PackageName", str)
Ref = NewType("Ref", str)
"""Release label of a mirror, for example ``develop`` or ``v1.0.2``; the public site calls it a tag."""

Stack = NewType("Stack", str)
"""One set of specs published under a ref, for example ``e4s``; ``root`` is the mirror of the ref itself."""

ViewName = NewType("ViewName", str)
"""Name of a sub-index of a v3 mirror (Spack 1.2 and newer)."""

ROOT = Stack("root")
DAG_HASH_LENGTH = 32

_DAG_HASH = re.compile(r"[a-z2-7]{32}")
_HASH_PREFIX = re.compile(r"[a-z2-7]{1,32}")
_PACKAGE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}")
PATTERNS = {"package": _PACKAGE_NAME.pattern, "label": _LABEL.pattern, "hash": _HASH_PREFIX.pattern}
"""How names of packages, names of refs and stacks, and beginnings of hashes are spelt, as regular expressions."""

_SHOWN = 80
_RESERVED_LABEL = re.compile(r"v\d+|blobs|build_cache")
_HEX = {
    "sha256": re.compile(r"[0-9a-f]{64}"),
    "sha512": re.compile(r"[0-9a-f]{128}"),
    "sha1": re.compile(r"[0-9a-f]{40}"),
}


def is_hash_text(text: str) -> bool:
    """Say whether ``text`` has the form of a DAG hash; the hot loops of the decoders ask this before they convert."""
    return _DAG_HASH.fullmatch(text) is not None


def cut_hashes(joined: str) -> list[DagHash]:
    """Cut a text of whole DAG hashes, one after the other, into them; hundreds of thousands at a time."""
    stops = range(DAG_HASH_LENGTH, len(joined) + 1, DAG_HASH_LENGTH)
    return cast("list[DagHash]", [joined[stop - DAG_HASH_LENGTH : stop] for stop in stops])


def parse_dag_hash(text: str) -> DagHash:
    """Read a whole DAG hash, with or without the leading slash."""
    bare = text.removeprefix("/")
    if _DAG_HASH.fullmatch(bare) is None:
        raise UserInputError(
            f"{text!r} is not a DAG hash",
            hint="a DAG hash has 32 characters out of a-z and 2-7, for example from 'spack find -L'",
        )
    return DagHash(bare)


def parse_hash_prefix(text: str) -> str:
    """Read the beginning of a DAG hash (1 to 32 characters), with or without the leading slash."""
    bare = text.removeprefix("/")
    if _HASH_PREFIX.fullmatch(bare) is None:
        raise UserInputError(
            f"{text!r} is not the beginning of a DAG hash",
            hint="give 1 to 32 characters out of a-z and 2-7, for example /33pd4gq",
        )
    return bare


def parse_package_name(text: str) -> PackageName:
    """Read a package name as Spack writes it, for example ``py-numpy``."""
    if _PACKAGE_NAME.fullmatch(text) is None:
        raise UserInputError(
            f"{text!r} is not a package name",
            hint="names are letters, digits, '_', '.' and '-', for example hdf5",
        )
    return PackageName(text)


@dataclass(frozen=True, slots=True)
class Digest:
    """Algorithm and lower-case hexadecimal checksum of stored bytes."""

    algorithm: str
    hexadecimal: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hexadecimal}"


def parse_digest(algorithm: str, checksum: str) -> Digest:
    """Read a digest; refuses anything that could be more than a checksum, such as a path."""
    pattern = _HEX.get(algorithm)
    if pattern is None:
        raise UserInputError(
            f"unknown checksum algorithm {algorithm!r}", hint=f"known are {', '.join(sorted(_HEX))}"
        )
    if pattern.fullmatch(checksum) is None:
        shown = checksum if len(checksum) <= _SHOWN else checksum[: _SHOWN - 3] + "..."
        raise UserInputError(
            f"{shown!r} is not a {algorithm} checksum",
            hint="a checksum is lower-case hexadecimal of fixed length",
        )
    return Digest(algorithm, checksum)


@dataclass(frozen=True, slots=True, order=True)
class MirrorName:
    """``ref/stack``; a lone name ``site`` means ``site/root``."""

    ref: Ref
    stack: Stack

    def __str__(self) -> str:
        return f"{self.ref}/{self.stack}"


@dataclass(frozen=True, slots=True, order=True)
class SourceName:
    """A mirror, or with ``@view`` one named view of it."""

    mirror: MirrorName
    view: ViewName | None = None

    def __str__(self) -> str:
        return f"{self.mirror}@{self.view}" if self.view else str(self.mirror)


def parse_ref(text: str) -> Ref:
    """Read a ref; ``v<digits>``, ``blobs`` and ``build_cache`` are taken by the layouts of mirrors."""
    return Ref(_label(text, "ref"))


def parse_mirror_name(text: str) -> MirrorName:
    """Read ``ref/stack`` or a lone name."""
    name = parse_source_name(text)
    if name.view is not None:
        raise UserInputError(f"{text!r} names a view where a mirror is wanted", hint=f"use {name.mirror}")
    return name.mirror


def parse_source_name(text: str) -> SourceName:
    """Read ``ref/stack``, a lone name, or either with ``@view``."""
    mirror, at, view = text.partition("@")
    ref, slash, stack = mirror.partition("/")
    if at and not view:
        raise UserInputError(
            f"{text!r} ends in '@' without the name of a view", hint="for example develop/e4s@science"
        )
    if slash and not stack:
        raise UserInputError(f"{text!r} ends in '/' without a stack", hint="for example develop/e4s")
    name = MirrorName(parse_ref(ref), Stack(_label(stack, "stack")) if slash else ROOT)
    return SourceName(name, ViewName(_label(view, "view")) if at else None)


def _label(text: str, kind: str) -> str:
    if _LABEL.fullmatch(text) is None:
        raise UserInputError(
            f"{text!r} is not a name of a {kind}",
            hint="a mirror is named ref/stack, for example develop/e4s, out of letters, digits and _ . + -",
        )
    if _RESERVED_LABEL.fullmatch(text) is not None:
        raise UserInputError(
            f"{text!r} cannot name a {kind}: mirrors use it for folders of their own",
            hint="choose another name",
        )
    return text
