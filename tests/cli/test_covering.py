"""``coverage`` and ``why`` as people and CI use them."""

import io
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.catalogues import V3
from tests.commands import CommandLine, process
from tests.locks import lock_document
from tests.mirrors import index, installs, node, write_v3

ZLIB = node("zlib", "1.3", target="x86_64_v2")
CACHED = node("zlib", "1.3", target="x86_64_v3")
APP = node("app", needs=[(CACHED, "build,link", "")])
WANTED = node("app", target="x86_64_v2", needs=[(ZLIB, "build,link", "")])


@pytest.fixture
def synced(run: CommandLine, tmp_path: Path) -> CommandLine:
    write_v3(tmp_path / "mirror", index(installs([CACHED, APP])))
    run.well("sync", tmp_path / "mirror", "--as", "site")
    return run


@pytest.fixture
def covered(tmp_path: Path) -> Path:
    file = tmp_path / "covered" / "spack.lock"
    file.parent.mkdir()
    file.write_bytes(lock_document([APP["hash"]], {one["hash"]: one for one in (APP, CACHED)}))
    return file


@pytest.fixture
def lacking(tmp_path: Path) -> Path:
    file = tmp_path / "lacking.lock"
    file.write_bytes(lock_document([WANTED["hash"]], {one["hash"]: one for one in (WANTED, ZLIB)}))
    return file


def test_coverage_prints_json_in_the_shape_of_the_design(synced: CommandLine, covered: Path) -> None:
    found = synced.well("coverage", covered, "--json").json
    assert found["share"] == 1
    assert found["installable"] is True
    assert [one["name"] for one in found["present"]] == ["app", "zlib"]
    assert found["present"][0]["mirrors"] == ["site/root"]
    assert (found["missing"], found["external"]) == ([], [])
    assert found["mirrors"][0]["name"] == "site/root"
    assert found["mirrors"][0]["share"] == 1
    assert found["bytes"] is None


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), 0),
        (("--fail-under", "50"), 0),
        (("--fail-under", "50.1"), 1),
        (("--fail-under", "0"), 0),
        (("--installable",), 1),
        (("--fail-under", "50", "--installable"), 1),
    ],
)
def test_coverage_below_the_bar_ends_with_1(
    synced: CommandLine, covered: Path, lacking: Path, options: tuple[str, ...], code: int
) -> None:
    ended = synced("coverage", covered, lacking, *options)
    assert ended.code == code
    assert "2 of 4 (50.0 %)" in ended.text


def test_coverage_reads_standard_input_folders_and_hashes(
    synced: CommandLine, covered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(covered.read_bytes())))
    assert "100 %" in synced.well("coverage", "-").text
    assert "100 %" in synced.well("coverage", covered.parent).text
    assert "100 %" in synced.well("coverage", f"/{APP['hash']}", CACHED["hash"]).text


def test_coverage_writes_reports_for_ci(
    synced: CommandLine, covered: Path, lacking: Path, tmp_path: Path
) -> None:
    junit, badge = tmp_path / "out" / "coverage.xml", tmp_path / "out" / "badge.svg"
    markdown = synced.well(
        "coverage", covered, lacking, "--markdown", "--junit", junit, "--badge", badge
    ).text
    assert markdown.startswith("### Build cache coverage 50.0 %\n")
    assert "| site/root | 2 | 50.0 % | 2 of 4 (50.0 %) |" in markdown
    (suite,) = ET.parse(junit).getroot()  # noqa: S314 - written by us a line above
    assert (suite.get("tests"), suite.get("failures")) == ("4", "2")
    svg = ET.parse(badge).getroot()  # noqa: S314 - as above
    assert svg.tag.endswith("svg")
    assert "50.0 %" in badge.read_text()


def test_why_prints_causes_in_the_shape_of_the_design(synced: CommandLine, lacking: Path) -> None:
    found = synced.well("why", lacking, "--json").json
    (cause,) = found["causes"]
    assert cause["kind"] == "shared_difference"
    assert cause["name"] is None
    assert set(cause["hashes"]) == {ZLIB["hash"], WANTED["hash"]}
    assert cause["differences"] == [{"field": "target", "wanted": "x86_64_v2", "cached": "x86_64_v3"}]
    assert cause["consequences"] == []
    assert "target=x86_64_v3" in cause["remedy"]
    assert [one["name"] for one in found["missing"]] == ["zlib", "app"]
    assert found["missing"][0]["nearest"][0]["hash"] == CACHED["hash"]
    assert found["missing"][1]["follows"] == [ZLIB["hash"]]


def test_why_tells_people_causes_first(synced: CommandLine, lacking: Path) -> None:
    text = synced.well("why", lacking).text
    assert "2 of 2 specs are missing, from 1 cause" in text
    assert text.index("1. target x86_64_v2, cached is x86_64_v3") < text.index("zlib@1.3")
    assert ZLIB["hash"] in text
    markdown = synced.well("why", lacking, "--markdown").text
    assert "1. **target x86\\_64\\_v2, cached is x86\\_64\\_v3" in markdown


def test_why_of_what_is_covered_has_nothing_to_say(synced: CommandLine, covered: Path) -> None:
    assert "nothing is missing (2 present" in synced.well("why", covered).text


def test_why_can_be_asked_of_one_package(synced: CommandLine, lacking: Path) -> None:
    found = synced.well("why", lacking, "--spec", "zlib@1.3", "--json").json
    assert [one["name"] for one in found["missing"]] == ["zlib"]
    assert synced("why", lacking, "--spec", "zlib@@").code == 2


def test_why_estimates_coverage_under_another_target(synced: CommandLine, lacking: Path) -> None:
    found = synced.well("why", lacking, "--if", "target=x86_64_v3", "--json").json["if"]
    assert found["estimate"] is True
    assert (found["before"]["present"], found["after"]["present"], found["total"]) == (0, 2, 2)
    assert "2 of 2 (100 %) would be present" in synced.well("why", lacking, "--if", "target=x86_64_v3").text
    nothing = synced.well("why", lacking, "--if", "target=zen4", "--json").json["if"]
    assert nothing["after"]["present"] == 0


@pytest.mark.parametrize("assumed", ["^openmpi", "@1.2", "/abc", "%gcc %llvm", "zlib@@"])
def test_what_cannot_be_assumed_is_refused(synced: CommandLine, lacking: Path, assumed: str) -> None:
    assert synced("why", lacking, "--if", assumed).code == 2


@pytest.mark.parametrize("command", ["coverage", "why"])
@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (b"", 5, "the file is empty"),
        (b"spack:\n  specs: []\n", 2, "concretize first: 'spack concretize'"),
        (b'{"_meta": {"lockfile-version": 6}, "roots": [', 5, "ends in the middle"),
        (b"nothing", 2, "holds no DAG hash"),
    ],
    ids=["empty", "yaml", "truncated", "prose"],
)
def test_bad_files_are_named_with_a_remedy(
    synced: CommandLine, tmp_path: Path, command: str, content: bytes, code: int, told: str
) -> None:
    file = tmp_path / "bad.lock"
    file.write_bytes(content)
    ended = synced(command, file)
    assert ended.code == code
    assert told in " ".join(ended.err.split())
    assert "bad.lock" in ended.err
    as_json = synced(command, file, "--json")
    assert as_json.code == code
    assert set(as_json.json["error"]) >= {"code", "message", "where", "hint"}


def test_files_and_mirrors_that_are_not_there_are_told_apart(
    synced: CommandLine, covered: Path, tmp_path: Path
) -> None:
    assert synced("coverage", tmp_path / "none.lock").code == 2
    assert synced("coverage", tmp_path).code == 2
    assert synced("coverage", covered, "--against", "nowhere").code == 3
    assert synced("coverage", covered, "--against", "ref:nowhere").code == 3
    assert synced("coverage", covered, "--against", "site@{2026-11-01}").code == 2
    assert synced("coverage", "-", "-").code == 2


def test_an_empty_catalogue_is_no_answer(run: CommandLine, covered: Path) -> None:
    ended = run("coverage", covered)
    assert ended.code == 3
    assert "cachescope sync" in ended.err


def test_the_bundled_sample_covers_itself(run_on_sample: CommandLine, tmp_path: Path) -> None:
    """All records of a real cache as a list: present ones are covered, mentioned ones are missing and said so."""
    index_file = next((V3 / "blobs").rglob("*"), None)
    assert index_file is not None
    listed = run_on_sample.well(
        "search", "*", "--mentioned", "--limit", "0", "--ref", "crafted", "--json"
    ).json
    file = tmp_path / "hashes.txt"
    file.write_text("\n".join(one["hash"] for one in listed["specs"]))
    coverage = run_on_sample.well("coverage", file, "--json").json
    assert coverage["total"] + len(coverage["external"]) == len(listed["specs"])
    assert {one["hash"] for one in coverage["present"]} == {
        one["hash"] for one in listed["specs"] if one["mirrors"] and one["hash"] not in _externals(coverage)
    }
    why = run_on_sample.well("why", file, "--json").json
    assert {one["hash"] for one in why["missing"]} == {one["hash"] for one in coverage["missing"]}
    assert all(one["causes"] for one in why["missing"])


def _externals(coverage: dict[str, list[dict[str, str]]]) -> set[str]:
    return {one["hash"] for one in coverage["external"]}


def test_a_hostile_lock_file_ends_in_bounded_time(synced: CommandLine, tmp_path: Path) -> None:
    """20,000 specs of one name, each of another version, in a wide DAG: all are missing, and nothing explodes."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    hashes = [
        "".join(alphabet[number >> shift & 31] for shift in (15, 10, 5, 0)) * 8 for number in range(20_000)
    ]
    specs = {
        dag_hash: {**ZLIB, "version": f"9.{number}", "hash": dag_hash, "dependencies": []}
        for number, dag_hash in enumerate(hashes)
    }
    file = tmp_path / "wide.lock"
    file.write_bytes(lock_document(hashes[:1], specs))
    found = json.loads(synced.well("why", file, "--json").out)
    assert len(found["missing"]) == 20_000


def test_both_commands_run_as_processes(synced: CommandLine, covered: Path, catalogue_file: Path) -> None:
    assert synced.well("caches").text
    for command in ("coverage", "why"):
        assert process(command, covered, db=catalogue_file).code == 0
