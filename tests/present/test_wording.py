"""Figures, ages and differences as people read them; addresses; terminal-safe text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cachescope.model.archive import SizeSum
from cachescope.model.identity import Ref, Stack
from cachescope.model.results import DependencyDifference
from cachescope.present import urls, wording
from cachescope.present.urls import Scope
from tests.fakes import NOW, hash_of


@pytest.mark.parametrize(
    ("elapsed", "words"),
    [
        (timedelta(seconds=-30), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=12, seconds=50), "12 min ago"),
        (timedelta(minutes=60), "1 h ago"),
        (timedelta(hours=47, minutes=59), "47 h ago"),
        (timedelta(hours=48), "2 d ago"),
        (timedelta(days=400), "400 d ago"),
    ],
)
def test_age_has_one_unit(elapsed: timedelta, words: str) -> None:
    assert wording.age(NOW - elapsed, NOW) == words


def test_times_are_written_in_utc() -> None:
    noon = datetime(2026, 7, 1, 12, 30, 5, 250_000, tzinfo=timezone(timedelta(hours=2)))
    assert wording.moment(noon) == "2026-07-01 10:30"
    assert wording.rfc3339(noon) == "2026-07-01T10:30:05Z"
    assert wording.rfc3339(datetime(2026, 7, 1, tzinfo=UTC)) == "2026-07-01T00:00:00Z"


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 specs"), (1, "1 spec"), (1204, "1,204 specs"), (400_000, "400,000 specs")]
)
def test_count_agrees_with_its_noun(number: int, words: str) -> None:
    assert wording.count(number, "spec") == words


@pytest.mark.parametrize(
    ("path", "field", "values", "words"),
    [
        (("python",), "version", ("3.12", "3.11", "3.12"), "python 3.12 / 3.11"),
        (("python", "zlib"), "compiler", ("gcc@13", "-"), "zlib compiler gcc@13 / absent"),
        ((), "recipe", ("aaa", "bbb"), "recipe aaa / bbb"),
        (("a",), "version", tuple("123456789"), "a 1 / 2 / 3 / 4 / 5 / 6 and 3 more"),
    ],
)
def test_difference_names_subject_and_values(
    path: tuple[str, ...], field: str, values: tuple[str, ...], words: str
) -> None:
    assert wording.difference(DependencyDifference(path=path, field=field, values=values)) == words


def test_short_hashes_are_as_long_as_needed() -> None:
    one = hash_of("one")
    assert wording.shown_characters([]) == 7
    assert wording.shown_characters([one, one, hash_of("two")]) == 7
    assert wording.shown_characters([one, one[:8] + "a" * 24]) == 10
    assert wording.shown_characters([one, one[:31] + ("a" if one[31] != "a" else "b")]) == 32


def test_control_characters_are_made_visible() -> None:
    assert wording.plain("a\x1b[31m\r\x9b\u202eb\nc") == "a\\x1b[31m\\x0d\\x9b\\x202eb\nc"


DEVELOP = Scope(Ref("develop"), Stack("e4s"))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (urls.home(), "/"),
        (urls.home(Scope(Ref("develop"))), "/?ref=develop"),
        (
            urls.packages(DEVELOP, prefix="c++", page=3),
            "/packages?ref=develop&stack=e4s&prefix=c%2B%2B&page=3",
        ),
        (urls.packages(page=1), "/packages"),
        (urls.package("py-x", DEVELOP), "/package/py-x?ref=develop&stack=e4s"),
        (urls.package("a/b?c", all_versions=True), "/package/a%2Fb%3Fc?versions=all"),
        (urls.spec("/abc"), "/spec/abc"),
        (urls.search("zlib +pic", DEVELOP, limit=0), "/search?q=zlib+%2Bpic&ref=develop&stack=e4s&limit=0"),
        (urls.caches(), "/caches"),
        (urls.static("app.js", "12ab"), "/static/app.js?v=12ab"),
        (urls.api(urls.packages(DEVELOP)), "/api/v1/packages?ref=develop&stack=e4s"),
    ],
)
def test_addresses(address: str, expected: str) -> None:
    assert address == expected


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope(), "all refs"),
        (Scope(Ref("develop")), "develop"),
        (DEVELOP, "develop/e4s"),
        (Scope(None, Stack("e4s")), "stack e4s of all refs"),
    ],
)
def test_scope_in_words(scope: Scope, words: str) -> None:
    assert scope.words == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (None, "not known"),
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (3051, "3.1 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (42_000_000, "42.0 MB"),
        (1_234_000_000, "1.2 GB"),
        (5_000_000_000_000_000, "5,000.0 TB"),
    ],
)
def test_sizes_are_written_in_thousands(number: int | None, words: str) -> None:
    assert wording.size(number) == words


@pytest.mark.parametrize(
    ("found", "words", "short"),
    [
        (SizeSum(bytes=42_800, known=14, total=14), "42.8 kB", "42.8 kB"),
        (
            SizeSum(bytes=3_100, known=3, total=14),
            "3.1 kB so far: sizes of 3 of 14 known",
            "3.1 kB (3 of 14)",
        ),
        (SizeSum(bytes=0, known=0, total=14), "sizes of 0 of 14 known", "not known"),
        (
            SizeSum(bytes=3_100, known=3, total=5, without_binary=1),
            "3.1 kB so far: sizes of 3 of 5 known; 1 of them has no binary",
            "3.1 kB (3 of 5)",
        ),
        (SizeSum(bytes=0, known=0, total=0), "0 bytes", "not known"),
    ],
)
def test_sums_say_how_much_of_them_is_known(found: SizeSum, words: str, short: str) -> None:
    assert (wording.size_sum(found), wording.short_sum(found)) == (words, short)


@pytest.mark.parametrize(
    ("query", "start", "shown", "mark"),
    [
        ("hdf5@@1", 5, "hdf5@@1", "     ^"),
        ("hdf5", 4, "hdf5", "    ^"),
        ("a\nzlib", 2, r"a\x0azlib", "     ^"),
        ("a \x1b[1m", 2, r"a \x1b[1m", "  ^^^^"),
        ("\u6f22 ]", 2, "\u6f22 ]", "   ^"),
        ("o\u0308 ]", 3, "o\u0308 ]", "  ^"),
    ],
)
def test_mark_stands_below_what_it_marks_as_that_is_shown(
    query: str, start: int, shown: str, mark: str
) -> None:
    assert wording.marked_query(query, start, start + 1) == (shown, mark)
