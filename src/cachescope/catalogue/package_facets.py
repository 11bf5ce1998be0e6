"""The facets of a package under a query, and the specs that match it.

Version, system, target and variants are judged here, on the few distinct values that thousands of specs share; what else a
query asks (compilers, dependencies, flags) is a condition that the database has answered before. A facet's own values are
counted as if the query said nothing of that field, so that one sees what choosing another value would give.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cachescope.catalogue.package_rows import PackageRows, SpecRow
from cachescope.model.facets import BuiltCell, Facet, FacetValue
from cachescope.model.spec import Architecture, Variant, compiler_text, variant_text
from cachescope.query.choosing import (
    chosen_compilers,
    toggle_compiler,
    toggle_os,
    toggle_target,
    toggle_variant,
    toggle_version,
)
from cachescope.query.matching import variant_fits
from cachescope.query.spec_query import NodeQuery, SpecQuery
from cachescope.query.targets import target_matches

__all__ = ["Narrowed", "built_cells", "facets_of", "narrow"]

_HIDDEN_VARIANTS = frozenset({"patches"})
"""Told by the look-alikes: their values are checksums, which nobody chooses by."""

_Toggled = SpecQuery | None


@dataclass(slots=True)
class Narrowed:
    """The specs that match, and for each field how many would if the query said nothing of it."""

    matching: list[SpecRow] = field(default_factory=list)
    versions: Counter[int | None] = field(default_factory=Counter)
    compilers: Counter[int | None] = field(default_factory=Counter)
    systems: Counter[int | None] = field(default_factory=Counter)
    """By architecture, as targets are."""

    targets: Counter[int | None] = field(default_factory=Counter)
    sets: Counter[int | None] = field(default_factory=Counter)
    """Variant sets of the matching ones."""

    nearly: Counter[tuple[str, int | None]] = field(default_factory=Counter)
    """Variant sets of specs that only one asked variant keeps from matching, by its name."""

    stacks: Counter[int] = field(default_factory=Counter)
    """By mirror."""


class _Judge:
    """What a query says of each distinct value that the specs of a package have: the fields that are not fulfilled."""

    def __init__(self, held: PackageRows, query: SpecQuery) -> None:
        node = query.node
        asked = [one for one in node.variants if not one.propagate]
        self._versions = {
            key: _MISSED_VERSION if node.version is not None and not node.version.matches(text) else ()
            for key, (text, _) in held.versions.items()
        }
        self._architectures = {key: _missed_parts(node, one) for key, one in held.architectures.items()}
        self._sets = {
            key: tuple(f"variant:{one.name}" for one in asked if not variant_fits(one, variants.variants))
            for key, variants in held.sets.items()
        }

    def missed(self, row: SpecRow) -> tuple[str, ...]:
        """Return the fields that a spec does not fulfil; a variant with its name."""
        return (
            self._versions[row.version_id] + self._architectures[row.architecture_id] + self._sets[row.set_id]
        )


_MISSED_VERSION = ("version",)


def _missed_parts(node: NodeQuery, found: Architecture) -> tuple[str, ...]:
    missed = []
    if node.platform not in {None, "*", found.platform}:
        missed.append("platform")
    if node.os not in {None, "*", found.os}:
        missed.append("os")
    if node.target is not None and not target_matches(node.target, found.target):
        missed.append("target")
    return tuple(missed)


def narrow(
    held: PackageRows,
    query: SpecQuery,
    *,
    allowed: Collection[int] | None,
    without_compilers: Collection[int] | None,
    wanted: Callable[[SpecRow], bool],
) -> Narrowed:
    """Judge all specs of a package in one pass.

    ``allowed`` are those that fulfil what the database judges (None: all), ``without_compilers`` the same without ``%``
    edges to compilers; ``wanted`` says which specs of the scope are shown at all.
    """
    judge = _Judge(held, query)
    found = Narrowed()
    for row in held.rows:
        missed = judge.missed(row)
        if len(missed) > 1:
            continue
        is_wanted = wanted(row)
        if without_compilers is not None and not missed and row.id in without_compilers and is_wanted:
            found.compilers[row.compiler_id] += 1
        if allowed is not None and row.id not in allowed:
            continue
        if not missed:
            for key in row.mirrors:
                found.stacks[key] += 1
            if is_wanted:
                found.matching.append(row)
        elif is_wanted:
            _count_nearly(found, row, missed[0])
    _count_matching(found, with_compilers=without_compilers is None)
    return found


def _count_nearly(found: Narrowed, row: SpecRow, missed: str) -> None:
    """Count a spec for the one field that keeps it from matching."""
    if missed == "version":
        found.versions[row.version_id] += 1
    elif missed == "os":
        found.systems[row.architecture_id] += 1
    elif missed == "target":
        found.targets[row.architecture_id] += 1
    elif missed != "platform":
        found.nearly[missed.removeprefix("variant:"), row.set_id] += 1


def _count_matching(found: Narrowed, *, with_compilers: bool) -> None:
    """Count the matching specs for every field."""
    matching = found.matching
    architectures = Counter([row.architecture_id for row in matching])
    found.versions.update(Counter([row.version_id for row in matching]))
    found.systems.update(architectures)
    found.targets.update(architectures)
    found.sets.update(Counter([row.set_id for row in matching]))
    if with_compilers:
        found.compilers.update(Counter([row.compiler_id for row in matching]))


def facets_of(
    held: PackageRows, shown: Sequence[SpecRow], query: SpecQuery, found: Narrowed
) -> tuple[Facet, ...]:
    """Return the facets; ``shown`` are all specs of the scope, whose values stay even where none matches."""
    node = query.node
    versions = {row.version_id for row in shown}
    newest_first = sorted(versions, key=lambda key: held.versions[key][1], reverse=True)
    version_texts = list(dict.fromkeys(held.versions[key][0] for key in newest_first))
    arches = {row.architecture_id for row in shown}
    facets = [
        _facet(
            "version",
            version_texts,
            _sums(found.versions, lambda key: held.versions[key][0]),
            chosen=[one for one in version_texts if node.version is not None and node.version.matches(one)],
            toggled=lambda one, chosen: toggle_version(query, one, chosen),
            ordered=True,
        ),
        _compiler_facet(held, {row.compiler_id for row in shown}, query, found.compilers),
        _facet(
            "os",
            {held.architectures[key].os for key in arches},
            _sums(found.systems, lambda key: held.architectures[key].os),
            chosen=[node.os] if node.os is not None else [],
            toggled=lambda one, chosen: toggle_os(query, one, chosen),
        ),
        _target_facet(held, {held.architectures[key].target for key in arches}, query, found.targets),
        *_variant_facets(held, {row.set_id for row in shown}, query, found),
    ]
    return tuple(one for one in facets if one.values)


def _target_facet(
    held: PackageRows, targets: set[str], query: SpecQuery, counted: Counter[int | None]
) -> Facet:
    asked = query.node.target
    return _facet(
        "target",
        targets,
        _sums(counted, lambda key: held.architectures[key].target),
        chosen=sorted(one for one in targets if asked is not None and target_matches(asked, one)),
        toggled=lambda one, chosen: toggle_target(query, one, chosen),
    )


def _compiler_facet(
    held: PackageRows, keys: set[int | None], query: SpecQuery, counted: Counter[int | None]
) -> Facet:
    named = {key: (one.name, one.version) for key in keys if (one := held.compilers[key]) is not None}
    pairs = sorted(set(named.values()))
    chosen = chosen_compilers(query, pairs)
    by_text = {compiler_text(one): (one.name, one.version) for key in keys if (one := held.compilers[key])}
    return _facet(
        "compiler",
        {compiler_text(held.compilers[key]) for key in keys},
        _sums(counted, lambda key: compiler_text(held.compilers[key])),
        chosen=[text for text, pair in by_text.items() if pair in chosen],
        # Without a compiler there is nothing that a query could name.
        toggled=lambda one, _: toggle_compiler(query, by_text[one], chosen) if one in by_text else None,
    )


def _variant_facets(
    held: PackageRows, keys: set[int | None], query: SpecQuery, found: Narrowed
) -> Iterable[Facet]:
    """Return a facet for each variant in which the specs differ."""
    members: dict[str, dict[str, Variant]] = {}
    having: dict[str, dict[str, set[int | None]]] = {}
    for key in keys:
        for one in held.sets[key].variants:
            text = variant_text(one)
            members.setdefault(one.name, {})[text] = one
            having.setdefault(one.name, {}).setdefault(text, set()).add(key)
    asked = {one.name: one for one in query.node.variants if not one.propagate}
    for name in sorted(members.keys() - _HIDDEN_VARIANTS):
        if len(members[name]) < 2 and name not in asked:  # noqa: PLR2004 - one value narrows nothing
            continue
        counted = {
            text: sum(found.sets[key] + found.nearly[name, key] for key in sets)
            for text, sets in having[name].items()
        }
        wanted = asked.get(name)
        values = members[name]
        facet = _facet(
            "variant",
            set(values),
            counted,
            chosen=[
                text for text, one in values.items() if wanted is not None and variant_fits(wanted, [one])
            ],
            toggled=lambda one, _, values=values: toggle_variant(query, values[one]),
        )
        yield Facet(field="variant", name=name, values=facet.values)


def _facet(
    name: str,
    values: Collection[str],
    counted: Mapping[str, int],
    *,
    chosen: Sequence[str],
    toggled: Callable[..., _Toggled],
    ordered: bool = False,
) -> Facet:
    texts = list(values) if ordered else sorted(values, key=lambda one: (-counted.get(one, 0), one))
    return Facet(
        field=name,
        name=name,
        values=tuple(
            FacetValue(
                text=one,
                specs=counted.get(one, 0),
                chosen=one in chosen,
                query=_text(toggled(one, chosen)),
            )
            for one in texts
        ),
    )


def _text(query: _Toggled) -> str:
    return str(query) if query is not None else ""


def _sums(counted: Counter[int | None], text: Callable[[int | None], str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for key, number in counted.items():
        found[text(key)] += number
    return found


def built_cells(held: PackageRows, matching: Sequence[SpecRow]) -> tuple[BuiltCell, ...]:
    """Return where the matching specs are built: newest version first, then the systems and targets of most specs."""
    counted = Counter([(row.version_id, row.architecture_id, row.compiler_id) for row in matching])
    places: dict[tuple[str, str, str], dict[str, int]] = {}
    systems, targets = Counter[str](), Counter[str]()
    orders: dict[str, bytes] = {}
    names = {key: compiler_text(one) for key, one in held.compilers.items()}
    for (version_id, architecture_id, compiler_id), number in counted.items():
        text, order = held.versions[version_id]
        orders[text] = order
        arch = held.architectures[architecture_id]
        place = places.setdefault((text, arch.os, arch.target), {})
        place[names[compiler_id]] = place.get(names[compiler_id], 0) + number
        systems[arch.os] += number
        targets[arch.target] += number
    ordered = sorted(places, key=lambda one: (-systems[one[1]], one[1], -targets[one[2]], one[2]))
    ordered.sort(key=lambda one: orders[one[0]], reverse=True)
    return tuple(
        BuiltCell(
            version=version,
            os=os,
            target=target,
            specs=sum(found.values()),
            compilers=tuple(sorted(found, key=lambda name: (-found[name], name))),
        )
        for (version, os, target), found in ((one, places[one]) for one in ordered)
    )
