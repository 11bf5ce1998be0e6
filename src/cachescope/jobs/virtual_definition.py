"""Makes definitions of virtual mirrors out of what people write: on the command line, or in the settings file.

::

    [virtual.hpc]
    from = ["develop/e4s", "site"]
    filter = "target=x86_64_v3:"
    for = "os=rocky9,target=zen3,glibc=2.34"
    lock = "/srv/env/spack.lock"
    incomplete = false
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cachescope.formats.lock_json import read_lock
from cachescope.jobs.lock_graph import run_closure
from cachescope.model.errors import UserInputError
from cachescope.model.hosts import Host
from cachescope.model.identity import DagHash
from cachescope.model.sightings import parse_against
from cachescope.model.virtual import LockShape, VirtualMirror, parse_virtual_name
from cachescope.query.grammar import parse_query
from cachescope.query.hosts import parse_host

__all__ = ["lock_shape", "make_definition", "read_definitions"]

_KEYS: Mapping[str, type] = {"from": list, "filter": str, "for": str, "lock": str, "incomplete": bool}


def make_definition(
    name: str,
    sources: Sequence[str],
    *,
    query: str = "",
    host: str = "",
    lock: LockShape | None = None,
    incomplete: bool = False,
    detect_host: Callable[[], Host] | None = None,
) -> VirtualMirror:
    """Check each part and put it together. Raises ``UserInputError`` and ``QuerySyntaxError``."""
    if not sources:
        raise UserInputError(
            "a virtual mirror needs a source", where=name, hint="for example --from develop/e4s"
        )
    if query:
        parse_query(query)
    return VirtualMirror(
        name=parse_virtual_name(name),
        sources=tuple(dict.fromkeys(parse_against(one) for one in sources)),
        filter=query.strip(),
        host=str(parse_host(host, detect=detect_host or _no_detection)) if host else "",
        lock=lock,
        incomplete=incomplete,
    )


def lock_shape(document: bytes, name: str) -> LockShape:
    """Return what a lock file asks for. Raises ``MalformedDocument`` and ``UserInputError``."""
    lock = read_lock(document, name)
    wanted = run_closure(lock.roots or lock.bare, lock.specs)
    hashes = {one for one in wanted if one not in lock.specs or not lock.specs[one].external}
    return LockShape(file=name, hashes=tuple(sorted(map(DagHash, hashes))))


def read_definitions(
    tables: Mapping[str, Any], *, read_file: Callable[[str], bytes]
) -> Mapping[str, VirtualMirror]:
    """Read the definitions of a settings file. Raises ``UserInputError``, also for a lock file that is not there."""
    return {name: _of_table(name, table, read_file) for name, table in tables.items()}


def _of_table(name: str, table: Mapping[str, Any], read_file: Callable[[str], bytes]) -> VirtualMirror:
    where = f"settings: virtual.{name}"
    for key, value in table.items():
        if key not in _KEYS:
            raise UserInputError(f"unknown key {key!r}", where=where, hint=f"known are {', '.join(_KEYS)}")
        texts = not isinstance(value, list) or all(isinstance(one, str) for one in value)
        if type(value) is not _KEYS[key] or not texts:
            raise UserInputError(f"{key} cannot be {value!r}", where=where, hint="see docs/user/virtual.md")
    lock = lock_shape(read_file(table["lock"]), table["lock"]) if table.get("lock") else None
    made = make_definition(
        name,
        table.get("from", []),
        query=table.get("filter", ""),
        host=table.get("for", ""),
        lock=lock,
        incomplete=table.get("incomplete", False),
    )
    return replace(made, from_settings=True)


def _no_detection() -> Host:
    raise UserInputError(
        "the settings file names the host itself", hint="for example os=ubuntu22.04,target=zen3,glibc=2.35"
    )
