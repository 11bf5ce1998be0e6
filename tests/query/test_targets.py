"""Targets compare by name, ranges of them in archspec's partial order."""

import archspec.cpu
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachescope.query.targets import intersect_targets, is_known_target, target_matches, unknown_bounds


@pytest.mark.parametrize(
    ("target", "asked", "matched"),
    [
        ("x86_64_v3", "x86_64_v3", True),
        ("x86_64_v3", "x86_64", False),
        ("x86_64_v3", "haswell", False),
        ("x86_64_v3", "x86_64:", True),
        ("x86_64_v3", ":x86_64_v2", False),
        ("x86_64_v3", ":haswell", True),
        ("x86_64_v3", ":zen2", True),
        ("x86_64_v3", "x86_64_v2:x86_64_v4", True),
        ("x86_64_v3", "aarch64:", False),
        ("x86_64_v3", "x86_64_v3:", True),
        ("x86_64_v3", ":x86_64_v3", True),
        ("x86_64_v3", ":", True),
        ("x86_64_v3", "*", True),
        ("x86_64_v3", "aarch64,x86_64_v3", True),
        ("x86_64_v3", "aarch64:,:x86_64_v2", False),
        ("x86_64_v3", "x86_64_v3,", True),
        ("x86_64_v3", "zen2,", False),
        ("icelake", "haswell:", True),
        ("icelake", "x86_64_v3:", True),
        ("icelake", "zen2:", False),
        ("homemade", "homemade", True),
        ("homemade", "x86_64:", False),
        ("homemade", ":homemade", True),
        ("x86_64_v3", "nosuch:", False),
        ("x86_64_v3", ":nosuch", False),
        ("x86_64_v3", "x86_64:nosuch", False),
    ],
)
def test_target_matches_by_name_or_within_a_range(target: str, asked: str, *, matched: bool) -> None:
    assert target_matches(asked, target) is matched


def test_bounds_that_archspec_does_not_know_are_told() -> None:
    assert unknown_bounds("zen2:,:nosuch,homemade,other:zen3") == ("nosuch", "other")
    assert unknown_bounds("homemade") == ()
    assert is_known_target("zen4")
    assert not is_known_target("homemade")


@pytest.mark.parametrize(
    ("one", "two", "both"),
    [
        ("zen2", "zen2", "zen2"),
        ("zen2", "zen3", ""),
        ("zen2,haswell", "haswell:", "haswell"),
        ("x86_64:", ":haswell", "x86_64:haswell"),
        ("x86_64:", "haswell:", "haswell:"),
        (":haswell", ":x86_64_v3", ":x86_64_v3"),
        ("x86_64:zen2", "zen2:", "zen2"),
        ("zen2:", ":haswell", ""),
        ("zen2:", "haswell:", ""),
        ("aarch64:", "x86_64:", ""),
    ],
)
def test_targets_that_two_values_have_in_common(one: str, two: str, both: str) -> None:
    assert intersect_targets(one, two) == both


names = st.sampled_from(sorted(archspec.cpu.TARGETS))
_bounds = st.just("") | names
values = st.lists(names | st.builds("{}:{}".format, _bounds, _bounds), min_size=1, max_size=3).map(",".join)


@given(names, names)
def test_range_is_archspecs_own_order(target: str, bound: str) -> None:
    ours, theirs = archspec.cpu.TARGETS[target], archspec.cpu.TARGETS[bound]
    assert target_matches(f"{bound}:", target) is (ours >= theirs)
    assert target_matches(f":{bound}", target) is (ours <= theirs)


@given(names, values, values)
def test_common_targets_match_both_values(target: str, one: str, two: str) -> None:
    """The reverse does not hold: bounds that cannot be compared leave nothing in common, as in Spack."""
    both = intersect_targets(one, two)
    if both and target_matches(both, target):
        assert target_matches(one, target)
        assert target_matches(two, target)
