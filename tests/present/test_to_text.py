"""What the terminal and a pipe get."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from cachescope.model.errors import MalformedRecord, QuerySyntaxError, UserInputError
from cachescope.model.identity import PackageName, SourceName
from cachescope.model.mirror import Layout
from cachescope.model.results import Counts, NoMatch, PackageList, SearchResult
from cachescope.model.sources import Attempt, AttemptOutcome, SourceOutcome
from cachescope.present import package_text, spec_text, sync_text, to_text
from tests.fakes import (
    DEMO,
    E4S,
    FAILED_REASON,
    GMAKE,
    NOW,
    PAGED,
    SPLICED,
    ZLIB,
    filled_catalogue,
    report,
    source,
    spec,
)

CATALOGUE = filled_catalogue()
Print = Callable[[Console], None]


def _piped(show: Print) -> str:
    console = Console(file=io.StringIO(), force_terminal=False)
    with console.capture() as written:
        show(console)
    return written.get()


def _on_terminal(show: Print, width: int = 80) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width)
    with console.capture() as written:
        show(console)
    return written.get()


def _caches(console: Console) -> None:
    to_text.caches(console, CATALOGUE.sources(), now=NOW)


def _search(console: Console) -> None:
    to_text.search(console, CATALOGUE.search("*", ref=None, stack=None, limit=0))


def _packages(console: Console) -> None:
    package_text.packages(console, CATALOGUE.packages(ref=None, stack=None))


def _package(console: Console) -> None:
    package_text.package(console, CATALOGUE.package(PackageName("py-demo"), ref=None, stack=None))


def _spec(console: Console) -> None:
    spec_text.spec(console, CATALOGUE.spec(DEMO[0].hash))


@pytest.mark.parametrize("show", [_caches, _packages, _search, _package])
def test_tables_fit_80_columns(show: Print) -> None:
    assert max(map(cell_len, _on_terminal(show).splitlines())) <= 80


@pytest.mark.parametrize("show", [_search, _package, _spec])
@pytest.mark.parametrize("printed", [_piped, _on_terminal])
def test_hashes_are_never_cut(show: Print, printed: Callable[[Print], str]) -> None:
    assert DEMO[0].hash in printed(show)


def test_piped_row_is_one_line() -> None:
    long = spec("a-package-with-a-very-long-name-indeed", "2024.10.15.20241015", mirrors=[E4S] * 30)
    found = SearchResult(query="a", total=1, specs=(long,))
    row = _piped(lambda console: to_text.search(console, found)).splitlines()[1]
    assert row.startswith(long.hash)
    assert row.count("develop/e4s") == 30
    assert "build_system=generic" in row


def test_caches_state_age_failure_and_reason() -> None:
    text = _piped(_caches)
    assert "44 min ago" in text
    assert "failed 5 min ago" in text
    assert f"develop/ml: last try failed: {FAILED_REASON}" in text
    assert "2 records could not be read" in text
    assert "develop/e4s@science" in text
    assert "cachescope sync site/root" in text


@pytest.mark.parametrize(
    ("show", "words"),
    [
        (lambda console: to_text.caches(console, [], now=NOW), "No caches yet: cachescope add NAME URL"),
        (
            lambda console: package_text.packages(
                console, PackageList(ref=None, stack=None, prefix="", total=0, packages=())
            ),
            "cachescope sync",
        ),
        (
            lambda console: to_text.search(console, SearchResult(query="zlip", total=0, specs=(), no_match=NoMatch(suggestions=(PackageName("zlib"),)))),
            "Nothing matches zlip.\nNear: zlib",
        ),
        (lambda console: to_text.search(console, SearchResult(query="", total=0, specs=())), "Give a spec query"),
    ],
)  # fmt: skip
def test_empty_states_say_what_to_do(show: Print, words: str) -> None:
    assert words in _piped(show)


def test_search_says_how_many_are_shown() -> None:
    few = CATALOGUE.search("py-demo", ref=None, stack=None, limit=2)
    assert "2 of 6 shown." in _piped(lambda console: to_text.search(console, few))
    assert "1 match." in _piped(
        lambda console: to_text.search(console, CATALOGUE.search("zlib", ref=None, stack=None, limit=2))
    )


def test_package_says_what_separates_look_alikes() -> None:
    text = _piped(_package)
    assert "6 binaries, 2 versions, 1 compiler, 2 systems, 2 targets" in text
    assert "differ in python 3.11.9 / 3.12.5; zlib compiler gcc@13.2.0 / absent / clang@18" in text
    assert "no recorded difference" in text


def test_package_from_a_page_says_that_dependencies_are_not_recorded() -> None:
    paged = CATALOGUE.package(PackageName("py-paged"), ref=None, stack=None)
    text = _piped(lambda console: package_text.package(console, paged))
    assert "py-paged@1.1 %gcc@11.4.0" in text
    assert "known from a published page only" in text
    assert "1 unstated" in text


def test_spec_shows_trees_by_what_they_are_needed_for() -> None:
    text = _piped(_spec)
    assert "verified: recomputed from the record" in text
    run, build = text.partition("Needed to run")[2].split("Only to build")
    assert "  python@3.11.9 /alrco4y build run\n    zlib@1.3.1" in run
    assert "as zlib-api (above)" in run
    assert "gmake@4.4.1" in build
    assert f"  spack install --cache-only /{DEMO[0].hash}" in build


def test_spec_tells_flags_splice_and_mismatch() -> None:
    text = _piped(lambda console: spec_text.spec(console, CATALOGUE.spec(SPLICED.hash)))
    assert "cflags=-O2 -g" in text
    assert f"/{ZLIB.hash} (spliced)" in text
    assert "mismatch: spliced" in text


def test_spec_without_record_says_not_recorded() -> None:
    text = _piped(lambda console: spec_text.spec(console, CATALOGUE.spec(PAGED[0].hash)))
    assert "not checked: known from a published page" in text
    assert "not recorded" in text
    assert "The source does not say whether there is a binary" in text
    mentioned = _piped(lambda console: spec_text.spec(console, CATALOGUE.spec(GMAKE.hash)))
    assert "only mentioned" in mentioned
    assert "To use" not in mentioned


def test_first_twenty_dependents_are_shown_of_all() -> None:
    found = replace(CATALOGUE.spec(ZLIB.hash), dependents_total=1204)
    many = replace(found, dependents=found.dependents * 10)
    text = _piped(lambda console: spec_text.spec(console, many))
    assert "Needed by 1,204 specs:" in text
    assert "and 1,184 more" in text


def test_a_sync_is_a_line_a_source() -> None:
    outcomes = (
        SourceOutcome(
            name=SourceName(E4S),
            layout=Layout.V3,
            attempt=Attempt(NOW, AttemptOutcome.UPDATED),
            counts=Counts(1204, 310),
            added=38,
            gone=3,
            rejected=(MalformedRecord("no name", where="installs.abc"),),
            warnings=("bytes after the document",),
        ),
        SourceOutcome(
            name=SourceName(E4S), layout=None, attempt=Attempt(NOW, AttemptOutcome.FAILED, FAILED_REASON)
        ),
    )
    assert [line for one in outcomes for line in sync_text.sync_lines(one)] == [
        "develop/e4s: updated: 1,204 specs present, 310 mentioned (38 new, 3 gone)",
        "  warning: bytes after the document",
        "  record not read: installs.abc: no name",
        f"develop/e4s: failed: {FAILED_REASON}",
    ]


def test_error_says_what_where_and_what_to_do() -> None:
    problem = UserInputError("it is in use", where="port 8000", hint="choose another")
    assert _piped(lambda console: to_text.error(console, problem)) == (
        "Error: port 8000: it is in use\nHint: choose another\n"
    )


def test_bad_query_is_marked_below_its_place() -> None:
    problem = QuerySyntaxError("'@' cannot follow '@'", query="zlib@@", start=5, end=6)
    assert _piped(lambda console: to_text.error(console, problem)).splitlines()[:2] == ["zlib@@", "     ^"]


def test_nothing_in_a_record_drives_the_terminal() -> None:
    hostile = "\x1b]0;owned\x07[bold]x[/bold]"
    bad = replace(source(E4S), last_attempt=Attempt(NOW, AttemptOutcome.FAILED, hostile), warnings=(hostile,))
    text = _on_terminal(lambda console: to_text.caches(console, [bad], now=NOW), width=300)
    text += _on_terminal(lambda console: spec_text.spec(console, report(spec("x", hostile))), width=300)
    assert "\x1b]" not in text
    assert "\x07" not in text
    assert text.count("[bold]x[/bold]") >= 3


@pytest.mark.parametrize("show", [_piped, _on_terminal])
def test_no_record_passes_off_a_line_of_its_own_as_ours(show: Callable[[Print], str]) -> None:
    hostile = "1.0\nError: run this"
    bad = replace(source(E4S), last_attempt=Attempt(NOW, AttemptOutcome.FAILED, hostile), warnings=(hostile,))
    listed = SearchResult(query="x", total=1, specs=(spec("x", hostile),))
    text = show(lambda console: to_text.caches(console, [bad], now=NOW))
    text += show(lambda console: spec_text.spec(console, report(spec("x", hostile))))
    text += show(lambda console: to_text.search(console, listed))
    assert "Error: run" in text.replace("\n", "")
    assert not [line for line in text.splitlines() if line.lstrip().startswith("Error")]
