"""``page`` and ``export pages``: the pages of the public site, from pages and from indexes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import mirrors
from tests.catalogues import SEED_PAGE, V2, V3
from tests.commands import CommandLine

UNKNOWN = 3


def _rows(page: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _field(page, "spec_details")
    return rows


def _field(page: bytes, name: str) -> Any:
    (line,) = [one for one in page.decode().splitlines() if one.startswith(f"{name}: ")]
    return json.loads(line.removeprefix(f"{name}: "))


def _written(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [one for one in folder.rglob("*") if one.is_file()]
    return {str(one.relative_to(folder)): (one.read_bytes(), one.stat().st_mtime_ns) for one in files}


def test_the_seed_page_is_printed_byte_for_byte(run_on_sample: CommandLine) -> None:
    assert run_on_sample.well("page", "py-pdm-backend", "--ref", "develop").out == SEED_PAGE.read_bytes()


def test_a_second_export_has_the_same_bytes_and_touches_nothing(run: CommandLine, tmp_path: Path) -> None:
    run.well("sync", V3, "--as", "site")
    first = run.well("export", "pages", "--ref", "site", tmp_path / "out")
    before = _written(tmp_path / "out")
    second = run.well("export", "pages", "--ref", "site", tmp_path / "out")
    assert _written(tmp_path / "out") == before
    pages = [one for one in before if one.endswith("specs.md")]
    assert first.text.startswith(f"{len(pages)} pages of site in ")
    assert f"; {len(before)} files written" in first.text
    assert "; 0 files written" in second.text
    assert {"pages/tags/site.md", "_data/tags.yaml", "_cache/site/cr-zlib/specs.md"} <= before.keys()


def test_an_export_holds_the_pages_that_page_prints(run: CommandLine, tmp_path: Path) -> None:
    run.well("sync", V3, "--as", "site")
    run.well("export", "pages", "--ref", "site", tmp_path / "out")
    for file in sorted((tmp_path / "out" / "_cache" / "site").iterdir())[::5]:
        assert (file / "specs.md").read_bytes() == run.well("page", file.name, "--ref", "site").out


def test_a_page_of_a_modern_index_has_compilers_with_at_and_multiple_values_with_colon(
    run: CommandLine,
) -> None:
    run.well("sync", V3, "--as", "site")
    rows = _rows(run.well("page", "cr-fftw", "--ref", "site").out)
    assert {row["compiler"] for row in rows} <= {"gcc@12.2.0", "gcc@13.1.0", "llvm@15.0.6", "none"}
    assert any(variant.startswith("precision:=") for row in rows for variant in row["variants"])
    scripts = _rows(run.well("page", "cr-data", "--ref", "site").out)
    assert {row["compiler"] for row in scripts} == {"none"}


def test_a_page_of_an_old_index_has_compilers_with_at_equals_and_multiple_values_without_colon(
    run: CommandLine,
) -> None:
    run.well("sync", V2, "--as", "old")
    rows = _rows(run.well("page", "cr-fftw", "--ref", "old").out)
    assert all("@=" in row["compiler"] for row in rows)
    assert not [variant for row in rows for variant in row["variants"] if ":=" in variant]


def test_variants_stand_in_the_order_of_their_names(run: CommandLine) -> None:
    run.well("sync", V3, "--as", "site")
    rows = _rows(run.well("page", "cr-mpich", "--ref", "site").out)
    names = [[one.lstrip("+~").partition("=")[0].rstrip(":") for one in row["variants"]] for row in rows]
    assert all(one == sorted(one) for one in names)
    assert any([str(one) for one in row["variants"]] != sorted(row["variants"]) for row in rows)


@pytest.fixture
def stacks(run: CommandLine, tmp_path: Path) -> dict[str, mirrors.Node]:
    """A ref of three stacks: what root has, what it only mentions, and what another stack alone has."""
    nodes = {
        name: mirrors.node("demo", version)
        for name, version in {
            "present": "1.10",
            "other": "1.9",
            "mentioned": "1.8",
            "elsewhere": "1.7",
        }.items()
    }
    root = mirrors.installs([nodes["present"], nodes["other"]], [nodes["mentioned"]])
    e4s = mirrors.installs([nodes["elsewhere"], nodes["mentioned"]], [nodes["present"]])
    for stack, records in (("root", root), ("e4s", e4s), ("ml", mirrors.installs([nodes["present"]]))):
        mirrors.write_v3(tmp_path / stack, mirrors.index(records))
        run.well("sync", tmp_path / stack, "--as", f"develop/{stack}")
    return nodes


def test_a_page_has_what_is_present_in_root_and_counts_every_stack_that_speaks_of_it(
    run: CommandLine, stacks: dict[str, mirrors.Node]
) -> None:
    page = run.well("page", "demo", "--ref", "develop").out
    assert {row["hash"]: row["stacks"] for row in _rows(page)} == {
        stacks["present"]["hash"]: ["e4s", "ml", "root"],
        stacks["other"]["hash"]: ["root"],
    }
    meta = _field(page, "meta")
    assert meta["num_specs"] == 2
    assert meta["num_specs_by_stack"] == {"e4s": 1, "ml": 1, "root": 2}
    assert meta["versions"] == ["1.10", "1.9"]  # as text
    assert not page.endswith(b"\n")
    assert [row["hash"] for row in _rows(page)] == sorted(row["hash"] for row in _rows(page))


def test_a_ref_without_a_root_has_no_pages(run: CommandLine, tmp_path: Path) -> None:
    run.well("sync", V3, "--as", "develop/e4s")
    refused = run("export", "pages", "--ref", "develop", tmp_path / "out")
    assert refused.code == UNKNOWN
    assert "develop has no root mirror with binaries" in refused.err
    assert not (tmp_path / "out").exists()
    assert run("page", "cr-zlib", "--ref", "develop").code == UNKNOWN


def test_an_unknown_ref_is_told(run: CommandLine, tmp_path: Path) -> None:
    refused = run("export", "pages", "--ref", "nowhere", tmp_path / "out")
    assert (refused.code, (tmp_path / "out").exists()) == (UNKNOWN, False)


def test_a_place_that_cannot_be_written_is_told(run: CommandLine, tmp_path: Path) -> None:
    run.well("sync", V3, "--as", "site")
    (tmp_path / "out").write_text("a file")
    refused = run("export", "pages", "--ref", "site", tmp_path / "out" / "below")
    assert refused.code == 2
    assert "a part of the path is a file, not a folder" in refused.err
