"""What a query may ask of a version, as Spack means it."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachescope.query.constraints import VersionList, VersionRange, parse_version_list
from cachescope.query.versions import next_version_key, version_key
from tests.strategies import standard_versions

COMMIT = "2ae548b88789b243cdfa8d3d18e8f2576127ee8a"
LAWS = settings(max_examples=150, deadline=None)


@pytest.mark.parametrize(
    ("version", "asked", "matched"),
    [
        ("1.2.3", "1.2", True),
        ("1.20", "1.2", False),
        ("1.2", "1.2.0", False),
        ("1.2.3", ":1.2", True),
        ("1.2.3", "=1.2", False),
        ("1.2", "=1.2", True),
        ("1-2", "=1.2", True),
        ("1.2b", "1.2", True),
        ("1.2-rc1", "1.2", False),
        ("1.2-rc1", ":1.2", True),
        ("1.2-rc1", "1.2:", False),
        ("1.2-rc1", "1.2-rc", False),
        ("1.2-rc1", "1.2-rc1", True),
        ("1.2.0-rc1", "1.2", True),
        ("3.0.0a1", "3.0.0", True),
        ("2.5", "1.1:1.2,2:", True),
        ("1.5", "1.1:1.2,2:", False),
        ("develop", "1.2:", True),
        ("develop", "develop", True),
        ("main", ":9999", False),
        ("main", "develop", False),
        ("develop", "main:", True),
        ("1.2.develop", "1.2", True),
        ("2021a", "2021", True),
        ("1.4.7", "1.2:1.4", True),
        ("1.5", "1.2:1.4", False),
        ("1.2.9", "1.3:1.2", False),
        ("anything", ":", True),
        ("git.main=1.2.3", "1.2", True),
        ("git.main=1.2.3", "1.2.3:1.2.3", True),
        ("git.main=1.2.3", "=1.2.3", False),
        ("git.main=1.2.3", "1.3:", False),
        ("git.main=1.2.3", "git.main=1.2.3", True),
        ("git.main=1.2.3", "git.main=1-2-3", True),
        ("git.main=1.2.3", "git.main=1.2", False),
        ("git.main=1.2.3", "git.main", True),
        ("git.main=1.2.3", "git.dev", False),
        ("git.main", "git.main=develop", True),
        ("git.main", "main", False),
        ("git.main", "develop", True),
        ("main", "git.main", False),
        ("1.2.3", "git.main=1.2.3", False),
        (f"git.{COMMIT}=1.2", COMMIT, True),
        (f"{COMMIT}=1.2", f"git.{COMMIT}", True),
    ],
)
def test_version_matches_as_in_spack(version: str, asked: str, *, matched: bool) -> None:
    assert parse_version_list(asked).matches(version) is matched


@pytest.mark.parametrize(
    ("asked", "printed"),
    [
        ("1.2", "1.2"),
        ("=1.2", "=1.2"),
        (" 1.2 , 1.4 ", "1.2,1.4"),
        ("1.2:1.2", "1.2"),
        ("1.4,1.2", "1.2,1.4"),
        ("1.2,1.3", "1.2:1.3"),
        ("1,2,3:4", "1:4"),
        (":1.2,1.1:", ":"),
        ("1.2:1.9,1.4:1.5", "1.2:1.9"),
        ("=1.2.3,1.2", "1.2"),
        ("=1.2,1.3:", "=1.2,1.3:"),
        ("1.2:,=1.1", "=1.1,1.2:"),
        (":", ":"),
        ("1.2.:1.4-", "1.2:1.4"),
        ("=git.main=1.2", "git.main=1.2"),
        ("git.feature/x=1.2", "git.feature/x=1.2"),
    ],
)
def test_list_is_printed_sorted_and_joined(asked: str, printed: str) -> None:
    assert str(parse_version_list(asked)) == printed


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("=1:2", "a bound of a range cannot have '='"),
        ("1:=2", "a bound of a range cannot have '='"),
        ("1.4:1.2", "the range 1.4:1.2 is empty: 1.4 is after 1.2"),
        ("develop:1", "the range develop:1 is empty: develop is after 1"),
        ("1.2,git.main", "a git version stands alone, not in a list"),
        ("1.2/3", "'1.2/3' is not a version"),
        ("1:a b!", "'ab!' is not a version"),
    ],
)
def test_what_is_no_constraint_is_refused(asked: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse_version_list(asked)


@pytest.mark.parametrize(
    ("one", "two", "both"),
    [
        ("1:3", "2:4", "2:3"),
        ("1:", ":2", "1:2"),
        ("1.2", "1.2.3", "1.2.3"),
        ("1.2", "=1.2.3", "=1.2.3"),
        ("=1.2", "=1.2", "=1.2"),
        ("=1.2", "=1.3", ""),
        ("1", "2", ""),
        ("1,3", "1:3", "1,3"),
        ("git.main=1.2", "1", "git.main=1.2"),
        (":", "git.main", "git.main"),
    ],
)
def test_intersection_is_what_both_hold(one: str, two: str, both: str) -> None:
    assert str(parse_version_list(one).intersection(parse_version_list(two))) == both
    assert str(parse_version_list(two).intersection(parse_version_list(one))) == both


_bounds = st.just("") | standard_versions
ranges = st.builds(VersionRange, _bounds, _bounds)
lists = st.lists(
    ranges.filter(lambda one: not one.is_empty).map(str) | standard_versions.map("={}".format),
    min_size=1,
    max_size=4,
).map(lambda items: parse_version_list(",".join(items)))


@LAWS
@given(standard_versions, ranges)
def test_range_holds_the_versions_between_its_bounds(version: str, asked: VersionRange) -> None:
    key = version_key(version)
    above = not asked.low or version_key(asked.low) <= key
    below = not asked.high or key < next_version_key(asked.high)
    assert VersionList((asked,)).matches(version) is (above and below)


@LAWS
@given(standard_versions)
def test_version_alone_is_the_range_from_itself_to_itself(version: str) -> None:
    assert parse_version_list(version) == parse_version_list(f"{version}:{version}")
    assert parse_version_list(version).matches(version)
    assert parse_version_list(f"={version}").matches(version)


@LAWS
@given(standard_versions, lists, lists)
def test_intersection_matches_what_both_match(version: str, one: VersionList, two: VersionList) -> None:
    assert one.intersection(two).matches(version) is (one.matches(version) and two.matches(version))


@LAWS
@given(standard_versions, lists, lists)
def test_joined_list_matches_what_either_matches(version: str, one: VersionList, two: VersionList) -> None:
    joined = parse_version_list(f"{one},{two}")
    assert joined.matches(version) is (one.matches(version) or two.matches(version))
    assert parse_version_list(str(joined)) == joined


@LAWS
@given(lists)
def test_ranges_of_a_list_neither_touch_nor_overlap(asked: VersionList) -> None:
    found = [one for one in asked.items if isinstance(one, VersionRange)]
    for lower, upper in itertools.pairwise(found):
        assert lower.high_key is not None
        assert lower.high_key < upper.low_key
