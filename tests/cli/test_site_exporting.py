"""``export site``: a folder of files that a second run finds done, and that Ctrl-C leaves whole."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.commands import CommandLine, start
from tests.mirrors import index, installs, node, write_v3

UNKNOWN, BAD, INTERRUPTED = 3, 2, 130


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    nodes = [node("demo", f"1.{number}", target=target) for number in range(4) for target in ("zen3", "zen4")]
    write_v3(tmp_path / "mirror", index(installs(nodes)))
    return tmp_path / "mirror"


def _state(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(one.relative_to(folder)): (one.read_bytes(), one.stat().st_mtime_ns)
        for one in sorted(folder.rglob("*"))
        if one.is_file() and one.name != ".cachescope-files"
    }


def test_a_second_export_touches_nothing(run: CommandLine, mirror: Path, tmp_path: Path) -> None:
    run.well("sync", mirror, "--as", "site")
    first = run.well("export", "site", tmp_path / "out", "--json").json
    before = _state(tmp_path / "out")
    second = run.well("export", "site", tmp_path / "out", "--json").json

    assert _state(tmp_path / "out") == before
    assert first == {
        "folder": str(tmp_path / "out"),
        "pages": sum(name.endswith(".html") for name in before),
        "files": len(before),
        "bytes": sum(len(data) for data, _ in before.values()),
        "written": len(before),
        "unchanged": 0,
        "removed": 0,
    }
    assert second == {**first, "written": 0, "unchanged": len(before)}


def test_what_is_no_longer_in_the_catalogue_is_removed(
    run: CommandLine, mirror: Path, tmp_path: Path
) -> None:
    write_v3(tmp_path / "other", index(installs([node("other")])))
    run.well("sync", tmp_path / "other", "--as", "old")
    run.well("sync", mirror, "--as", "site")
    run.well("export", "site", tmp_path / "out", "--ref", "old", "--without-binaries")
    mine = tmp_path / "out" / "CNAME"
    mine.write_text("caches.example.org")
    told = run.well("export", "site", tmp_path / "out", "--ref", "site", "--without-binaries").text

    assert "removed" in told
    assert mine.exists()
    assert [one.name for one in (tmp_path / "out" / "package").glob("*.html")] == ["demo.html"]
    assert not (tmp_path / "out" / "cache" / "old").exists()


def test_processes_write_the_same_files(run: CommandLine, mirror: Path, tmp_path: Path) -> None:
    run.well("sync", mirror, "--as", "site")
    run.well("export", "site", tmp_path / "one")
    db = Path(os.environ["CACHESCOPE_DB"]) if "://" not in os.environ["CACHESCOPE_DB"] else None
    if db is None:
        pytest.skip("the processes of this test read a file")
    with start("export", "site", tmp_path / "two", "--processes", "2", db=db) as running:
        _, err = running.communicate(timeout=300)
    assert running.returncode == 0, err
    assert {name: data for name, (data, _) in _state(tmp_path / "two").items()} == {
        name: data for name, (data, _) in _state(tmp_path / "one").items()
    }
    listings = [(tmp_path / name / ".cachescope-files").read_text() for name in ("one", "two")]
    assert listings[0] == listings[1]


def test_ctrl_c_leaves_every_file_whole_and_a_second_run_ends_it(
    run_on_sample: CommandLine, sample_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ("export", "site", out, "--ref", "crafted")
    with start(*arguments, "--processes", "2", db=sample_file) as running:
        deadline = time.monotonic() + 200
        while not any(out.rglob("*.html")) and time.monotonic() < deadline:
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=300)
    assert running.returncode == INTERRUPTED, err
    half = _state(out)
    assert all(data.endswith(b"</html>\n") for name, (data, _) in half.items() if name.endswith(".html"))
    assert not list(out.rglob("*.part"))

    ended = run_on_sample.well(*arguments, "--without-binaries", "--json")

    assert ended.json["unchanged"] > 0
    assert sorted(_state(out)) == sorted((out / ".cachescope-files").read_text().splitlines()[1:])


def test_an_unknown_ref_is_told_before_anything_is_written(
    run_on_sample: CommandLine, tmp_path: Path
) -> None:
    refused = run_on_sample("export", "site", tmp_path / "out", "--ref", "nowhere")
    assert (refused.code, (tmp_path / "out").exists()) == (UNKNOWN, False)


def test_a_folder_that_is_not_ours_is_refused(run_on_sample: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    refused = run_on_sample("export", "site", tmp_path)
    assert refused.code == BAD
    assert "no export of the site has written" in refused.err
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_place_that_cannot_be_written_is_told_as_json(run_on_sample: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = run_on_sample("export", "site", tmp_path / "file" / "out", "--json")
    assert refused.code == BAD
    assert refused.json["error"]["message"] == "a part of the path is a file, not a folder"
