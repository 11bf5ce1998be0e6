"""A parsed query as one sentence of plain English, so that one can see what was understood.

It says what ``matching`` means, its subtleties included: ``@1.2`` takes 1.2.3 too, a lone target is that one exactly, one of
several virtuals is enough behind ``%``. What is asked of a dependency stands with it; in brackets, where there is more of it.
"""

import re
from collections.abc import Iterator, Sequence

from cachescope.model.spec import deptype_names
from cachescope.query.constraints import ExactVersion, GitReference, VersionItem, VersionList, VersionRange
from cachescope.query.spec_query import DependencyQuery, NodeQuery, SpecQuery, VariantQuery
from cachescope.query.versions import parse_git_version

__all__ = ["describe"]

_PLAIN = re.compile(r"[A-Za-z0-9_.+:=~%^/*-]+")
_WHOLE_HASH = 32


def describe(query: SpecQuery) -> str:
    """Return the query as one sentence."""
    return f"Specs {_noun(query)}."


def _noun(query: SpecQuery) -> str:
    """Describe a spec: ``of the package hdf5, version 1.12 or newer, and ...``."""
    node = query.node
    edges = [_edge(edge, owner="the spec") for edge in query.dependencies]
    clauses = [*_clauses(node, version="version"), *edges]
    noun = f"of {f'the package {node.name}' if node.name else 'any package'}{_namespace(node)}"
    if len(clauses) > 1:
        clauses[-1] = f"and {clauses[-1]}"
    return ", ".join([noun, *clauses])


def _namespace(node: NodeQuery) -> str:
    return f" from the namespace {_shown(node.namespace)}" if node.namespace is not None else ""


# -- one node -----------------------------------------------------------------------------------------------------------


def _clauses(node: NodeQuery, *, version: str) -> Iterator[str]:
    """Describe what is asked of one node, its name aside; ``version`` begins the clause of its version."""
    if node.version is not None:
        yield f"{version} {_versions(node.version)}"
    for variant in node.variants:
        yield _variant(variant)
    for flag in node.flags:
        yield f"with {_listed([_shown(one) for one in flag.items], 'and')} among its {flag.name}"
    if node.platform is not None:
        yield f"whose platform is {_any_or_exact(node.platform)}"
    if node.os is not None:
        yield f"whose operating system is {_any_or_exact(node.os)}"
    if node.target is not None:
        yield f"whose target is {_targets(node.target)}"
    if node.hash is not None:
        yield f"whose hash {'is' if len(node.hash) == _WHOLE_HASH else 'begins with'} {node.hash}"


def _any_or_exact(value: str) -> str:
    return "any (*)" if value == "*" else _shown(value)


def _versions(asked: VersionList) -> str:
    return _alternatives([_version(one) for one in asked.items])


def _version(item: VersionItem) -> str:
    match item:
        case ExactVersion():
            return f"exactly {item.text}"
        case GitReference():
            git = parse_git_version(item.text)
            if git is None:
                return f"exactly {item.text}"
            standing = f"taken as {git.standard}" if git.standard else "whatever version it stands for"
            return f"{item.text} (the git ref {git.ref}, {standing})"
        case VersionRange():
            return _range_of_versions(item)


def _range_of_versions(item: VersionRange) -> str:
    if item.is_empty:
        return f"in the empty range from {item.low} to {item.high}"
    if not item.low and not item.high:
        return "any (:)"
    if not item.high:
        return f"{item.low} or newer"
    # A range holds all that begin with its upper bound.
    extended = f" ({item.high}.x included)" if item.high[-1].isdecimal() else ""
    if not item.low:
        return f"{item.high} or older{extended}"
    if item.low == item.high:
        return f"{item.low}{extended}"
    return f"from {item.low} to {item.high}{extended}"


def _variant(variant: VariantQuery) -> str:
    everywhere = " in every spec of its DAG that has it" if variant.propagate else ""
    return f"with {_variant_words(variant)}{everywhere}"


def _variant_words(variant: VariantQuery) -> str:
    name, value = variant.name, variant.value
    if isinstance(value, bool):
        return f"the variant {name} {'on' if value else 'off'}"
    if not value:
        return f"a variant {name} of any value"
    values = _listed([_shown(one) for one in value], "and")
    noun = "value" if len(value) == 1 else "values"
    if variant.exact:
        return f"the variant {name} having exactly the {noun} {values}"
    if name == "patches":
        return f"patches whose checksums begin with {values}"
    return f"the variant {name} having the {noun} {values}"


def _targets(asked: str) -> str:
    return _alternatives([_target(item) for item in asked.split(",")]) if asked != "*" else "any (*)"


def _target(item: str) -> str:
    low, colon, high = item.partition(":")
    if not colon:
        return f"exactly {_shown(low)}"
    if low and high:
        return f"from {_shown(low)} to {_shown(high)}"
    if low:
        return f"{_shown(low)} or newer"
    return f"{_shown(high)} or older" if high else "any (:)"


# -- edges --------------------------------------------------------------------------------------------------------------


def _edge(edge: DependencyQuery, *, owner: str) -> str:
    """Describe an edge that is asked for, with its end and on what condition; ``owner`` is the spec that it begins at."""
    condition = f" (asked only where {owner} is one {_noun(edge.when)})" if edge.when is not None else ""
    return f"{_verb(edge)} {_end(edge)}{_virtuals(edge)}{condition}"


def _verb(edge: DependencyQuery) -> str:
    types = [f"to {one}" for one in deptype_names(edge.deptypes)]
    if edge.sigil == "^":
        # As in Spack, the types are no constraint there.
        ignored = f" ({_listed(types, 'and')} is written, but not compared behind ^)" if types else ""
        return f"depending at run time or to build{ignored} on"
    preferred = " (%% asks the same as %)" if edge.sigil == "%%" else ""
    if types:
        return f"depending directly {_listed(types, 'and')}{preferred} on"
    return f"built directly{preferred} with"


def _end(edge: DependencyQuery) -> str:
    """Describe the end of an edge: one thing is said straight on, more of them stand in brackets."""
    node = edge.node
    noun = f"{node.name or 'any package'}{_namespace(node)}"
    below = [f"itself {_edge(one, owner=node.name or 'that dependency')}" for one in edge.direct]
    said = list(_clauses(node, version="of version"))
    if len(said) + len(below) > 1:
        return f"{noun} ({'; '.join([*said, *below])})"
    return " ".join([noun, *said, *(f"that is {one}" for one in below)])


def _virtuals(edge: DependencyQuery) -> str:
    if not edge.virtuals:
        return ""
    # Behind '%' one of them is enough: a package may not need all of them.
    return f" as {_listed(edge.virtuals, 'and' if edge.sigil == '^' else 'or')}"


# -- words --------------------------------------------------------------------------------------------------------------


def _shown(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else f"'{value}'"


def _listed(items: Sequence[str], word: str) -> str:
    """Join with ``and`` or ``or``."""
    return f" {word} ".join(items)


def _alternatives(items: Sequence[str]) -> str:
    return ", or ".join(items)
