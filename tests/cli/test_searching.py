"""``search`` in Spack's language, ``query --explain`` and ``diff`` over the bundled sample."""

import csv
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.commands import CommandLine, start

NO_MATCH, BAD, UNKNOWN = 1, 2, 3
STACK = ("--stack", "v3-signed")
OLD_HOST = "os=debian12,target=x86_64_v2,glibc=2.36"


def _total(run: CommandLine, query: str, *more: str) -> int:
    ended = run("search", query, "--json", *STACK, *more)
    assert ended.code in {0, NO_MATCH}, ended.err
    return int(ended.json["total"])


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("cr-zlib target=x86_64_v3", 5),
        ("cr-zlib@1.3: +pic %gcc@12", 4),
        ("cr-zlib %llvm", 1),
        ("cr-app ^cr-petsc ^cr-netcdf ^cr-fftw+mpi", 2),
        ("cr-hdf+hl ^crmpi", 4),
    ],
)
def test_search_speaks_spacks_language(run_on_sample: CommandLine, query: str, total: int) -> None:
    assert _total(run_on_sample, query) == total


def test_mentioned_adds_specs_that_are_not_present(run_on_sample: CommandLine) -> None:
    assert _total(run_on_sample, "glibc") == 0
    assert _total(run_on_sample, "glibc", "--mentioned") == 1


def test_bad_query_is_marked_on_the_terminal_and_in_json(run_on_sample: CommandLine) -> None:
    ended = run_on_sample("search", "cr-zlib +pic~pic", "--json")
    assert ended.code == BAD
    error = ended.json["error"]
    assert (error["code"], error["start"], error["end"]) == ("bad_query", 12, 16)
    assert ended.err.splitlines()[:2] == ["cr-zlib +pic~pic", " " * 12 + "^^^^"]


def test_no_match_names_what_to_drop_and_what_stands_there_instead(run_on_sample: CommandLine) -> None:
    ended = run_on_sample("search", "cr-zlib target=zen4", *STACK)
    assert ended.code == NO_MATCH
    assert (
        "with target=x86_64_v3 (5), target=icelake (1), target=x86_64_v2 (1) in place of target=zen4"
        in ended.text
    )
    relaxed = run_on_sample("search", "cr-zlib target=zen4", "--json", *STACK).json["no_match"][
        "relaxations"
    ][0]
    assert relaxed["dropped"] == ["target=zen4"]
    assert relaxed["query"] == "cr-zlib"
    assert relaxed["total"] == 7


def test_no_match_takes_the_smallest_set_of_constraints(run_on_sample: CommandLine) -> None:
    found = run_on_sample("search", "cr-zlib@9 target=zen4 +pic", "--json", *STACK).json["no_match"]
    assert [one["dropped"] for one in found["relaxations"]] == [["@9", "target=zen4"]]
    assert found["nearest"]


def test_a_variant_that_no_spec_has_is_named_with_those_that_exist(run_on_sample: CommandLine) -> None:
    ended = run_on_sample("search", "cr-zlib+cuda")
    assert (
        "no spec of cr-zlib has a variant cuda; there are build_system, optimize, pic, shared" in ended.text
    )


@pytest.mark.parametrize(
    ("query", "notes"),
    [
        ("+pick", ["no spec of any package has a variant pick; there is pic"]),
        ("/zz", ["no spec in the catalogue has a hash that begins with zz"]),
        ("cr-zlib/zz", ["no spec in the catalogue has a hash that begins with zz"]),
        ("^mpi@3", ["nothing in the catalogue is called mpi or provides it"]),
        (
            "^cr-hdf %cr-zlip",
            ["nothing in the catalogue is called cr-zlip or provides it; there is cr-zlib, "],
        ),
        ("%rocmcc", ["nothing in the catalogue is called llvm-amdgpu or provides it"]),
        ("%clang@1", []),
        ("^crmpi %gcc@99", []),
        ("+pic %gcc@99", []),
    ],
)
def test_names_that_nothing_has_are_told(query: str, notes: list[str], run_on_sample: CommandLine) -> None:
    ended = run_on_sample("search", query, "--json")
    assert ended.code == NO_MATCH
    found = ended.json["no_match"]["notes"]
    assert len(found) == len(notes)
    assert all(map(str.startswith, found, notes))


def test_a_name_that_exists_only_with_a_prefix_is_told(run_on_sample: CommandLine) -> None:
    ended = run_on_sample("search", "pdm-backend")
    assert ended.code == NO_MATCH
    assert "this name exists only as py-pdm-backend" in ended.text


def test_the_version_of_a_virtual_is_ignored_with_a_warning(run_on_sample: CommandLine) -> None:
    found = run_on_sample("search", "crmpi@99", "--json", *STACK).json
    assert found["total"] > 0
    assert "version of the virtual package crmpi" in found["warnings"][0]


def test_batch_answers_each_query_with_one_line(run_on_sample: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "queries"
    file.write_text("cr-zlib +pic\n\ncr-zlib cr-hdf\nnothing\n*\n")

    def lines(*options: str) -> list[Any]:
        answers = run_on_sample.well("search", "--batch", file, *options).out.splitlines()
        return [json.loads(line) for line in answers]

    matching, refused, nothing, everything = lines()
    asked = [line["query"] for line in (matching, refused, nothing, everything)]
    assert asked == ["cr-zlib +pic", "cr-zlib cr-hdf", "nothing", "*"]
    assert matching["total"] == len(matching["specs"])
    assert refused["error"]["code"] == "bad_query"
    assert nothing["total"] == 0
    assert everything["total"] == len(everything["specs"]) > 50, "all, without a limit"
    assert [len(line.get("specs", ())) for line in lines("--limit", "2")] == [2, 0, 0, 2]


def test_batch_answers_a_line_that_is_no_text_by_its_error_and_goes_on(
    run_on_sample: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "queries"
    file.write_bytes(b"cr-zlib\n\xff\xfe\r\ncr-hdf")
    first, broken, last = map(json.loads, run_on_sample.well("search", "--batch", file).out.splitlines())
    assert (first["query"], last["query"]) == ("cr-zlib", "cr-hdf")
    assert broken["query"] == r"\xff\xfe"
    assert (broken["error"]["code"], broken["error"]["message"]) == (
        "bad_input",
        "the query is not valid UTF-8",
    )


def test_batch_answers_before_the_next_question_comes(sample_file: Path) -> None:
    with start(
        *("search", "--batch", "-"),
        db=sample_file,
        environment={"PYTHONUNBUFFERED": ""},
        stdin=subprocess.PIPE,
    ) as asked:
        assert asked.stdin is not None
        assert asked.stdout is not None
        for query in ("cr-zlib", "cr-hdf"):
            asked.stdin.write(f"{query}\n".encode())
            asked.stdin.flush()
            assert json.loads(asked.stdout.readline())["query"] == query
        asked.stdin.close()
    assert asked.returncode == 0


def test_batch_that_cannot_be_read_is_told(run_on_sample: CommandLine, tmp_path: Path) -> None:
    ended = run_on_sample("search", "--batch", tmp_path / "absent")
    assert ended.code == BAD
    assert "the queries cannot be read" in ended.err


def test_csv_and_columns_print_what_is_asked(run_on_sample: CommandLine) -> None:
    table = run_on_sample.well("search", "cr-zlib", "--csv", "--columns", "name,version,variants", *STACK)
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert len(rows) == 7
    assert rows[0]["name"] == "cr-zlib"
    assert "+shared" in rows[0]["variants"]
    plain = run_on_sample.well("search", "cr-zlib", "--columns", "hash,target", "--sort", "hash", *STACK)
    hashes = [line.split("\t")[0] for line in plain.text.splitlines()]
    assert hashes == sorted(hashes)
    assert len(hashes) == 7
    assert run_on_sample("search", "cr-zlib", "--columns", "colour").code == BAD
    assert run_on_sample("search", "cr-zlib", "--sort", "colour").code == BAD


def test_for_says_of_each_whether_it_runs_there(run_on_sample: CommandLine) -> None:
    specs = run_on_sample.well("search", "cr-zlib", "--for", OLD_HOST, "--json", *STACK).json["specs"]
    by_target = {one["target"]: one["verdict"] for one in specs}
    assert by_target["x86_64_v2"] == {"kind": "runs", "runnable": True, "reason": "runs"}
    assert by_target["x86_64_v3"]["kind"] == "target_too_new"
    assert not by_target["icelake"]["runnable"]


def test_only_runnable_filters_before_the_limit(run_on_sample: CommandLine) -> None:
    found = run_on_sample.well(
        "search", "cr-zlib", "--for", OLD_HOST, "--only-runnable", "--limit", "1", "--json", *STACK
    ).json
    assert found["total"] == 1
    assert [one["target"] for one in found["specs"]] == ["x86_64_v2"]
    ended = run_on_sample(
        "search", "cr-zlib", "--for", "os=rhel6,target=x86_64,glibc=2.12", "--only-runnable", *STACK
    )
    assert ended.code == NO_MATCH
    assert "none of them runs" in ended.text
    assert run_on_sample("search", "cr-zlib", "--only-runnable").code == BAD


def test_explain_says_what_a_query_means(run_on_sample: CommandLine) -> None:
    said = run_on_sample.well("query", "--explain", "hdf5@1.12: +mpi ^openmpi").text
    assert "version 1.12 or newer" in said
    assert "openmpi" in said
    assert run_on_sample("query", "--explain", "hdf5 +a~a").code == BAD


def test_diff_shows_what_separates_two_binaries(run_on_sample: CommandLine) -> None:
    ended = run_on_sample.well("diff", "h7evrko", "da3fdj")
    assert "variant hl" in ended.text
    assert "cr-mpich" in ended.text
    found = run_on_sample.well("diff", "h7evrko", "da3fdj", "--json").json
    assert {one["field"] for one in found["own"]} == {"variant:hl"}
    assert run_on_sample("diff", "h7evrko", "zzzzzzz").code == UNKNOWN


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("search", "cr-zlib", "--json", "--csv"), "--json does not go with --csv"),
        (("search", "cr-zlib", "--json", "--columns", "name"), "--json does not go with --columns"),
        (("search", "--batch", "/dev/null", "--csv"), "--batch, which prints JSON, does not go with --csv"),
        (("coverage", "--json", "--markdown", "/dev/null"), "--json does not go with --markdown"),
        (("why", "--json", "--markdown", "/dev/null"), "--json does not go with --markdown"),
        (("diff", "--json", "--markdown", "a", "b"), "--json does not go with --markdown"),
    ],
)
def test_two_forms_at_once_are_refused(
    run_on_sample: CommandLine, options: tuple[str, ...], message: str
) -> None:
    ended = run_on_sample(*options)
    assert (ended.code, message in ended.err, "Hint: leave one" in ended.err) == (BAD, True, True), ended


@pytest.mark.parametrize("query", ["hdf5", "hdf5@1.14 +mpi", "hdf*", "%gcc", "/abcdefg"])
def test_search_where_nothing_was_synced_says_so_and_how_to(run: CommandLine, query: str) -> None:
    ended = run("search", query)
    assert ended.code == NO_MATCH
    assert "nothing was synced into this catalogue yet: 'cachescope sync URL --as NAME'" in ended.text
    assert "Near:" not in ended.text
    (note,) = run("search", query, "--json").json["no_match"]["notes"]
    assert "nothing was synced" in note


def test_search_where_no_catalogue_was_made_says_that_nothing_was_synced(
    run: CommandLine, tmp_path: Path
) -> None:
    ended = run("--db", tmp_path / "none.sqlite", "search", "hdf5")
    assert (ended.code, "nothing was synced" in ended.text) == (NO_MATCH, True), ended
    assert not (tmp_path / "none.sqlite").exists()
