"""Choosing values of one field in a query, and letting them go: what a click on a facet does to the text of a query.

Spack's language can say "one of these" of versions (``@=1.2,=1.3``), targets (``target=a,b``) and versions of one compiler.
Of systems, compilers of another name and values of a variant it can name one, so choosing another one replaces it.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from cachescope.model.spec import Variant
from cachescope.query.constraints import ExactVersion, GitReference, VersionItem, VersionList
from cachescope.query.spec_query import DependencyQuery, NodeQuery, SpecQuery, VariantQuery

__all__ = [
    "chosen_compilers",
    "compiler_edges",
    "exactly",
    "toggle_compiler",
    "toggle_os",
    "toggle_target",
    "toggle_variant",
    "toggle_version",
    "without_compilers",
]

_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_TEXT = re.compile(r"[A-Za-z0-9_.+:/-]*")
_LIKE_GIT = re.compile(r"git\.|[A-Fa-f0-9]{40}")

Compiler = tuple[str, str]
"""Name and version."""


def toggle_version(query: SpecQuery, version: str, chosen: Sequence[str]) -> SpecQuery | None:
    """Choose a version, or let it go if it is among the chosen; None if the language cannot say that."""
    wanted = _toggled(version, chosen)
    if not wanted:
        return replace(query, node=replace(query.node, version=None))
    items = [_item(one) for one in wanted]
    if None in items or (len(items) > 1 and any(isinstance(one, GitReference) for one in items)):
        return None
    found = VersionList(tuple(one for one in items if one is not None))
    return replace(query, node=replace(query.node, version=found))


def toggle_os(query: SpecQuery, os: str, chosen: Sequence[str]) -> SpecQuery | None:
    """Choose a system in place of another, or let it go."""
    if not _NAME.fullmatch(os):
        return None
    return replace(query, node=replace(query.node, os=None if os in chosen else os))


def toggle_target(query: SpecQuery, target: str, chosen: Sequence[str]) -> SpecQuery | None:
    """Choose a target beside others, or let it go."""
    wanted = _toggled(target, chosen)
    if not all(_NAME.fullmatch(one) for one in wanted):
        return None
    return replace(query, node=replace(query.node, target=",".join(wanted) or None))


def toggle_variant(query: SpecQuery, variant: Variant) -> SpecQuery | None:
    """Choose the value of a variant in place of another, or let it go."""
    if not _NAME.fullmatch(variant.name):
        return None
    values = variant.value
    if not isinstance(values, bool):
        values = (values,) if isinstance(values, str) else values
        if not values or not all(one and _TEXT.fullmatch(one) for one in values):
            return None
        values = tuple(sorted(set(values)))
    several = not isinstance(values, bool) and not isinstance(variant.value, str)
    asked = VariantQuery(name=variant.name, value=values, exact=several)
    held = [one for one in query.node.variants if one.name == variant.name]
    kept = [one for one in query.node.variants if one.name != variant.name]
    if held != [asked]:
        kept = sorted([*kept, asked], key=lambda one: one.name)
    return replace(query, node=replace(query.node, variants=tuple(kept)))


def toggle_compiler(query: SpecQuery, compiler: Compiler, chosen: Sequence[Compiler]) -> SpecQuery | None:
    """Choose a compiler: beside other versions of the same name, in place of other names; or let it go."""
    name, version = compiler
    same = [one for one in chosen if one[0] == name]
    wanted = [one for one in same if one != compiler] if compiler in same else [*same, compiler]
    kept = without_compilers(query, {one[0] for one in (*chosen, compiler)})
    if not wanted:
        return kept
    items = [_item(one) for _, one in wanted if one]
    if not _NAME.fullmatch(name) or None in items or any(isinstance(one, GitReference) for one in items):
        return None
    versions = VersionList(tuple(one for one in items if one is not None)) if version else None
    edge = DependencyQuery(sigil="%", node=NodeQuery(name=name, version=versions))
    return replace(kept, dependencies=(edge, *kept.dependencies))


def compiler_edges(query: SpecQuery, names: set[str]) -> tuple[DependencyQuery, ...]:
    """Return the plain ``%`` edges that name one of these compilers."""
    return tuple(edge for edge in query.dependencies if _is_compiler(edge, names))


def without_compilers(query: SpecQuery, names: set[str]) -> SpecQuery:
    """Return the query without its plain ``%`` edges to these compilers."""
    kept = tuple(edge for edge in query.dependencies if not _is_compiler(edge, names))
    return replace(query, dependencies=kept)


def chosen_compilers(query: SpecQuery, compilers: Sequence[Compiler]) -> list[Compiler]:
    """Return the compilers that fulfil all plain ``%`` edges of the query; none if it has no such edge."""
    edges = compiler_edges(query, {name for name, _ in compilers})
    return [
        (name, version)
        for name, version in compilers
        if edges
        and all(
            edge.node.name == name and (edge.node.version is None or edge.node.version.matches(version))
            for edge in edges
        )
    ]


def exactly(query: SpecQuery, *, version: str, os: str, target: str) -> SpecQuery | None:
    """Narrow a query to one version, system and target; None if the language cannot say them."""
    item = _item(version)
    if item is None or not (_NAME.fullmatch(os) and _NAME.fullmatch(target)):
        return None
    return replace(query, node=replace(query.node, version=VersionList((item,)), os=os, target=target))


def _is_compiler(edge: DependencyQuery, names: set[str]) -> bool:
    plain = edge.sigil == "%" and edge.when is None and not edge.virtuals and not edge.direct
    return (
        plain
        and edge.node == NodeQuery(name=edge.node.name, version=edge.node.version)
        and edge.node.name in names
    )


def _toggled(value: str, chosen: Sequence[str]) -> list[str]:
    return [one for one in chosen if one != value] if value in chosen else [*chosen, value]


def _item(version: str) -> VersionItem | None:
    """Return what asks for this version and no other; None for what is no version in the language."""
    if _LIKE_GIT.match(version):
        return (
            GitReference(version)
            if re.fullmatch(r"git\.[A-Za-z0-9_./-]+(=[A-Za-z0-9_.-]+)?", version)
            else None
        )
    if not _VERSION.fullmatch(version) or version[-1] in ".-":
        return None
    return ExactVersion(version)
