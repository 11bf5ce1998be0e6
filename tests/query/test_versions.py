"""The order of versions is Spack's."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given, settings

from cachescope.query.versions import next_version_key, parse_git_version, version_key
from tests.strategies import git_refs, standard_versions, versions

ASCENDING: list[str] = re.findall(
    r"\S+",
    "a abc 1 1a 1.0-alpha 1.0-beta2 1.0-rc 1.0-rc1 1.0-rc2 1.0 1.0a 1.0b 1.0.1 1.0.main 1.0.develop "
    "1.1 1.9 1.10 2021-01-01 stable nightly trunk head master main develop",
)
INFINITY = ("stable", "nightly", "trunk", "head", "master", "main", "develop")
STAGES = ("alpha", "beta", "rc", "final")
COMMIT = "2ae548b88789b243cdfa8d3d18e8f2576127ee8a"
LAWS = settings(max_examples=200, deadline=None)


def slow_order(version: str) -> tuple[Any, ...]:
    """Return what Python compares as Spack compares versions: the rules of the format, step by step."""
    git = re.fullmatch(r"git\.([^=]*)(?:=(.*))?", version, re.DOTALL)
    if git is None and re.match(r"[0-9a-f]{40}(=|$)", version):
        git = re.fullmatch(r"([^=]*)(?:=(.*))?", version, re.DOTALL)
    if git is not None:
        return (*_standard_order("develop" if git[2] is None else git[2]), 1, git[1])
    return (*_standard_order(version), 0, "")


def _standard_order(version: str) -> tuple[Any, ...]:
    parts: list[str] = re.findall(r"\d+|[a-zA-Z]+", version)
    stage, number = len(STAGES) - 1, -1
    if len(parts) >= 3 and parts[-2] in STAGES[:3] and parts[-1].isdigit():
        stage, number = STAGES.index(parts[-2]), int(parts[-1])
        parts = parts[:-2]
    elif len(parts) >= 2 and parts[-1] in STAGES:
        stage = STAGES.index(parts[-1])
        parts = parts[:-1]
    components: list[tuple[int, int, str]] = []
    for part in parts:
        if part.isdigit():
            components.append((1, int(part), ""))
        elif part in INFINITY:
            components.append((2, INFINITY.index(part), ""))
        else:
            components.append((0, 0, part))
    return (components, stage, number)


def test_versions_ascend_as_in_spack() -> None:
    assert sorted(sorted(ASCENDING), key=version_key) == ASCENDING
    assert all(version_key(one) < version_key(other) for one, other in itertools.pairwise(ASCENDING))


@pytest.mark.parametrize(
    "equal",
    [
        ("1.2.3", "1_2_3", "1-2-3", "1.2-3", "01.2.003"),
        ("1.2rc1", "1.2-rc1", "1.2.rc.1", "1.2rc01"),
        ("1a2", "1.a.2", "1-a_2"),
        ("1.0", "1.0final", "1.0-final"),
        ("git.main=1.2", "git.main=1-2"),
        ("git.main", "git.main=develop"),
        (COMMIT, f"{COMMIT}=develop"),
    ],
)
def test_versions_that_spack_holds_equal_have_equal_keys(equal: tuple[str, ...]) -> None:
    assert len({version_key(one) for one in equal}) == 1


@pytest.mark.parametrize(
    ("less", "greater"),
    [
        ("1.2", "1.2.0"),
        ("1.9", "1.10"),
        ("9999", "stable"),
        ("1.2-alpha9", "1.2-beta"),
        ("1.2-rc", "1.2-rc0"),
        ("1.2-rc9", "1.2-rc10"),
        ("1.2-rc1", "1.2"),
        ("1.2-preview", "1.2.0"),
        ("rc1", "1"),
        ("alpha", "beta"),
        ("a", "b"),
        ("A", "a"),
        ("255", "256"),
        ("65535", "65536"),
        ("1.14.4-2", "1.14.4-3"),
    ],
)
def test_lesser_version_has_the_lesser_key(less: str, greater: str) -> None:
    assert version_key(less) < version_key(greater)


@pytest.mark.parametrize(
    ("before", "git", "after"),
    [
        ("1.2.3", "git.main=1.2.3", "1.2.3.0"),
        ("1.2.3", f"{COMMIT}=1.2.3", "1.2.4"),
        ("1.2.3", f"git.{COMMIT}=1.2.3", "1.2.3a"),
        ("1.2-rc", "git.\x01=1.2-rc", "1.2-rc0"),
        ("1.2-rc1", "git.main=1.2-rc1", "1.2-rc2"),
        ("develop", "git.main", "develop.1"),
        ("git.a=1.2", "git.b=1.2", "1.2.0"),
        ("git.a=1.2", "git.ab=1.2", "1.2.0"),
    ],
)
def test_git_version_stands_just_after_the_version_that_it_equals(before: str, git: str, after: str) -> None:
    assert version_key(before) < version_key(git) < version_key(after)


@pytest.mark.parametrize(
    "version",
    ["", ".", "é", "\ud800", "git.", "git.=", "git.x=", "=1", "git.a=git.b=1", "git.x=" * 50_000, "git.é=1"],
)
def test_odd_versions_have_a_key(version: str) -> None:
    assert version_key(version)


@pytest.mark.parametrize(
    ("less", "greater"),
    [
        ("9" * 3_999, "1" + "0" * 3_999),
        ("1." + "9" * 620, "1." + "1" + "0" * 620),
        ("a" * 100_000, "a" * 99_999 + "b"),
        (".".join("1" * 5_000), ".".join("1" * 5_001)),
        ("1-rc" + "8" * 3_000, "1-rc" + "9" * 3_000),
    ],
)
def test_very_long_versions_are_ordered(less: str, greater: str) -> None:
    assert version_key(less) < version_key(greater)


@pytest.mark.parametrize(
    ("version", "low", "high", "inside"),
    [
        ("1.2.3", "1.2", "1.2", True),
        ("1.20", "1.2", "1.2", False),
        ("1.2", "1.2.0", "1.2.0", False),
        ("1.2b", "1.2", "1.2", True),
        ("1.2-rc1", "1.2", "1.2", False),
        ("1.2.0-rc1", "1.2", "1.2", True),
        ("3.0.0a1", "3.0.0", "3.0.0", True),
        ("1.2.develop", "1.2", "1.2", True),
        ("2021a", "2021", "2021", True),
        ("develop", "develop", "develop", True),
        ("develop.1", "develop", "develop", True),
        ("main", "develop", "develop", False),
        ("ab", "a", "a", True),
        ("a.1", "a", "a", True),
        ("zz", "z", "z", False),
        ("1.2-rc1", "1.2-rc1", "1.2-rc1", True),
        ("1.2-rc2", "1.2-rc1", "1.2-rc1", False),
        ("1.2-rc1", "1.2-rc", "1.2-rc", False),
        ("git.main=1.2.3", "1.2", "1.2", True),
        ("1.10", "1.9", "1.10", True),
    ],
)
def test_range_is_half_open_up_to_the_next_version(
    version: str, low: str, high: str, *, inside: bool
) -> None:
    assert (version_key(low) <= version_key(version) < next_version_key(high)) is inside


@pytest.mark.parametrize("version", ["", "9" * 5_000, "z" * 5_000, "1-rc" + "9" * 5_000, "999"])
def test_every_version_has_a_next_one(version: str) -> None:
    assert version_key(version) < next_version_key(version)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("git.feature/x=1.2", ("feature/x", "1.2")),
        ("git.main", ("main", "")),
        (f"{COMMIT}=1.2", (COMMIT, "1.2")),
        (COMMIT, (COMMIT, "")),
        ("git.a=b=c", ("a", "b=c")),
        ("1.2", None),
        (COMMIT[:-1], None),
        ("gitlab", None),
    ],
)
def test_git_version_is_a_ref_and_the_version_that_it_stands_for(
    text: str, parts: tuple[str, str] | None
) -> None:
    assert parse_git_version(text) == parts


def test_numbers_longer_than_python_converts_have_a_key() -> None:
    assert version_key("1." + "9" * 100_000) < version_key("2")
    assert version_key("1-rc" + "9" * 100_000) < version_key("1")


@LAWS
@given(versions, versions)
def test_keys_compare_exactly_as_the_rules_do(one: str, other: str) -> None:
    rules = (slow_order(one) < slow_order(other), slow_order(one) == slow_order(other))
    assert (version_key(one) < version_key(other), version_key(one) == version_key(other)) == rules


@pytest.mark.soak
@settings(max_examples=20_000, deadline=None)
@given(versions, versions)
def test_keys_compare_exactly_as_the_rules_do_in_long_runs(one: str, other: str) -> None:
    rules = (slow_order(one) < slow_order(other), slow_order(one) == slow_order(other))
    assert (version_key(one) < version_key(other), version_key(one) == version_key(other)) == rules


@LAWS
@given(standard_versions)
def test_prefix_is_less_and_pre_release_is_less_than_release(version: str) -> None:
    release = f"{version}.0.7"
    assert version_key(release) < version_key(f"{release}.0")
    assert version_key(f"{release}-alpha2") < version_key(f"{release}-beta") < version_key(f"{release}-rc1")
    assert version_key(f"{release}-rc1") < version_key(release)


@LAWS
@given(standard_versions, standard_versions, git_refs)
def test_nothing_stands_between_a_version_and_its_git_versions(one: str, other: str, ref: str) -> None:
    git = version_key(f"git.{ref}={one}")
    assert version_key(one) < git
    assert (version_key(one) < version_key(other)) is (git < version_key(other))
