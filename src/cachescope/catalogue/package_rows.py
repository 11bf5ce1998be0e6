"""The specs of one package as numbers: enough to count, group and filter thousands of them before any is read whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.scope import Scope
from cachescope.catalogue.stored_specs import decode_variant_set, page_variants
from cachescope.catalogue.summaries import chunks
from cachescope.model.identity import MirrorName, Ref, Stack
from cachescope.model.record import Presence
from cachescope.model.spec import Architecture, Compiler, VariantSet, compiler_text, variant_text

__all__ = ["PackageRows", "SpecRow", "read_rows"]

_ABSENT = -1
_NO_VARIANTS = VariantSet(b"{}", (), ())
_NOWHERE = Architecture("", "", "")


@dataclass(slots=True)
class SpecRow:
    """One spec: keys of its parts, and what the scope says of it."""

    id: int
    version_id: int | None
    compiler_id: int | None
    architecture_id: int | None
    set_id: int | None
    spec_format: int
    knowledge: int
    state: int = _ABSENT
    """Highest presence in the scope; -1 where only other stacks of its ref have it."""

    since: int = 0
    """First snapshot of the scope that has it now."""

    mirrors: set[int] = field(default_factory=set)
    """Mirrors of the ref in which it is present, or its presence unstated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRows:
    """The specs of a package that a ref (or the whole catalogue) has now, with the parts that their keys stand for."""

    rows: tuple[SpecRow, ...]
    mirrors: Mapping[int, MirrorName]
    versions: Mapping[int | None, tuple[str, bytes]]
    """Text and order-preserving key."""

    compilers: Mapping[int | None, Compiler | None]
    architectures: Mapping[int | None, Architecture]
    sets: Mapping[int | None, VariantSet]
    _texts: dict[tuple[int | None, bool], tuple[str, ...]] = field(default_factory=dict)
    _compilers: dict[int | None, str] = field(default_factory=dict)

    def version(self, row: SpecRow) -> str:
        """Return the version; empty where none is recorded."""
        return self.versions[row.version_id][0]

    def compiler(self, row: SpecRow) -> str:
        """Return the compiler as lists show it."""
        found = self._compilers.get(row.compiler_id)
        if found is None:
            found = self._compilers[row.compiler_id] = compiler_text(self.compilers[row.compiler_id])
        return found

    def variant_texts(self, row: SpecRow) -> tuple[str, ...]:
        """Return the variants in Spack's spelling, as ``SpecSummary`` does."""
        key = (row.set_id, row.spec_format >= 5)  # noqa: PLR2004 - since format 5 a list has another sign
        if key not in self._texts:
            found = self.sets[row.set_id]
            printed = page_variants(found.key)
            if printed is None:
                printed = tuple(variant_text(one, spec_format=row.spec_format) for one in found.variants)
            self._texts[key] = printed
        return self._texts[key]


def read_rows(connection: Connection, name_id: int | None, scope: Scope) -> PackageRows:
    """Read the specs of a package in a scope, and those of the other stacks of its ref. 5 statements, 1 for 500 variant sets."""
    wider = Scope(scope.ref, None if scope.ref is not None else scope.stack)
    mirror_of: dict[int, int] = {}
    mirrors: dict[int, MirrorName] = {}
    for source_id, mirror_id, ref, stack in connection.execute(
        select(t.source.c.id, t.mirror.c.id, t.mirror.c.ref, t.mirror.c.stack)
        .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
        .where(*wider.conditions())
    ):
        mirror_of[source_id] = mirror_id
        mirrors[mirror_id] = MirrorName(Ref(ref), Stack(stack))
    within = {key for key, name in mirrors.items() if scope.stack in (None, name.stack)}
    found: dict[int, SpecRow] = {}
    presence, spec = t.presence, t.spec
    statement = (
        select(
            spec.c.id, spec.c.version_id, spec.c.compiler_id, spec.c.architecture_id, spec.c.variant_set_id,
            spec.c.spec_format, spec.c.knowledge, presence.c.source_id, presence.c.state, presence.c.since,
        )
        .join(presence, presence.c.spec_id == spec.c.id)
        .where(spec.c.name_id == name_id, presence.c.until.is_(None))
    )  # fmt: skip
    if wider.conditions():
        statement = statement.where(presence.c.source_id.in_(mirror_of))
    for (
        key,
        version,
        compiler,
        architecture,
        variants,
        format_,
        knowledge,
        source_id,
        state,
        since,
    ) in connection.execute(statement):
        row = found.get(key)
        if row is None:
            row = found[key] = SpecRow(key, version, compiler, architecture, variants, format_, knowledge)
        mirror_id = mirror_of[source_id]
        if state > Presence.MENTIONED:
            row.mirrors.add(mirror_id)
        if mirror_id in within:
            row.state = max(row.state, state)
            row.since = min(row.since or since, since)
    rows = tuple(found.values())
    return PackageRows(
        rows=rows,
        mirrors=mirrors,
        versions=_versions(connection, rows),
        compilers=_compilers(connection, rows),
        architectures=_architectures(connection, rows),
        sets=_sets(connection, rows),
    )


def _versions(connection: Connection, rows: Iterable[SpecRow]) -> dict[int | None, tuple[str, bytes]]:
    held = t.version.c
    found: dict[int | None, tuple[str, bytes]] = {None: ("", b"")}
    for some in _keys(one.version_id for one in rows):
        statement = select(held.id, held.text, held.key).where(held.id.in_(some))
        found.update({key: (text, order) for key, text, order in connection.execute(statement)})
    return found


def _compilers(connection: Connection, rows: Iterable[SpecRow]) -> dict[int | None, Compiler | None]:
    held = t.compiler.c
    found: dict[int | None, Compiler | None] = {None: None}
    for some in _keys(one.compiler_id for one in rows):
        statement = select(held.id, held.name, held.version).where(held.id.in_(some))
        found.update({key: Compiler(name, version) for key, name, version in connection.execute(statement)})
    return found


def _architectures(connection: Connection, rows: Iterable[SpecRow]) -> dict[int | None, Architecture]:
    held = t.architecture.c
    found: dict[int | None, Architecture] = {None: _NOWHERE}
    for some in _keys(one.architecture_id for one in rows):
        statement = select(held.id, held.platform, held.os, held.target).where(held.id.in_(some))
        found.update({key: Architecture(*parts) for key, *parts in connection.execute(statement)})
    return found


def _sets(connection: Connection, rows: Iterable[SpecRow]) -> dict[int | None, VariantSet]:
    held = t.variant_set.c
    found: dict[int | None, VariantSet] = {None: _NO_VARIANTS}
    for some in _keys(one.set_id for one in rows):
        statement = select(held.id, held.key, held.content).where(held.id.in_(some))
        for key, text, content in connection.execute(statement):
            found[key] = decode_variant_set(text, content)
    return found


def _keys(keys: Iterable[int | None]) -> Iterable[list[int]]:
    return (list(some) for some in chunks(sorted({one for one in keys if one is not None})))
