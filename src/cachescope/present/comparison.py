"""Two specs side by side, as text and as JSON, and the words in which pages name the same differences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cachescope.model.comparison import (
    ChangedDependency,
    Comparison,
    DependencyChange,
    DependencySide,
    FieldDifference,
    SharedDifference,
)
from cachescope.model.spec import compiler_text, deptype_names
from cachescope.present import wording
from cachescope.present.terminal import cell, new_table, room, say
from cachescope.present.to_json import document, spec_object

if TYPE_CHECKING:
    from rich.console import Console

    from cachescope.present import lock_shapes

__all__ = [
    "change_words",
    "field_words",
    "place_words",
    "render_json",
    "render_text",
    "side_words",
    "value_words",
]

_NAMES_SHOWN = 8
_SHORT_HASH = 7
_RECIPE_SHOWN = 12

_FIELD_WORDS = {"recipe": "recipe (package hash)", "build_spec": "built as", "format": "spec format"}
_KIND_WORDS = {
    "variant": "variant {}",
    "flags": "{}",
    "dependency": "dependency {}",
    "deptypes": "types of the dependency {}",
    "virtuals": "virtuals from {}",
}
_CHANGE_WORDS = {
    DependencyChange.ADDED: "only second",
    DependencyChange.REMOVED: "only first",
    DependencyChange.OTHER_SPEC: "another one",
    DependencyChange.USED_OTHERWISE: "used otherwise",
}


def field_words(field: str) -> str:
    """Name what differs: ``variant mpi``, ``types of the dependency zlib``, ``version``."""
    kind, colon, name = field.partition(":")
    return _KIND_WORDS[kind].format(name) if colon else _FIELD_WORDS.get(field, field)


def value_words(field: str, value: str | None) -> str:
    """Write one side of a difference: ``+mpi`` for a variant that is on, ``absent`` where there is none."""
    if value is None:
        return wording.ABSENT
    kind, _, name = field.partition(":")
    if kind == "variant":
        if name == "patches":
            return ", ".join(one[:_SHORT_HASH] for one in value.split(","))
        return {"true": f"+{name}", "false": f"~{name}"}.get(value, f"{name}={value}")
    if kind == "recipe":
        return value[:_RECIPE_SHOWN]
    if kind == "external":
        return "yes" if value == "true" else "no"
    return value


def change_words(change: DependencyChange) -> str:
    """Say how a dependency changed."""
    return _CHANGE_WORDS[change]


def side_words(side: DependencySide | None) -> str:
    """Write a dependency as one side has it: ``1.3.1 /33pd4gq build link as zlib-api``."""
    if side is None:
        return wording.ABSENT
    virtuals = f"as {', '.join(side.kind.virtuals)}" if side.kind.virtuals else ""
    parts = (side.version, f"/{side.hash[:_SHORT_HASH]}", *deptype_names(side.kind.deptypes), virtuals)
    return " ".join(part for part in parts if part)


def place_words(path: Sequence[str], comparison: Comparison) -> str:
    """Write where a node is: ``hdf5 > openmpi > zlib``."""
    first, second = comparison.first.name, comparison.second.name
    return " > ".join([first if first == second else f"{first} / {second}", *path])


# -- text -----------------------------------------------------------------------------------------------------------


def render_text(console: "Console", comparison: Comparison) -> None:
    """Print what separates two specs, the deepest causes first."""
    for label, one in (("first: ", comparison.first), ("second:", comparison.second)):
        compiler = compiler_text(one.compiler, spec_format=one.spec_format)
        say(
            console,
            f"{label} {one.name}@{one.version} %{compiler} {wording.system(one)} /{one.hash}",
            bold=True,
        )
    if comparison.identical:
        say(console, "\nBoth are one spec.")
        return
    _fields(console, comparison.own)
    if comparison.dependencies_known:
        _dependencies(console, comparison.dependencies)
        _causes(console, comparison)
    else:
        say(console, "\nDependencies: not recorded for both, so they are not compared.")
        if not comparison.own:
            say(console, "Nothing else that is recorded of both differs.")
    if not comparison.complete:
        say(console, "\nThe DAGs differ in more places than were compared.")


def _fields(console: "Console", differences: Sequence[FieldDifference]) -> None:
    if not differences:
        return
    say(console, "\nTheir own fields:", bold=True)
    with room(console):
        table = new_table("Field", "First", "Second")
        for one in differences:
            table.add_row(*map(cell, _difference_cells(one)))
        console.print(table)


def _dependencies(console: "Console", changes: Sequence[ChangedDependency]) -> None:
    if not changes:
        return
    say(console, "\nTheir own dependencies:", bold=True)
    with room(console):
        table = new_table("Dependency", "Change", "First", "Second")
        for one in changes:
            cells = (one.name, change_words(one.change), side_words(one.first), side_words(one.second))
            table.add_row(*map(cell, cells))
        console.print(table)


def _causes(console: "Console", comparison: Comparison) -> None:
    shared = comparison.shared
    if shared:
        say(console, "\nAlike in several nodes:", bold=True)
        with room(console):
            table = new_table("What", "First", "Second", "Nodes", "Where", numbers=(3,))
            for many in shared:
                figure = wording.count(len(many.paths))
                table.add_row(
                    *map(cell, (*_difference_cells(many.difference), figure, _ends(many, comparison)))
                )
            console.print(table)
    told = {one.difference for one in shared}
    rows = [
        (place_words(cause.path, comparison), *_difference_cells(one))
        for cause in comparison.causes
        for one in cause.differences
        if one not in told
    ]
    if rows:
        say(console, "\nCauses, deepest first:", bold=True)
        with room(console):
            table = new_table("Where", "What", "First", "Second")
            for row in rows:
                table.add_row(*map(cell, row))
            console.print(table)
    if comparison.consequences:
        names = [place_words(one.path, comparison).rpartition(" > ")[2] for one in comparison.consequences]
        say(console, f"\nDiffer only because of what lies below them: {_listed(names)}")


def _difference_cells(one: FieldDifference) -> tuple[str, str, str]:
    return field_words(one.field), value_words(one.field, one.first), value_words(one.field, one.second)


def _ends(many: SharedDifference, comparison: Comparison) -> str:
    return _listed([place_words(path, comparison).rpartition(" > ")[2] for path in many.paths])


def _listed(names: Sequence[str]) -> str:
    once = wording.distinct(names)
    more = len(once) - _NAMES_SHOWN
    return ", ".join(once[:_NAMES_SHOWN]) + (f" and {wording.count(more)} more" if more > 0 else "")


# -- JSON -----------------------------------------------------------------------------------------------------------


def render_json(comparison: Comparison) -> bytes:
    """Write a comparison in the shape of the API: the two specs, then what differs, deepest causes first."""
    value: lock_shapes.Comparison = {
        "first": spec_object(comparison.first),
        "second": spec_object(comparison.second),
        "identical": comparison.identical,
        "dependencies_known": comparison.dependencies_known,
        "complete": comparison.complete,
        "own": [_difference(one) for one in comparison.own],
        "dependencies": [
            {
                "name": one.name,
                "change": one.change.value,
                "first": _side(one.first),
                "second": _side(one.second),
            }
            for one in comparison.dependencies
        ],
        "causes": [
            {
                "path": list(one.path),
                "first": one.first,
                "second": one.second,
                "differences": [_difference(each) for each in one.differences],
            }
            for one in comparison.causes
        ],
        "shared": [
            {**_difference(one.difference), "paths": [list(path) for path in one.paths]}
            for one in comparison.shared
        ],
        "consequences": [
            {"path": list(one.path), "first": one.first, "second": one.second}
            for one in comparison.consequences
        ],
    }
    return document(value)


def _difference(one: FieldDifference) -> "lock_shapes.FieldDifference":
    return {"field": one.field, "first": one.first, "second": one.second}


def _side(side: DependencySide | None) -> "lock_shapes.DependencySide | None":
    if side is None:
        return None
    return {
        "hash": side.hash,
        "version": side.version or None,
        "deptypes": list(deptype_names(side.kind.deptypes)),
        "virtuals": list(side.kind.virtuals),
    }
