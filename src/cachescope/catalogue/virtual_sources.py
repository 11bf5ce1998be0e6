"""The sources of a virtual mirror, in their order, and the state of the catalogue that its content follows from."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, func, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.archives import readable_sources, source_name
from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import MirrorName, SourceName
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.sightings import Against
from cachescope.model.virtual import VirtualMirror, VirtualSource

__all__ = ["index_versions", "sources_of_virtual", "state_of_virtual"]

_FORM = 2
"""Of what is written for a virtual mirror: counted up when other bytes are written for the same content."""

_NEWEST_IN_V2 = 7
"""Of an index, for a Spack that knows layout v2 alone; a spec of a newer one cannot be written for it."""


def sources_of_virtual(connection: Connection, mirror: VirtualMirror) -> Sequence[VirtualSource]:
    """Return the sources in their order: as they are named; of one mirror v3 before v2; of a ref the mirrors by name.

    A mirror is its default index; its views are sources where they are named, or where it has nothing else. One layout
    has one index of one version (``index_versions``): a source of a newer one is excluded.
    1 statement. Raises ``NotInCatalogue`` for a name that the catalogue has not, or that has no index.
    """
    known = _known_sources(connection)
    found: dict[int, VirtualSource] = {}
    for wanted in mirror.sources:
        named = [one for one in known if _is_meant(one.name, wanted)]
        if not isinstance(wanted, SourceName) or wanted.view is None:
            of_mirrors: dict[MirrorName, list[VirtualSource]] = {}
            for one in named:
                of_mirrors.setdefault(one.name.mirror, []).append(one)
            named = [one for group in of_mirrors.values() for one in _default_first(group)]
        if not named:
            text = str(wanted) if isinstance(wanted, SourceName) else f"the ref {wanted}"
            raise NotInCatalogue(
                f"{text} has no index in the catalogue",
                where=mirror.name,
                hint="'cachescope caches' lists what was synced",
            )
        for one in named:
            found.setdefault(one.id, one)
    return _readable_together(list(found.values()))


def state_of_virtual(
    connection: Connection, mirror: VirtualMirror, sources: Sequence[VirtualSource], *, catalogue: str
) -> str:
    """Return a text that is another one whenever what is served may be: of definition, sources and their snapshots.

    ``catalogue`` tells catalogues apart that share a folder. 1 statement.
    """
    newest = {
        row.source_id: (row.id, row.taken_at, row.number)
        for row in connection.execute(
            select(
                t.snapshot.c.source_id,
                func.max(t.snapshot.c.id).label("id"),
                func.max(t.snapshot.c.taken_at).label("taken_at"),
                func.count().label("number"),
            )
            .where(t.snapshot.c.source_id.in_([one.id for one in sources]))
            .group_by(t.snapshot.c.source_id)
        )
    }
    parts = [
        _FORM,
        catalogue,
        mirror.name,
        mirror.filter,
        mirror.host,
        mirror.incomplete,
        mirror.lock.hashes if mirror.lock is not None else None,
        [
            (one.id, str(one.name), one.layout, one.index_version, one.url.text, newest.get(one.id))
            for one in sources
        ],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _known_sources(connection: Connection) -> Sequence[VirtualSource]:
    return [
        VirtualSource(
            id=row.id,
            name=source_name(row),
            layout=Layout(row.layout),
            url=MirrorUrl(row.url),
            index_version=str(row.index_version),
        )
        for row in readable_sources(connection)
    ]


def _is_meant(name: SourceName, wanted: Against) -> bool:
    if not isinstance(wanted, SourceName):
        return name.mirror.ref == wanted
    return name.mirror == wanted.mirror and (wanted.view is None or name.view == wanted.view)


def _default_first(group: Sequence[VirtualSource]) -> Sequence[VirtualSource]:
    """Return the default indexes of a mirror; its views only if there are none."""
    return [one for one in group if one.name.view is None] or group


def index_versions(sources: Iterable[VirtualSource]) -> Mapping[Layout, str]:
    """Return the version of the index of each layout: the newest that its sources have, and all its clients read."""
    versions: dict[Layout, list[int]] = {}
    for one in sources:
        versions.setdefault(one.layout, []).append(int(one.index_version))
    return {layout: str(_version(layout, some)) for layout, some in versions.items()}


def _version(layout: Layout, versions: Sequence[int]) -> int:
    # Records are turned for a newer version, as Spack does; for an older one only what had its shape once can be.
    old = [one for one in versions if one <= _NEWEST_IN_V2] if layout is Layout.V2 else []
    return max(old or versions)


def _readable_together(sources: Sequence[VirtualSource]) -> Sequence[VirtualSource]:
    versions = index_versions(sources)
    return [
        one
        if int(one.index_version) <= int(versions[one.layout])
        else replace(
            one,
            excluded=(
                f"its index has version {one.index_version}, others of layout {one.layout} have "
                f"{versions[one.layout]}, and who reads that cannot read it"
            ),
        )
        for one in sources
    ]
