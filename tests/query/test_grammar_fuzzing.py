"""The parser takes whatever people type: it reads or refuses it, at once, and never fails in another way."""

import time
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachescope.model.errors import QuerySyntaxError
from cachescope.query.grammar import parse_query
from cachescope.query.tokens import LONGEST_QUERY
from tests.query.generated_queries import says_the_same
from tests.query.oracle_rows import BUNDLED, rows_of

COMMIT = "2ae548b88789b243cdfa8d3d18e8f2576127ee8a"
PIECES = (
    "foo", "gcc", "*", "@", "=", ":", ":=", "==", ",", ".", "-", "--", "+", "++", "~", "~~", "%", "%%", "^", "^[", "%[", "]",
    "/", "/ab", " ", "  ", "'", '"', "\\", "1.2", "develop", "git.main", COMMIT, "virtuals=c", "deptypes=build", "when='+x'",
    "when=", "os=linux", "target=zen2:", "arch=a-b-c", "cflags='-O2 -g'", "x.json", "./", "a.b", "true", "patches=ab",
    "namespace=b", "\t", "\n", "\0", "é", "\ud800", "9" * 50, "a" * 60, "(", "{", "c,cxx=gcc", "v=x,y",
)  # fmt: skip
SEVERAL_SECONDS = 5.0


def mutated(random: Random, queries: Sequence[str]) -> str:
    """Draw something that nearly is a query: cut, joined, with pieces put in, or made of pieces alone."""
    way = random.random()
    if way < 0.25:
        return "".join(random.choices(PIECES, k=random.randint(1, 12)))
    text = random.choice(queries)
    for _ in range(random.randint(1, 3)):
        place = random.randint(0, len(text))
        if way < 0.5:
            text = text[:place] + random.choice(PIECES) + text[place:]
        elif way < 0.75:
            text = text[:place] + text[place + random.randint(1, 4) :]
        else:
            other = random.choice(queries)
            text = text[:place] + other[random.randint(0, len(other)) :]
    return text


def fuzz(count: int, seed: int) -> tuple[int, float]:
    """Parse so many near-queries; return how many were accepted, and the seconds of the slowest."""
    random = Random(seed)  # noqa: S311 - test data
    queries = [row.query for file in BUNDLED for row in rows_of(file)]
    accepted, slowest = 0, 0.0
    for _ in range(count):
        text = mutated(random, queries)
        start = time.perf_counter()
        try:
            query, refusal = parse_query(text), None
        except QuerySyntaxError as error:
            query, refusal = None, error
        slowest = max(slowest, time.perf_counter() - start)
        if query is not None:
            accepted += 1
            # A quoted value may end in a backslash, which no quoting tells from an escape.
            assert "\\" in text or parse_query(str(query)) == query, text
        if refusal is not None:
            assert 0 <= refusal.start <= refusal.end <= max(len(text), 1) + 1, text
            assert refusal.message, text
    return accepted, slowest


def test_nearly_queries_are_read_or_refused_at_once() -> None:
    accepted, slowest = fuzz(5_000, seed=1)
    assert 500 < accepted < 4_500
    assert slowest < SEVERAL_SECONDS


@pytest.mark.soak
def test_a_million_nearly_queries_are_read_or_refused_at_once() -> None:
    accepted, slowest = fuzz(1_000_000, seed=2)
    assert 100_000 < accepted < 900_000
    assert slowest < SEVERAL_SECONDS


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.lists(st.sampled_from(PIECES)).map("".join))
def test_arbitrary_text_is_read_or_refused(text: str) -> None:
    assert "\\" in text or says_the_same(text)


@pytest.mark.parametrize(
    "text",
    [
        "'" * LONGEST_QUERY,
        "v=" + "\\'" * 4_000,
        "v='" + "\\'" * 4_000,
        "@" + "1," * 4_000,
        "@" + "1:" * 4_000,
        "@" + "-" * 9_000,
        "@" + ",".join(f"{number}:{number}.5" for number in range(900)),
        "%" + "a," * 4_000,
        "a-" * 4_500 + "=",
        "a." * 4_500,
        "+a" * 4_500,
        "/" + "-./" * 3_000,
        "^a" * 4_500,
        " ".join(f"^a{number}" for number in range(1_200)),
        "foo " + "%gcc " * 1_800,
        "cflags='" + "-a " * 3_000 + "'",
        " ".join(f"cflags=-{number}" for number in range(700)),
        "v=" + ",".join(map(str, range(2_000))),
        "target=" + ",".join(["x86_64:"] * 1_000),
        "foo ^a target=" + "a:,:b," * 600 + " ^a target=" + "a:,:b," * 600,
    ],
    ids=lambda text: text[:12],
)
def test_long_and_odd_query_takes_bounded_time(text: str) -> None:
    start = time.perf_counter()
    says_the_same(text[:LONGEST_QUERY])
    assert time.perf_counter() - start < SEVERAL_SECONDS
