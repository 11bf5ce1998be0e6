"""``search``, ``package``, ``packages`` and ``show`` over the bundled sample."""

import pytest

from tests.commands import CommandLine

NO_MATCH, BAD, UNKNOWN = 1, 2, 3
APP = "pjm7evf"
SPEC_KEYS = ["hash", "name", "version", "compiler", "os", "platform", "target", "variants", "mirrors"]


def _hashes(run: CommandLine, *arguments: str) -> list[str]:
    return [one["hash"] for one in run.well("search", *arguments, "--json", "--limit", "0").json["specs"]]


def test_search_finds_a_name_a_pattern_and_the_beginning_of_a_hash(run_on_sample: CommandLine) -> None:
    run = run_on_sample
    names = run.well("search", "cr-zlib", "--json").json
    assert {one["name"] for one in names["specs"]} == {"cr-zlib"}
    assert names["total"] == len(names["specs"]) > 5
    pattern = run.well("search", "cr-h*", "--json").json
    assert {one["name"] for one in pattern["specs"]} == {"cr-hdf", "cr-hwloc"}
    assert {one["name"] for one in run.well("search", "cr-?", "--json").json["specs"]} == {"cr-f"}
    (one,) = run.well("search", f"/{APP}", "--json").json["specs"]
    assert (one["hash"][:7], one["name"], one["version"]) == (APP, "cr-script", "1.1")
    assert list(one) == SPEC_KEYS


def test_search_lists_each_package_with_its_newest_version_first(run_on_sample: CommandLine) -> None:
    specs = run_on_sample.well("search", "cr-hdf", "--json").json["specs"]
    versions = list(dict.fromkeys(one["version"] for one in specs))
    assert versions == sorted(
        versions, key=lambda it: [int(part) for part in it.replace("-", ".").split(".")], reverse=True
    )
    assert len(versions) > 1


def test_search_prints_the_first_50_and_says_how_many_there_are(run_on_sample: CommandLine) -> None:
    run = run_on_sample
    first = run.well("search", "*", "--json").json
    assert (len(first["specs"]), first["total"]) == (50, len(_hashes(run, "*")))
    assert len(run.well("search", "*", "--json", "--limit", "3").json["specs"]) == 3
    assert "50 of " in run.well("search", "*").text


def test_search_keeps_to_a_ref_and_a_stack(run_on_sample: CommandLine) -> None:
    run = run_on_sample
    assert len(_hashes(run, "*", "--ref", "crafted", "--stack", "v2-signed")) == 77
    assert len(_hashes(run, "*", "--ref", "crafted", "--stack", "v2-signed", "--mentioned")) == 102
    assert len(_hashes(run, "*", "--ref", "develop")) == 77
    unknown = run("search", "*", "--ref", "developp")
    assert unknown.code == UNKNOWN
    assert "the ref developp is not in the catalogue" in unknown.err


def test_search_without_a_match_ends_with_1_and_names_what_is_near(run_on_sample: CommandLine) -> None:
    missed = run_on_sample("search", "cr-zlb")
    assert missed.code == NO_MATCH
    assert missed.text.startswith("Nothing matches cr-zlb.\n")
    assert missed.text.endswith("\nNear: cr-zlib, cr-zlib-ng\n")
    as_json = run_on_sample("search", "cr-zlb", "--json")
    assert as_json.code == NO_MATCH
    found = as_json.json
    assert (found["query"], found["total"], found["specs"]) == ("cr-zlb", 0, [])
    assert found["suggestions"] == ["cr-zlib", "cr-zlib-ng"]


def test_a_query_that_cannot_be_parsed_ends_with_2_and_shows_the_place(run_on_sample: CommandLine) -> None:
    refused = run_on_sample("search", "cr-zlib;x", "--json")
    assert refused.code == BAD
    error = refused.json["error"]
    assert (error["code"], error["where"]) == ("bad_query", "cr-zlib;x")
    assert (error["start"], error["end"]) == (7, 8)
    assert "cr-zlib;x\n       ^\n" in run_on_sample("search", "cr-zlib;x").err


def test_package_shows_counts_look_alikes_and_what_separates_them(run_on_sample: CommandLine) -> None:
    report = run_on_sample.well("package", "cr-zlib", "--ref", "crafted", "--json").json
    assert list(report)[:6] == ["name", "ref", "stack", "present", "mentioned", "unstated"]
    specs = [spec for group in report["groups"] for spec in group["specs"]]
    assert len(specs) == report["present"]
    for group in report["groups"]:
        visible = {
            tuple(map(str, (one["version"], one["compiler"], one["os"], one["target"], one["variants"])))
            for one in group["specs"]
        }
        assert len(visible) == 1
        assert group["dependencies_known"]
        for difference in group["differences"]:
            assert len(difference["values"]) == len(group["specs"])
    several = [group for group in report["groups"] if len(group["specs"]) > 1]
    assert several
    assert all(group["differences"] for group in several)


def test_packages_lists_names_with_counts(run_on_sample: CommandLine) -> None:
    listed = run_on_sample.well("packages", "--ref", "crafted", "--stack", "v3-signed", "--json").json
    assert sum(one["present"] for one in listed["packages"]) == 90
    assert sum(one["mentioned"] for one in listed["packages"]) == 17
    only = run_on_sample.well("packages", "--prefix", "py-", "--json").json["packages"]
    assert {one["name"][:3] for one in only} == {"py-"}


def test_show_tells_everything_of_one_binary(run_on_sample: CommandLine) -> None:
    told = run_on_sample.well("show", f"/{APP}", "--json").json
    assert list(told) == [
        *SPEC_KEYS,
        *("size", "closure", "presence", "namespace", "package_hash", "external", "build_spec", "format"),
        "flags",
        *("verification", "places", "dependencies_known", "dependencies", "dependents", "dependents_total"),
        *("commands", "record"),
    ]
    assert told["verification"]["verdict"] == "verified"
    assert told["record"]["hash"] == told["hash"]
    own = [one for one in told["dependencies"] if one["depth"] == 1]
    assert {one["name"]: one["deptypes"] for one in own} == {
        edge["name"]: edge["parameters"]["deptypes"] for edge in told["record"]["dependencies"]
    }
    (place, *_) = told["places"]
    assert (place["name"], place["layout"], place["presence"], place["until"]) == (
        "crafted/v3-signed",
        "v3",
        "present",
        None,
    )
    assert place["since"] == "2026-11-01T09:00:00Z"
    assert told["commands"][0].startswith("spack mirror add crafted-v3-signed file://")
    assert told["commands"][1:] == [
        "spack buildcache keys --install --trust",
        f"spack install --cache-only /{told['hash']}",
    ]


def test_show_as_text_has_hash_verification_places_and_commands(run_on_sample: CommandLine) -> None:
    told = run_on_sample.well("show", APP)
    for fragment in ("cr-script@1.1", f"/{APP}", "crafted/v3-signed", "spack install --cache-only"):
        assert fragment in told.text


def test_an_unknown_package_leads_to_the_list_of_packages(run_on_sample: CommandLine) -> None:
    ended = run_on_sample("package", "zzzzzz")
    assert ended.code == 3
    assert "Hint: 'cachescope packages' lists all" in ended.err


def test_one_mention_is_one_spec(run_on_sample: CommandLine) -> None:
    said = run_on_sample("search", "glibc", "--stack", "v3-signed").text
    assert "glibc is only mentioned as a dependency (1 spec): there is no binary of it here" in said


def test_show_names_below_the_commands_what_no_mirror_has_of_the_run_closure(
    run_on_sample: CommandLine,
) -> None:
    assert run_on_sample.well("show", APP).text.endswith(
        "\nNo mirror has python@3.11.2, needed to run: the host must provide it.\n"
    )
    gaps = run_on_sample.well("show", "h7evrko").text
    assert (
        "No mirror has gcc-runtime@12.2.0, glibc@2.36, needed to run: the host must provide all of them."
        in gaps
    )
    complete = run_on_sample.well("search", "cr-weird", "--stack", "v3-signed", "--json").json["specs"][0][
        "hash"
    ]
    assert "No mirror has" not in run_on_sample.well("show", complete).text


def test_show_says_why_a_spliced_spec_cannot_be_verified(run_on_sample: CommandLine) -> None:
    told = run_on_sample.well("show", "qc2rpyv", "--json").json
    assert told["verification"]["verdict"] == "mismatch"
    assert "lost its build spec" in told["verification"]["reason"]


def test_show_of_a_mentioned_external_offers_no_command(run_on_sample: CommandLine) -> None:
    told = run_on_sample.well("show", "3kkp3m4", "--json").json
    assert (told["presence"], told["external"], told["commands"], told["mirrors"]) == (
        "mentioned",
        True,
        [],
        [],
    )
    assert told["dependents_total"] > 10


def test_show_of_every_record_of_the_sample_works_in_both_forms(run_on_sample: CommandLine) -> None:
    for one in _hashes(run_on_sample, "*", "--mentioned")[::7]:
        assert run_on_sample.well("show", one, "--json").json["hash"] == one
        assert one in run_on_sample.well("show", one).text


@pytest.mark.parametrize(
    ("prefix", "code", "message"),
    [
        ("2222222", UNKNOWN, "no spec has a hash that begins with 2222222"),
        ("a", BAD, "/a is the beginning of several hashes"),
        ("cr-zlib", BAD, "is not the beginning of a DAG hash"),
        ("A", BAD, "is not the beginning of a DAG hash"),
        ("", BAD, "is not the beginning of a DAG hash"),
    ],
)
def test_show_of_something_else_is_told(
    prefix: str, code: int, message: str, run_on_sample: CommandLine
) -> None:
    refused = run_on_sample("show", prefix)
    assert refused.code == code
    assert message in refused.err
    error = run_on_sample("show", prefix, "--json").json["error"]
    assert error["message"] in message or message in error["message"]


@pytest.mark.parametrize("command", [["package", "cr-zlb"], ["page", "cr-zlb", "--ref", "develop"]])
def test_an_unknown_package_ends_with_3(command: list[str], run_on_sample: CommandLine) -> None:
    refused = run_on_sample(*command)
    assert refused.code == UNKNOWN
    assert "cr-zlb" in refused.err


def test_a_package_that_another_ref_has_is_named_there(run_on_sample: CommandLine) -> None:
    refused = run_on_sample("package", "cr-zlib", "--ref", "develop")
    assert refused.code == UNKNOWN
    assert "crafted/v3-signed" in refused.err
