"""Published pages as a source: what a page says, and of what it says nothing."""

from pathlib import Path

import pytest

from cachescope.formats.pages_md import PageRow, encode_page
from cachescope.jobs.export import export_pages, page
from cachescope.model.identity import DagHash, PackageName, Ref, Stack
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


def _write(folder: Path, package: str, *rows: PageRow) -> Path:
    file = folder / package / "specs.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_page(PackageName(package), DEVELOP, rows))
    return file


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
    before, said = table_sizes(opened.file), list(content(opened.file))
    outcomes = opened.sync_folder(tmp_path)
    assert {one.attempt.outcome for one in outcomes} == {"unchanged"}
    assert table_sizes(opened.file) == before
    assert list(content(opened.file)) == said


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
