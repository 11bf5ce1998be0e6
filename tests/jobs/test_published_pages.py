"""Published pages as a source: what a page says, and of what it says nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from cachescope.formats.pages_md import PageRow, encode_page
from cachescope.jobs.export import export_pages, page
from cachescope.jobs.progress import NoProgress
from cachescope.jobs.published_pages import PageReader
from cachescope.model.identity import ROOT, DagHash, MirrorName, PackageName, Ref, Stack
from cachescope.model.mirror import parse_mirror_url
from cachescope.model.sources import SourceOutcome
from cachescope.transport.opening import HttpClient, TransportOptions, open_source
from cachescope.transport.writer import write_atomically
from tests.catalogues import SEED_PAGE, OpenCatalogue, content, table_sizes
from tests.servers import MirrorServer

DEVELOP = Ref("develop")


def _row(letter: str, *stacks: str, version: str = "1.0", size: str = "-") -> PageRow:
    return PageRow(
        hash=DagHash(letter * 32),
        version=version,
        compiler="gcc@13.2.0",
        os="ubuntu22.04",
        platform="linux",
        target="x86_64_v3",
        variants=("build_system=generic", "+shared"),
        stacks=tuple(Stack(one) for one in ("root", *stacks)),
        size=size,
    )


def _write(folder: Path, package: str, *rows: PageRow, ref: Ref = DEVELOP) -> Path:
    file = folder / package / "specs.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    _retitle(file, package, *rows, ref=ref)
    return file


def _retitle(file: Path, package: str, *rows: PageRow, ref: Ref = DEVELOP) -> None:
    file.write_bytes(encode_page(PackageName(package), ref, rows))


@contextmanager
def _pages(opened: OpenCatalogue, *, strict: bool = False) -> Iterator[PageReader]:
    options = TransportOptions(connect_timeout=5, read_timeout=5, retries=0)
    client = HttpClient(options)
    try:
        yield PageReader(
            opened.catalogue,
            open_source=lambda url: open_source(url, options, client),
            now=lambda: opened.clock,
            strict=strict,
            progress=NoProgress(),
        )
    finally:
        client.close()


def _read_known(opened: OpenCatalogue, ref: Ref | None = None) -> Sequence[SourceOutcome]:
    with _pages(opened) as pages:
        return pages.read_known(MirrorName(ref, ROOT) if ref is not None else None)


def _words(outcomes: Sequence[SourceOutcome]) -> dict[str, str]:
    return {str(one.name): one.attempt.outcome for one in outcomes}


def _attempts(opened: OpenCatalogue) -> dict[str, tuple[bool, str]]:
    """Return of each source whether the last attempt was just now, and how it ended."""
    return {
        str(one.name): (one.last_attempt.at == opened.clock, one.last_attempt.outcome)
        for one in opened.reader.sources()
    }


def _addresses(opened: OpenCatalogue) -> set[str]:
    return {str(one.url) for one in opened.reader.sources()}


def _scopes(opened: OpenCatalogue) -> list[tuple[str, str]]:
    """Return the packages of the pages that were read, each with the folder that its page is in."""
    found = opened.rows("SELECT scope, url FROM document ORDER BY scope")
    return [(scope, Path(url).parent.name) for scope, url in found]


def _said(opened: OpenCatalogue, letter: str) -> list[tuple[str, str, bool]]:
    places = opened.reader.spec(letter * 32).places
    return sorted((str(one.source), one.presence.word, one.until is None) for one in places)


def test_the_seed_page_comes_back_byte_for_byte(opened: OpenCatalogue) -> None:
    opened.sync_page(SEED_PAGE)
    assert page(opened.catalogue, PackageName("py-pdm-backend"), DEVELOP) == SEED_PAGE.read_bytes()


def test_a_page_is_present_in_root_and_unstated_in_the_stacks_that_it_names(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    opened.sync_page(_write(tmp_path, "zlib", _row("a", "e4s"), _row("b")))
    assert _said(opened, "a") == [("develop/e4s", "unstated", True), ("develop/root", "present", True)]
    assert _said(opened, "b") == [("develop/root", "present", True)]


def test_a_page_never_closes_what_another_page_said(opened: OpenCatalogue, tmp_path: Path) -> None:
    opened.sync_page(_write(tmp_path, "zlib", _row("a", "e4s")))
    opened.sync_page(_write(tmp_path, "curl", _row("c")))
    assert _said(opened, "a") == [("develop/e4s", "unstated", True), ("develop/root", "present", True)]
    assert opened.found() == ["a" * 32, "c" * 32]


def test_a_page_closes_its_own_rows_that_went_and_stacks_that_it_names_no_longer(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    opened.sync_page(_write(tmp_path, "zlib", _row("a", "e4s"), _row("b", "ml")))
    opened.pass_time(days=1)
    opened.sync_page(_write(tmp_path, "zlib", _row("a", "ml")))
    assert _said(opened, "a") == [
        ("develop/e4s", "unstated", False),
        ("develop/ml", "unstated", True),
        ("develop/root", "present", True),
    ]
    assert _said(opened, "b") == [("develop/ml", "unstated", False), ("develop/root", "present", False)]
    assert opened.found() == ["a" * 32]


def test_a_folder_of_pages_is_one_source_a_stack(opened: OpenCatalogue, tmp_path: Path) -> None:
    _write(tmp_path, "zlib", _row("a", "e4s"))
    _write(tmp_path, "curl", _row("c", "e4s"), _row("d"))
    (tmp_path / "README.md").write_text("# No page\n")
    outcomes = opened.sync_folder(tmp_path)
    assert {str(one.name): one.counts.total for one in outcomes} == {"develop/root": 3, "develop/e4s": 2}
    assert not [one.error for one in outcomes if one.error is not None]


def test_unchanged_pages_cost_no_row(opened: OpenCatalogue, tmp_path: Path) -> None:
    _write(tmp_path, "zlib", _row("a", "e4s"))
    _write(tmp_path, "curl", _row("c"))
    opened.sync_folder(tmp_path)
    before, said = table_sizes(opened.address), list(content(opened.address))
    outcomes = opened.sync_folder(tmp_path)
    assert {one.attempt.outcome for one in outcomes} == {"unchanged"}
    assert table_sizes(opened.address) == before
    assert list(content(opened.address)) == said


def test_a_page_on_a_server_is_asked_for_conditionally(opened: OpenCatalogue, tmp_path: Path) -> None:
    _write(tmp_path, "zlib", _row("a"))
    with MirrorServer(folder=tmp_path) as server:
        for outcome in ("updated", "unchanged"):
            (found,) = opened.sync_page(f"{server.url}/zlib/specs.md")
            assert found.attempt.outcome == outcome
        assert ["if-none-match" in one.headers for one in server.requests] == [False, True]


def test_a_page_that_is_gone_fails_and_its_rows_stay(opened: OpenCatalogue, tmp_path: Path) -> None:
    file = _write(tmp_path, "zlib", _row("a"))
    opened.sync_page(file)
    file.unlink()
    (outcome,) = opened.sync_page(file)
    assert (outcome.attempt.outcome, getattr(outcome.error, "exit_code", None)) == ("failed", 4)
    assert opened.found() == ["a" * 32]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "no published page"),
        (b"# Notes\n", "no published page"),
        (b'---\ntitle: "zlib"\nlayout: cache\n', "ends before the closing"),
        (b'---\ntitle: "zlib"\nlayout: cache\ncategories: [package, develop]\n---', "no 'spec_details'"),
        (b'---\ntitle: "zlib"\nlayout: cache\ncategories: []\nspec_details: []\n---', "package and ref"),
        (
            b'---\ntitle: "zlib"\nlayout: cache\ncategories: [package, develop]\nspec_details: [{]\n---',
            "malformed",
        ),
        (b"---\ntitle: \xff\nlayout: cache\n---", "not valid UTF-8"),
    ],
    ids=["empty", "other", "cut", "no-rows", "no-ref", "broken", "latin"],
)
def test_what_is_no_page_is_refused(text: bytes, message: str, opened: OpenCatalogue, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_bytes(text)
    (outcome,) = opened.sync_page(file)
    assert message in str(outcome.error)
    assert str(file) in str(outcome.error)
    assert getattr(outcome.error, "exit_code", None) == 5


def test_a_row_that_cannot_be_read_is_counted_and_does_not_hide_the_rest(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    file = _write(tmp_path, "zlib", _row("a"), _row("b"))
    file.write_text(file.read_text().replace("b" * 32, "not-a-hash"))
    (outcome,) = opened.sync_page(file)
    assert [one.where for one in outcome.rejected] == ["spec_details[1].hash"]
    assert opened.found() == ["a" * 32]
    (source,) = opened.reader.sources()
    assert source.rejected == 1


def test_a_size_is_printed_only_when_wanted(opened: OpenCatalogue, tmp_path: Path) -> None:
    opened.sync_page(_write(tmp_path, "zlib", _row("a", size="4711"), _row("b")))
    plain = page(opened.catalogue, PackageName("zlib"), DEVELOP)
    sized = page(opened.catalogue, PackageName("zlib"), DEVELOP, with_sizes=True)
    assert plain.count(b'"size": "-"') == 2
    assert (sized.count(b'"size": "-"'), sized.count(b'"size": "4711"')) == (1, 1)


def test_exported_pages_are_what_was_read(opened: OpenCatalogue, tmp_path: Path) -> None:
    written = [_write(tmp_path / "in", "zlib", _row("a", "e4s")), _write(tmp_path / "in", "curl", _row("c"))]
    opened.sync_folder(tmp_path / "in")
    pages, changed = export_pages(opened.catalogue, DEVELOP, tmp_path / "out", write=write_atomically)
    assert (pages, changed) == (2, 4)
    for file in written:
        exported = tmp_path / "out" / "_cache" / "develop" / file.parent.name / "specs.md"
        assert exported.read_bytes() == file.read_bytes()
    assert export_pages(opened.catalogue, DEVELOP, tmp_path / "out", write=write_atomically) == (2, 0)


def test_a_page_that_speaks_of_another_package_closes_the_former_one(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    file = _write(tmp_path, "zlib", _row("a", "e4s"), _row("b"))
    opened.sync_page(file)
    opened.pass_time(days=1)
    _retitle(file, "curl", _row("c"))
    outcomes = opened.sync_page(file)
    assert {str(one.name): (one.added, one.gone) for one in outcomes} == {
        "develop/root": (1, 2),
        "develop/e4s": (0, 1),
    }
    assert _said(opened, "a") == [("develop/e4s", "unstated", False), ("develop/root", "present", False)]
    assert opened.found() == ["c" * 32]
    assert _scopes(opened) == [("curl", "zlib")]


def test_a_retitled_page_keeps_the_rows_that_it_still_has(opened: OpenCatalogue, tmp_path: Path) -> None:
    file = _write(tmp_path, "zlib", _row("a", "e4s"))
    opened.sync_page(file)
    opened.pass_time(days=1)
    _retitle(file, "zlib-ng", _row("a", "e4s"))
    opened.sync_page(file)
    assert {place for place in _said(opened, "a") if place[2]} == {
        ("develop/e4s", "unstated", True),
        ("develop/root", "present", True),
    }


def test_a_page_that_speaks_of_another_ref_closes_the_former_one(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    file = _write(tmp_path, "zlib", _row("a", "e4s"))
    opened.sync_page(file)
    opened.pass_time(days=1)
    _retitle(file, "zlib", _row("a"), ref=Ref("v1.0"))
    opened.sync_page(file)
    assert _said(opened, "a") == [
        ("develop/e4s", "unstated", False),
        ("develop/root", "present", False),
        ("v1.0/root", "present", True),
    ]
    assert len(_scopes(opened)) == 1


def test_pages_that_change_places_stay_open(opened: OpenCatalogue, tmp_path: Path) -> None:
    one, other = _write(tmp_path, "zlib", _row("a", "e4s")), _write(tmp_path, "curl", _row("c"))
    opened.sync_folder(tmp_path)
    intervals = table_sizes(opened.address)["presence"]
    opened.pass_time(days=1)
    _retitle(one, "curl", _row("c"))
    _retitle(other, "zlib", _row("a", "e4s"))
    opened.sync_folder(tmp_path)
    assert opened.found() == ["a" * 32, "c" * 32]
    assert table_sizes(opened.address)["presence"] == intervals
    assert _scopes(opened) == [("curl", "zlib"), ("zlib", "curl")]


def test_a_page_that_is_refused_leaves_what_it_said_of_its_former_package(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    file = _write(tmp_path, "zlib", _row("a", "e4s"))
    opened.sync_page(file)
    _retitle(file, "curl", _row("c", "e4s"), _row("d"))
    file.write_text(file.read_text().replace("d" * 32, "not-a-hash"))
    before = list(content(opened.address))
    with _pages(opened, strict=True) as pages:
        outcomes = pages.read_folder(parse_mirror_url(str(tmp_path), cwd=tmp_path))
    assert _words(outcomes) == {"develop/root": "failed", "develop/e4s": "failed"}
    assert list(content(opened.address)) == before
    assert _scopes(opened) == [("zlib", "zlib")]


@pytest.mark.parametrize("text", [None, "# Moved\n"], ids=["file", "page"])
def test_a_folder_without_a_page_that_it_had_closes_it(
    text: str | None, opened: OpenCatalogue, tmp_path: Path
) -> None:
    gone = _write(tmp_path, "zlib", _row("a", "e4s"), _row("b"))
    _write(tmp_path, "curl", _row("c"))
    opened.sync_folder(tmp_path)
    opened.pass_time(days=1)
    gone.unlink()
    if text is not None:
        gone.write_text(text)
    outcomes = opened.sync_folder(tmp_path)
    assert {str(one.name): (one.attempt.outcome, one.gone, one.counts.total) for one in outcomes} == {
        "develop/root": ("updated", 2, 1),
        "develop/e4s": ("updated", 1, 0),
    }
    assert opened.found() == ["c" * 32]
    assert _scopes(opened) == [("curl", "curl")]
    assert set(_words(opened.sync_folder(tmp_path)).values()) == {"unchanged"}


def test_a_page_that_moved_within_its_folder_stays_open(opened: OpenCatalogue, tmp_path: Path) -> None:
    _write(tmp_path, "zlib", _row("a", "e4s"))
    opened.sync_folder(tmp_path)
    opened.pass_time(days=1)
    (tmp_path / "zlib").rename(tmp_path / "moved")
    assert [one.gone for one in opened.sync_folder(tmp_path)] == [0, 0]
    assert _said(opened, "a") == [("develop/e4s", "unstated", True), ("develop/root", "present", True)]
    assert _scopes(opened) == [("zlib", "moved")]


def test_a_folder_closes_no_page_beside_it_and_none_that_is_there_unlisted(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    _write(tmp_path / "in", "zlib", _row("a"))
    beside = _write(tmp_path / "in-other", "curl", _row("c"))
    hidden = _write(tmp_path / "in" / ".hidden", "xz", _row("d"))
    opened.sync_page(beside)
    opened.sync_page(hidden)
    beside.unlink()
    opened.sync_folder(tmp_path / "in")
    assert opened.found() == ["a" * 32, "c" * 32, "d" * 32]


def test_a_folder_without_any_markdown_closes_nothing(opened: OpenCatalogue, tmp_path: Path) -> None:
    file = _write(tmp_path, "zlib", _row("a"))
    opened.sync_folder(tmp_path)
    file.unlink()
    (outcome,) = opened.sync_folder(tmp_path)
    assert "no published page" in str(outcome.error)
    assert opened.found() == ["a" * 32]


def test_a_page_that_cannot_be_read_is_not_gone(opened: OpenCatalogue, tmp_path: Path) -> None:
    file = _write(tmp_path, "zlib", _row("a", "e4s"))
    opened.sync_folder(tmp_path)
    file.write_bytes(file.read_bytes()[:-3])
    assert _words(opened.sync_folder(tmp_path)) == {"develop/root": "failed", "develop/e4s": "failed"}
    assert opened.found() == ["a" * 32]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_known_page_that_is_gone_fails_everywhere_and_says_how_to_forget_it(
    what: str, opened: OpenCatalogue, tmp_path: Path
) -> None:
    file = _write(tmp_path, "zlib", _row("a", "e4s"))
    opened.sync_page(file)
    file.unlink()
    if what == "folder":
        file.parent.rmdir()
    for outcomes in (opened.sync_page(file), _read_known(opened)):
        assert _words(outcomes) == {"develop/root": "failed", "develop/e4s": "failed"}
        for one in outcomes:
            assert "cachescope remove develop/root" in getattr(one.error, "hint", "")
    assert {word for _, word in _attempts(opened).values()} == {"failed"}
    assert opened.found() == ["a" * 32]


def test_an_unchanged_page_was_tried_at_all_sources_of_its_ref(opened: OpenCatalogue, tmp_path: Path) -> None:
    file = _write(tmp_path, "zlib", _row("a", "e4s", "ml"))
    opened.sync_page(file)
    opened.pass_time(days=1)
    stacks = ["develop/e4s", "develop/ml", "develop/root"]
    assert _words(opened.sync_page(file)) == dict.fromkeys(stacks, "unchanged")
    assert _attempts(opened) == dict.fromkeys(stacks, (True, "unchanged"))


def test_the_address_of_a_source_of_pages_is_what_was_given(opened: OpenCatalogue, tmp_path: Path) -> None:
    file = _write(tmp_path, "zlib", _row("a", "e4s"))
    _write(tmp_path, "curl", _row("c"))
    folder, alone = f"file://{tmp_path.resolve()}", f"file://{file.resolve()}"
    opened.sync_folder(tmp_path)
    assert _addresses(opened) == {folder}
    opened.sync_page(file)
    assert _addresses(opened) == {alone}
    opened.sync_folder(tmp_path)
    assert _addresses(opened) == {folder}
    _read_known(opened)
    assert _addresses(opened) == {folder}


def test_known_pages_are_read_in_one_transaction_with_one_outcome_a_source(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    changed = _write(tmp_path, "zlib", _row("a", "e4s"))
    _write(tmp_path, "curl", _row("c"))
    opened.sync_folder(tmp_path)
    opened.sync_page(_write(tmp_path, "xz", _row("d"), ref=Ref("v1.0")))
    opened.pass_time(days=1)
    _retitle(changed, "zlib", _row("b", "e4s"))
    begun: list[object] = []
    event.listen(opened.catalogue.engine, "begin", begun.append)
    outcomes = _read_known(opened)
    assert len(begun) == 2  # one that looks up what is known, one that writes
    assert sorted((str(one.name), one.attempt.outcome, one.added, one.gone) for one in outcomes) == [
        ("develop/e4s", "updated", 1, 1),
        ("develop/root", "updated", 1, 1),
        ("v1.0/root", "unchanged", 0, 0),
    ]
    assert opened.found() == ["b" * 32, "c" * 32, "d" * 32]


def test_known_pages_of_one_ref_leave_the_others_alone(opened: OpenCatalogue, tmp_path: Path) -> None:
    opened.sync_page(_write(tmp_path, "zlib", _row("a")))
    opened.sync_page(_write(tmp_path, "xz", _row("d"), ref=Ref("v1.0")))
    assert _words(_read_known(opened, Ref("v1.0"))) == {"v1.0/root": "unchanged"}
    assert _read_known(opened, Ref("v2.0")) == ()


def test_known_pages_on_a_server_are_asked_for_conditionally(opened: OpenCatalogue, tmp_path: Path) -> None:
    _write(tmp_path, "zlib", _row("a"))
    _write(tmp_path, "curl", _row("c"))
    with MirrorServer(folder=tmp_path) as server:
        for package in ("zlib", "curl"):
            opened.sync_page(f"{server.url}/{package}/specs.md")
        asked = len(server.requests)
        assert _words(_read_known(opened)) == {"develop/root": "unchanged"}
        assert ["if-none-match" in one.headers for one in server.requests[asked:]] == [True, True]


def test_a_file_whose_name_is_no_text_is_told_and_hides_no_other(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    _write(tmp_path, "zlib", _row("a"))
    try:
        _write(tmp_path, "gcc", _row("b")).rename(tmp_path / "odd\udcff.md")
    except OSError:
        pytest.skip("this disk refuses names that are not UTF-8")
    with _pages(opened) as pages:
        good, bad = pages.read_folder(parse_mirror_url(str(tmp_path), cwd=tmp_path))
    assert (good.error, good.counts.present) == (None, 1)
    assert str(bad.error) == f"file://{tmp_path}/odd\\udcff.md: the name of the file is not valid UTF-8"
