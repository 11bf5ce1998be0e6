"""The reads for coverage and its causes: many hashes at once, all binaries of some names, their edges.

Every statement lists at most 500 keys; how many there are follows from how many specs are asked for, never from the size of
the catalogue. One ``LockLookup`` sees one state of the catalogue.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.host_facts import LibcNode, libc_of
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.originals import RecordReader
from cachescope.catalogue.scope import Scope
from cachescope.catalogue.sizes import knows_sizes, sizes_of
from cachescope.catalogue.stored_specs import decode_variant_set
from cachescope.catalogue.summaries import chunks
from cachescope.catalogue.times import from_stored
from cachescope.catalogue.universe_reader import read_universe
from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import DagHash, MirrorName, PackageName, Ref, SourceName, Stack, ViewName
from cachescope.model.mirror import MirrorUrl
from cachescope.model.record import Presence
from cachescope.model.sightings import Against, CachedEdge, CachedSpec, KnownSpec, Sighting
from cachescope.model.spec import Architecture, Compiler, ConcreteSpec, Deptype, EdgeKind, VariantSet

__all__ = ["LockLookup"]

_NO_VARIANTS = VariantSet(b"{}", (), ())
_NOWHERE = Architecture("", "", "")


class LockLookup:
    """Answers about many specs at once, within one state of the catalogue and one choice of sources."""

    def __init__(self, connection: Connection, against: Sequence[Against] = ()) -> None:
        """``against`` nothing is all that the catalogue has. Raises ``NotInCatalogue`` for a name that it has not."""
        self._connection = connection
        self._sources: dict[int, SourceName] = {}
        self.urls: dict[MirrorName, MirrorUrl | None] = {}
        for row in connection.execute(
            select(t.source.c.id, t.source.c.view, t.mirror.c.ref, t.mirror.c.stack, t.mirror.c.url).join(
                t.mirror, t.mirror.c.id == t.source.c.mirror_id
            )
        ):
            mirror = MirrorName(Ref(row.ref), Stack(row.stack))
            self._sources[row.id] = SourceName(mirror, ViewName(row.view) if row.view else None)
            self.urls[mirror] = MirrorUrl(row.url) if row.url else None
        self._chosen = {key for key, name in self._sources.items() if _is_among(name, against)}
        for one in against:
            if not any(_is_among(name, [one]) for name in self._sources.values()):
                text = str(one) if isinstance(one, SourceName) else f"the ref {one}"
                raise NotInCatalogue(
                    f"{text} is not in the catalogue", hint="'cachescope caches' lists what was synced"
                )
        self.restricted = len(self._chosen) < len(self._sources)
        self._sets: dict[int, VariantSet] = {0: _NO_VARIANTS}
        self._kinds: dict[int, EdgeKind] | None = None
        self._texts: dict[str, dict[int, Any]] = {}

    @property
    def mirrors(self) -> tuple[MirrorName, ...]:
        """The mirrors that are judged by, sorted."""
        return tuple(sorted({self._sources[key].mirror for key in self._chosen}))

    @property
    def source_keys(self) -> list[int]:
        """The keys of the sources that are judged by, sorted."""
        return sorted(self._chosen)

    def known(self, hashes: Iterable[DagHash]) -> dict[DagHash, KnownSpec]:
        """Return what is known of specs. 2 statements for 500 hashes."""
        found: dict[DagHash, KnownSpec] = {}
        for some in chunks(list(hashes)):
            keys = {
                key: DagHash(dag_hash)
                for key, dag_hash in self._connection.execute(
                    select(t.spec.c.id, t.spec.c.hash).where(t.spec.c.hash.in_(some))
                )
            }
            here: dict[int, list[Sighting]] = {}
            elsewhere: dict[int, set[MirrorName]] = {}
            rows = self._connection.execute(
                select(
                    t.presence.c.spec_id, t.presence.c.source_id, t.presence.c.state, t.snapshot.c.taken_at
                )
                .outerjoin(t.snapshot, t.snapshot.c.id == t.presence.c.until)
                .where(t.presence.c.spec_id.in_(list(keys)))
            )
            for key, source, state, until in rows:
                if source in self._chosen:
                    moment = from_stored(until) if until is not None else None
                    here.setdefault(key, []).append(Sighting(self._sources[source], Presence(state), moment))
                elif until is None and state == Presence.PRESENT:
                    elsewhere.setdefault(key, set()).add(self._sources[source].mirror)
            for key, dag_hash in keys.items():
                found[dag_hash] = KnownSpec(
                    key, dag_hash, tuple(here.get(key, ())), tuple(sorted(elsewhere.get(key, ())))
                )
        return found

    def described(self, keys: Sequence[int]) -> Mapping[DagHash, ConcreteSpec]:
        """Return the DAGs below specs, as far as records describe them."""
        return read_universe(self._connection, keys).specs

    def candidates(self, names: Iterable[str], *, externals: bool = False) -> dict[str, list[CachedSpec]]:
        """Return all present specs of some names; with ``externals`` the mentioned externals in their place."""
        wanted = [self._is_present()] if not externals else [self._is_known(), t.spec.c.external == 1]
        found: dict[str, list[CachedSpec]] = {}
        for some in chunks(self._name_keys(names)):
            for one in self._cached(t.spec.c.name_id.in_(some), *wanted):
                found.setdefault(one.name, []).append(one)
        return found

    def places_of_names(self, names: Iterable[str]) -> dict[tuple[str, str], tuple[MirrorName, ...]]:
        """Return in which other mirrors there are binaries of names and versions now."""
        found: dict[tuple[str, str], set[MirrorName]] = {}
        if not self.restricted:
            return {}
        for some in chunks(self._name_keys(names)):
            rows = self._connection.execute(
                select(t.name.c.text, t.version.c.text, t.presence.c.source_id)
                .join(t.spec, t.spec.c.name_id == t.name.c.id)
                .join(t.version, t.version.c.id == t.spec.c.version_id)
                .join(t.presence, t.presence.c.spec_id == t.spec.c.id)
                .where(
                    t.name.c.id.in_(some),
                    t.presence.c.until.is_(None),
                    t.presence.c.state == int(Presence.PRESENT),
                    t.presence.c.source_id.not_in(self._chosen),
                )
                .distinct()
            )
            for name, version, source in rows:
                found.setdefault((name, version), set()).add(self._sources[source].mirror)
        return {key: tuple(sorted(mirrors)) for key, mirrors in found.items()}

    def specs(self, keys: Iterable[int]) -> dict[int, CachedSpec]:
        """Return specs by key. 1 statement for 500, and what it names that was not read yet."""
        return {one.key: one for some in chunks(sorted(keys)) for one in self._cached(t.spec.c.id.in_(some))}

    def edges(self, keys: Iterable[int]) -> dict[int, tuple[CachedEdge, ...]]:
        """Return the edges below specs, in their order; specs without any are there too. 1 statement for 500."""
        wanted = sorted(keys)
        found: dict[int, list[CachedEdge]] = {key: [] for key in wanted}
        kinds = self._edge_kinds()
        for some in chunks(wanted):
            rows = self._connection.execute(
                select(t.edge.c.parent_id, t.edge.c.child_id, t.edge.c.kind_id, t.spec.c.name_id)
                .join(t.spec, t.spec.c.id == t.edge.c.child_id)
                .where(t.edge.c.parent_id.in_(some))
                .order_by(t.edge.c.parent_id, t.edge.c.position)
            ).all()
            names = self._named(t.name, {row.name_id for row in rows})
            for parent, child, kind, name in rows:
                found[parent].append(CachedEdge(names[name], child, kinds[kind]))
        return {key: tuple(edges) for key, edges in found.items()}

    def variants(self, keys: Iterable[int]) -> Mapping[int, VariantSet]:
        """Return variant sets by key, at least those that are asked for."""
        for some in chunks(sorted(set(keys) - self._sets.keys())):
            rows = self._connection.execute(
                select(t.variant_set.c.id, t.variant_set.c.key, t.variant_set.c.content).where(
                    t.variant_set.c.id.in_(some)
                )
            )
            self._sets.update({key: decode_variant_set(text, content) for key, text, content in rows})
        return self._sets

    def external_places(self, keys: Iterable[int]) -> dict[int, str]:
        """Return where externals are, by their records: a path, or modules."""
        reader = RecordReader(self._connection)
        places: dict[int, str] = {}
        for some in chunks(sorted(keys)):
            for key, record in reader.read(some).items():
                external = json.loads(record).get("external") or {}
                place = external.get("path") or (
                    f"module {external['module']}" if external.get("module") else ""
                )
                if isinstance(place, str) and place:
                    places[key] = place
        return places

    def libcs(self, keys: Sequence[int]) -> Mapping[int, LibcNode | None]:
        """Return the C library that each spec needs at run time."""
        return libc_of(self._connection, keys)

    def sizes(self, keys: Sequence[int]) -> Mapping[int, int]:
        """Return the bytes to download for present specs, where they are known. 1 statement, and 1 for 500 specs."""
        if not knows_sizes(self._connection):
            return {}
        return sizes_of(
            self._connection, keys, Scope(), sources=sorted(self._chosen) if self.restricted else None
        )

    # -- parts ------------------------------------------------------------------------------------------------------

    def _stands(self) -> list[ColumnElement[bool]]:
        conditions = [t.presence.c.spec_id == t.spec.c.id, t.presence.c.until.is_(None)]
        if self.restricted:
            conditions.append(t.presence.c.source_id.in_(self._chosen))
        return conditions

    def _is_present(self) -> ColumnElement[bool]:
        return exists().where(*self._stands(), t.presence.c.state == int(Presence.PRESENT))

    def _is_known(self) -> ColumnElement[bool]:
        return exists().where(*self._stands())

    def _name_keys(self, names: Iterable[str]) -> list[int]:
        keys: list[int] = []
        for some in chunks(sorted(set(names))):
            keys += self._connection.execute(select(t.name.c.id).where(t.name.c.text.in_(some))).scalars()
        return keys

    def _cached(self, *conditions: ColumnElement[bool]) -> Iterable[CachedSpec]:
        rows = self._connection.execute(
            select(
                t.spec.c.id,
                t.spec.c.hash,
                t.spec.c.name_id,
                t.spec.c.version_id,
                t.spec.c.namespace_id,
                t.spec.c.architecture_id,
                t.spec.c.compiler_id,
                t.spec.c.variant_set_id,
                t.spec.c.package_hash,
                t.spec.c.build_spec,
                t.spec.c.external,
                t.spec.c.spec_format,
                t.spec.c.knowledge,
            ).where(*conditions)
        ).all()
        names = self._named(t.name, {row.name_id for row in rows} | {row.namespace_id for row in rows})
        versions = self._named(t.version, {row.version_id for row in rows})
        return self._made(rows, names, versions)

    def _made(
        self, rows: Sequence[Any], names: Mapping[int, str], versions: Mapping[int, str]
    ) -> Iterable[CachedSpec]:
        architectures, compilers = self._architectures(), self._compilers()
        recorded = int(Knowledge.RECORD)
        for row in rows:
            (
                key, dag_hash, name, version, namespace, architecture, compiler, variants, package_hash,
                build_spec, external, spec_format, knowledge,
            ) = row  # fmt: skip
            yield CachedSpec(
                key,
                DagHash(dag_hash),
                PackageName(names[name]),
                versions.get(version, ""),
                names.get(namespace, ""),
                architectures.get(architecture, _NOWHERE),
                compilers.get(compiler),
                variants or 0,
                package_hash or "",
                build_spec or "",
                bool(external),
                spec_format,
                knowledge == recorded,
            )

    def _named(self, table: Any, keys: set[int | None]) -> dict[int, str]:
        """Return the texts of an interned table, at least those that are asked for."""
        texts: dict[int, str] = self._texts.setdefault(table.name, {})
        missing = sorted(key for key in keys if key is not None and key not in texts)
        for some in chunks(missing):
            rows = self._connection.execute(select(table.c.id, table.c.text).where(table.c.id.in_(some)))
            texts.update((row.id, row.text) for row in rows)
        return texts

    def _architectures(self) -> dict[int, Architecture]:
        # Some hundreds at the most, as are compilers and kinds of edges.
        if "architecture" not in self._texts:
            rows = self._connection.execute(select(t.architecture))
            self._texts["architecture"] = {
                row.id: Architecture(row.platform, row.os, row.target) for row in rows
            }
        return self._texts["architecture"]

    def _compilers(self) -> dict[int, Compiler]:
        if "compiler" not in self._texts:
            rows = self._connection.execute(select(t.compiler.c.id, t.compiler.c.name, t.compiler.c.version))
            self._texts["compiler"] = {row.id: Compiler(row.name, row.version) for row in rows}
        return self._texts["compiler"]

    def _edge_kinds(self) -> dict[int, EdgeKind]:
        if self._kinds is None:
            self._kinds = {
                row.id: EdgeKind(Deptype(row.deptypes), tuple(filter(None, row.virtuals.split(","))))
                for row in self._connection.execute(select(t.edge_kind))
            }
        return self._kinds


def _is_among(name: SourceName, against: Sequence[Against]) -> bool:
    """Say whether a source is meant: by its mirror, by its view where one is named, or by its ref."""
    if not against:
        return True
    for one in against:
        if not isinstance(one, SourceName):
            if name.mirror.ref == one:
                return True
        elif name.mirror == one.mirror and one.view in {None, name.view}:
            return True
    return False
