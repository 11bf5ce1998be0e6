"""A comparison as text and as JSON."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from cachescope.model.comparison import (
    Cause,
    ChangedDependency,
    Comparison,
    Consequence,
    DependencyChange,
    DependencySide,
    FieldDifference,
)
from cachescope.model.identity import DagHash, MirrorName, PackageName, Ref, Stack
from cachescope.model.record import Presence
from cachescope.model.results import SearchResult, SpecSummary
from cachescope.model.spec import Architecture, Compiler, Deptype, EdgeKind, Variant, VariantSet
from cachescope.present import to_json
from cachescope.present.comparison import field_words, render_json, render_text, value_words

ONE, TWO, THREE, FOUR = (DagHash(letter * 32) for letter in "abcd")
FIRST = SpecSummary(
    hash=ONE,
    name=PackageName("hdf5"),
    version="1.12.3",
    compiler=Compiler("gcc", "13.2.0"),
    architecture=Architecture("linux", "debian12", "zen3"),
    variants=VariantSet(b"", (Variant("mpi", value=True), Variant("api", "v18")), ()),
    spec_format=5,
    presence=Presence.PRESENT,
    mirrors=(MirrorName(Ref("develop"), Stack("e4s")),),
)
SECOND = replace(FIRST, hash=TWO, version="1.14.5", spec_format=4, mirrors=())
ZLIB = DependencySide(THREE, "1.3.1", EdgeKind(Deptype.BUILD | Deptype.LINK, ("zlib-api",)))
OWN = (FieldDifference("version", "1.12.3", "1.14.5"), FieldDifference("variant:mpi", "true", None))
TARGET = FieldDifference("target", "zen3", "zen4")
FOUND = Comparison(
    first=FIRST,
    second=SECOND,
    own=OWN,
    dependencies=(
        ChangedDependency(
            "curl", DependencyChange.ADDED, None, DependencySide(FOUR, "", EdgeKind(Deptype.RUN, ()))
        ),
        ChangedDependency(
            "zlib", DependencyChange.OTHER_SPEC, ZLIB, replace(ZLIB, hash=FOUR, version="1.3.2")
        ),
    ),
    causes=(
        Cause(("curl", "zlib"), THREE, FOUR, (FieldDifference("version", "1.3.1", "1.3.2"), TARGET)),
        Cause((), ONE, TWO, (*OWN, TARGET)),
    ),
    consequences=(Consequence(("curl",), THREE, FOUR),),
)


def text(comparison: Comparison) -> list[str]:
    """Return the lines of a pipe, blanks evened out."""
    out = io.StringIO()
    render_text(Console(file=out, width=80), comparison)
    return [
        " ".join(line.split()) for line in out.getvalue().splitlines() if line.strip() and "──" not in line
    ]


def read(comparison: Comparison) -> dict[str, Any]:
    document = render_json(comparison)
    assert document.endswith(b"}\n")
    value: dict[str, Any] = json.loads(document)
    return value


def test_text_tells_fields_dependencies_what_is_shared_and_causes() -> None:
    assert text(FOUND) == [
        f"first: hdf5@1.12.3 %gcc@13.2.0 linux-debian12-zen3 /{ONE}",
        f"second: hdf5@1.14.5 %gcc@=13.2.0 linux-debian12-zen3 /{TWO}",
        "Their own fields:",
        "Field First Second",
        "version 1.12.3 1.14.5",
        "variant mpi +mpi absent",
        "Their own dependencies:",
        "Dependency Change First Second",
        "curl only second absent /ddddddd run",
        "zlib another one 1.3.1 /ccccccc build link as zlib-api 1.3.2 /ddddddd build link as zlib-api",
        "Alike in several nodes:",
        "What First Second Nodes Where",
        "target zen3 zen4 2 zlib, hdf5",
        "Causes, deepest first:",
        "Where What First Second",
        "hdf5 > curl > zlib version 1.3.1 1.3.2",
        "hdf5 version 1.12.3 1.14.5",
        "hdf5 variant mpi +mpi absent",
        "Differ only because of what lies below them: curl",
    ]


def test_text_of_one_spec_twice_says_so() -> None:
    assert text(replace(FOUND, second=FIRST))[-1] == "Both are one spec."


def test_text_names_both_packages_where_they_are_two() -> None:
    other = replace(FOUND, second=replace(SECOND, name=PackageName("netcdf-c")))
    assert "hdf5 / netcdf-c > curl > zlib version 1.3.1 1.3.2" in text(other)


def test_text_says_what_was_not_compared() -> None:
    page = replace(FOUND, own=(), dependencies=(), causes=(), consequences=(), dependencies_known=False)
    assert text(page)[2:] == [
        "Dependencies: not recorded for both, so they are not compared.",
        "Nothing else that is recorded of both differs.",
    ]
    assert text(replace(FOUND, complete=False))[-1] == "The DAGs differ in more places than were compared."


def test_text_lists_few_of_many_names() -> None:
    many = tuple(Consequence((f"p{number}",), THREE, FOUR) for number in range(11))
    assert text(replace(FOUND, consequences=many))[-1].endswith("p6, p7 and 3 more")


def test_text_shows_control_characters_of_records() -> None:
    bad = FieldDifference("variant:x", "\x1b[31m", "a")
    assert "variant x x=\\x1b[31m x=a" in text(replace(FOUND, own=(bad,)))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("version", "1.2", ("version", "1.2")),
        ("version", None, ("version", "absent")),
        ("variant:mpi", "false", ("variant mpi", "~mpi")),
        ("variant:libs", "shared,static", ("variant libs", "libs=shared,static")),
        ("variant:patches", f"{'1' * 64},{'2' * 64}", ("variant patches", "1111111, 2222222")),
        ("flags:cflags", "-O2 -g", ("cflags", "-O2 -g")),
        ("recipe", "abcdefghijklmnop====", ("recipe (package hash)", "abcdefghijkl")),
        ("external", "true", ("external", "yes")),
        ("external", "false", ("external", "no")),
        ("build_spec", ONE, ("built as", ONE)),
        ("format", "4", ("spec format", "4")),
        ("dependency:zlib", None, ("dependency zlib", "absent")),
        ("deptypes:zlib", "build link", ("types of the dependency zlib", "build link")),
        ("virtuals:zlib-ng", "zlib-api", ("virtuals from zlib-ng", "zlib-api")),
    ],
)
def test_differences_have_words(field: str, value: str | None, words: tuple[str, str]) -> None:
    assert (field_words(field), value_words(field, value)) == words


def test_json_has_all_that_differs() -> None:
    value = read(FOUND)
    assert list(value) == [
        "first", "second", "identical", "dependencies_known", "complete", "own", "dependencies", "causes", "shared",
        "consequences",
    ]  # fmt: skip
    assert (value["identical"], value["dependencies_known"], value["complete"]) == (False, True, True)
    assert value["own"] == [
        {"field": "version", "first": "1.12.3", "second": "1.14.5"},
        {"field": "variant:mpi", "first": "true", "second": None},
    ]
    assert value["dependencies"] == [
        {
            "name": "curl",
            "change": "added",
            "first": None,
            "second": {"hash": FOUR, "version": None, "deptypes": ["run"], "virtuals": []},
        },
        {
            "name": "zlib",
            "change": "other_spec",
            "first": {
                "hash": THREE,
                "version": "1.3.1",
                "deptypes": ["build", "link"],
                "virtuals": ["zlib-api"],
            },
            "second": {
                "hash": FOUR,
                "version": "1.3.2",
                "deptypes": ["build", "link"],
                "virtuals": ["zlib-api"],
            },
        },
    ]
    assert value["causes"][0] == {
        "path": ["curl", "zlib"],
        "first": THREE,
        "second": FOUR,
        "differences": [
            {"field": "version", "first": "1.3.1", "second": "1.3.2"},
            {"field": "target", "first": "zen3", "second": "zen4"},
        ],
    }
    assert value["shared"] == [
        {"field": "target", "first": "zen3", "second": "zen4", "paths": [["curl", "zlib"], []]}
    ]
    assert value["consequences"] == [{"path": ["curl"], "first": THREE, "second": FOUR}]


def test_json_shows_a_spec_as_every_list_does() -> None:
    listed = json.loads(to_json.render_search(SearchResult(query="hdf5", total=1, specs=(FIRST,))))
    assert read(FOUND)["first"] == listed["specs"][0]
