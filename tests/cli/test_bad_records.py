"""Single records that cannot be read: reported with their path, counted, and no reason to hide the rest."""

from pathlib import Path

import pytest

from tests import mirrors
from tests.commands import CommandLine

MALFORMED = 5
_GOOD, _OTHER = mirrors.node("good"), mirrors.node("other")

RECORDS: dict[str, tuple[bytes, str, str]] = {
    # name: index with one good record and one bad one, what, where
    "key that is no hash": (
        mirrors.index({**mirrors.installs([_GOOD]), "no-hash": mirrors.record(_OTHER)}),
        *("'no-hash' is not a DAG hash", "database.installs"),
    ),
    "node of the wrong kind": (
        mirrors.index({**mirrors.installs([_GOOD]), _OTHER["hash"]: {"spec": [1], "in_buildcache": True}}),
        *("expected `object`, got `array`", f"database.installs[{_OTHER['hash']}].spec"),
    ),
    "record of the wrong kind": (
        mirrors.index({**mirrors.installs([_GOOD]), _OTHER["hash"]: 7}),
        *("expected `object`, got `int`", f"database.installs[{_OTHER['hash']}]"),
    ),
    "no version": (
        mirrors.index({**mirrors.installs([_GOOD]), _OTHER["hash"]: {"spec": {"name": "other", "arch": {}}}}),
        *("the node has no version", f"database.installs[{_OTHER['hash']}].spec"),
    ),
    "NUL in a version": (
        mirrors.index(mirrors.installs([_GOOD, mirrors.node("other", "1.0\0")])),
        *("a text holds a NUL", "].spec"),
    ),
    "NUL in a variant": (
        mirrors.index(mirrors.installs([_GOOD, mirrors.node("other", variants={"odd": "a\0b"})])),
        *("a text holds a NUL", "].spec"),
    ),
    "invalid UTF-8": (
        mirrors.index(mirrors.installs([_GOOD, _OTHER])).replace(b'"name":"other"', b'"name":"\xff"'),
        *("not valid UTF-8", f"database.installs[{_OTHER['hash']}].spec"),
    ),
}


@pytest.mark.parametrize("case", RECORDS)
def test_a_record_that_cannot_be_read_is_reported_and_does_not_hide_the_rest(
    case: str, run: CommandLine, tmp_path: Path
) -> None:
    document, what, where = RECORDS[case]
    mirrors.write_v3(tmp_path / "m", document)
    read = run.well("sync", tmp_path / "m", "--as", "site", "--json")
    (outcome,) = read.json["sources"]
    (rejected,) = outcome["rejected"]
    assert what in rejected["message"]
    assert where in rejected["where"]
    (source,) = run.well("caches", "--json").json
    assert source["rejected"] == 1
    assert [one["hash"] for one in run.well("search", "*", "--json").json["specs"]] == [_GOOD["hash"]]


@pytest.mark.parametrize("case", RECORDS)
def test_strict_refuses_an_index_with_even_one_such_record(
    case: str, run: CommandLine, tmp_path: Path
) -> None:
    document, what, _ = RECORDS[case]
    mirrors.write_v3(tmp_path / "m", document)
    refused = run("sync", tmp_path / "m", "--as", "site", "--strict")
    assert refused.code == MALFORMED
    assert what in refused.text
    assert run("search", "*").code == 1


@pytest.mark.parametrize(
    "oddity",
    [b"9" * 5000, b"[" * 900 + b"]" * 900, b'"\\u0000\\u001b[31m"'],
    ids=["large", "deep", "control"],
)
def test_a_record_with_something_odd_that_nobody_needs_is_read_and_shown(
    oddity: bytes, run: CommandLine, tmp_path: Path
) -> None:
    odd = mirrors.node("odd", oddity="here")
    document = mirrors.index(mirrors.installs([odd])).replace(b'"oddity":"here"', b'"oddity":' + oddity)
    mirrors.write_v3(tmp_path / "m", document)
    run.well("sync", tmp_path / "m", "--as", "site")
    assert run.well("show", odd["hash"], "--json").json["name"] == "odd"
    assert "\x1b" not in run.well("show", odd["hash"]).text


def test_a_row_of_chosen_columns_is_one_line_and_drives_no_terminal(run: CommandLine, tmp_path: Path) -> None:
    odd = mirrors.node("odd", "1.0\x1b[31m\n2.0\t\u202e")
    mirrors.write_v3(tmp_path / "m", mirrors.index(mirrors.installs([odd])))
    run.well("sync", tmp_path / "m", "--as", "site")
    assert run.well("search", "odd", "--columns", "version,name").text == (
        "1.0\\x1b[31m\\x0a2.0\\x09\\x202e\todd\n"
    )
    assert (
        "1.0\x1b[31m\n2.0\t\u202e" in run.well("search", "odd", "--csv").text
    )  # what programs read is whole
