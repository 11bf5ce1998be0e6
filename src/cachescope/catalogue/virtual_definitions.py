"""Definitions of virtual mirrors, kept in the catalogue.

As JSON: ``{"sources": ["develop/e4s", "ref:v1.0"], "filter": "", "host": "", "incomplete": false,
"lock": {"file": "spack.lock", "hashes": [...]}}``; a definition is read and written whole.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from cachescope.catalogue import schema as t
from cachescope.catalogue.times import to_stored
from cachescope.model.errors import CatalogueUnusable, NotInCatalogue, UserInputError
from cachescope.model.identity import DagHash, SourceName
from cachescope.model.sightings import Against, parse_against
from cachescope.model.virtual import LockShape, VirtualMirror, parse_virtual_name

__all__ = ["define_virtual", "defined_mirror", "defined_mirrors", "refuse_hiding", "remove_virtual"]


class _LockWire(msgspec.Struct):
    file: str
    hashes: list[str]


class _DefinitionWire(msgspec.Struct, omit_defaults=True):
    sources: list[str]
    filter: str = ""
    host: str = ""
    incomplete: bool = False
    lock: _LockWire | None = None


_decode = msgspec.json.Decoder(_DefinitionWire)


def define_virtual(connection: Connection, mirror: VirtualMirror, *, now: datetime) -> bool:
    """Keep a definition in place of an older one of its name; returns whether there was none.

    Raises ``UserInputError`` for a name that would hide mirrors.
    """
    refuse_hiding(connection, mirror.name)
    values = {"definition": _encoded(mirror), "defined_at": to_stored(now)}
    name = parse_virtual_name(mirror.name)
    changed = connection.execute(
        update(t.virtual_mirror).where(t.virtual_mirror.c.name == name).values(**values)
    ).rowcount
    if not changed:
        connection.execute(insert(t.virtual_mirror).values(name=name, **values))
    return not changed


def refuse_hiding(connection: Connection, name: str) -> None:
    """Refuse the name of a ref: ``/mirror/NAME/`` would hide its mirrors, which are at ``/mirror/REF/STACK/``.

    Raises ``UserInputError``.
    """
    if connection.execute(select(t.mirror.c.id).where(t.mirror.c.ref == name).limit(1)).first() is not None:
        raise UserInputError(
            f"{name} is a ref of mirrors: a virtual mirror of that name would hide /mirror/{name}/STACK/",
            hint="choose another name",
        )


def remove_virtual(connection: Connection, name: str) -> None:
    """Forget a definition; its sources are not touched. Raises ``NotInCatalogue``."""
    if not connection.execute(delete(t.virtual_mirror).where(t.virtual_mirror.c.name == name)).rowcount:
        raise NotInCatalogue(f"no virtual mirror {name} is defined", hint="cachescope virtual list")


def defined_mirrors(connection: Connection) -> Sequence[VirtualMirror]:
    """Return all definitions, by name."""
    rows = connection.execute(
        select(t.virtual_mirror.c.name, t.virtual_mirror.c.definition).order_by(t.virtual_mirror.c.name)
    )
    return [_decoded(name, definition) for name, definition in rows]


def defined_mirror(connection: Connection, name: str) -> VirtualMirror | None:
    """Return the definition of this name, or None."""
    definition = connection.execute(
        select(t.virtual_mirror.c.definition).where(t.virtual_mirror.c.name == name)
    ).scalar()
    return _decoded(name, definition) if definition is not None else None


def _encoded(mirror: VirtualMirror) -> str:
    wire = _DefinitionWire(
        sources=[_text(one) for one in mirror.sources],
        filter=mirror.filter,
        host=mirror.host,
        incomplete=mirror.incomplete,
        lock=_LockWire(mirror.lock.file, list(mirror.lock.hashes)) if mirror.lock is not None else None,
    )
    return msgspec.json.encode(wire).decode()


def _text(one: Against) -> str:
    return str(one) if isinstance(one, SourceName) else f"ref:{one}"


def _decoded(name: str, definition: str) -> VirtualMirror:
    try:
        wire = _decode.decode(definition)
        sources = tuple(parse_against(one) for one in wire.sources)
    except (msgspec.DecodeError, UserInputError) as error:
        raise CatalogueUnusable(
            f"the definition of the virtual mirror {name} cannot be read: {error}",
            hint=f"cachescope virtual remove {name}, and define it anew",
        ) from error
    lock = LockShape(file=wire.lock.file, hashes=tuple(map(DagHash, wire.lock.hashes))) if wire.lock else None
    return VirtualMirror(
        name=name,
        sources=sources,
        filter=wire.filter,
        host=wire.host,
        lock=lock,
        incomplete=wire.incomplete,
    )
