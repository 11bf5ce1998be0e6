"""The fewest mirrors that cover the most."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from cachescope.jobs.mirror_sets import mirror_sets
from cachescope.model.identity import MirrorName, parse_mirror_name


def names(count: int) -> list[MirrorName]:
    return [parse_mirror_name(f"m{number:02}/root") for number in range(count)]


def present(*bits: int) -> dict[MirrorName, int]:
    return dict(zip(names(len(bits)), bits, strict=True))


def test_without_mirrors_there_is_no_set() -> None:
    assert mirror_sets({}, 5) == ()
    assert mirror_sets(present(0, 0), 5) == ()


def test_a_mirror_that_has_nothing_of_its_own_is_left_out() -> None:
    (only,) = mirror_sets(present(0b111, 0b011), 3)
    assert [str(one) for one in only.mirrors] == ["m00/root"]
    assert only.tally.share == 1


def test_two_that_fit_together_beat_the_largest_one() -> None:
    """Taking the largest first would need three."""
    one, two = mirror_sets(present(0b0011_1100, 0b1111_0000, 0b0000_1111), 8)
    assert len(one.mirrors) == 1
    assert len(two.mirrors) == 2
    assert two.tally.present == 8


@given(st.lists(st.integers(0, 2**10 - 1), min_size=1, max_size=6))
def test_no_smaller_set_covers_as_much(bits: list[int]) -> None:
    """The law, by trying all sets."""
    everything = 0
    for one in bits:
        everything |= one
    found = mirror_sets(present(*bits), 10)
    assert (found[-1].tally.present if found else 0) == everything.bit_count()
    for best_of in found:
        size = len(best_of.mirrors)
        best = 0
        for chosen in combinations(bits, size):
            union = 0
            for some in chosen:
                union |= some
            best = max(best, union.bit_count())
        assert best_of.exact
        assert best_of.tally.present == best


def test_many_mirrors_are_covered_greedily_and_that_is_said() -> None:
    count = 64
    found = mirror_sets(present(*(1 << number for number in range(count))), count)
    assert found[-1].tally.present == count
    assert not found[count // 2].exact
    assert found[0].exact


def test_hundreds_of_mirrors_that_each_have_something_of_their_own_are_all_named() -> None:
    """Sets of nearly all of them are few, and each is long to put together."""
    count = 300
    found = mirror_sets(present(*(0b11 << number for number in range(0, 2 * count, 2))), 2 * count)
    assert [len(one.mirrors) for one in found] == list(range(1, count + 1))
    assert [one.exact for one in found[:2]] == [True, True]
    assert not found[count - 3].exact
    assert found[-1].exact
    assert found[-1].tally.share == 1
