"""The benchmark of pages: ``cachescope serve`` beside datasette over the tables of the draft."""

import http.client
import random
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import quote, urlencode

from listening import listening
from measure import ProcessFailed, measure
from peers import NO_PYTHON, cachescope, not_measured, settings
from sync import Plan

HERE = Path(__file__).resolve().parent
SUBJECTS = 40
"""How many pages of a kind are asked for in a round."""

ROUNDS = 5
OWN, DATASETTE = "cachescope", "datasette"
FACETS = ("version", "os", "target", "compiler")
LIMITS = ("sql_time_limit_ms", "facet_time_limit_ms")
"""Raised, so that datasette does the work instead of giving it up."""

INDEXES = """
CREATE INDEX IF NOT EXISTS specs_name ON specs (name);
CREATE INDEX IF NOT EXISTS specs_target ON specs (target);
CREATE INDEX IF NOT EXISTS edges_parent ON edges (parent);
CREATE INDEX IF NOT EXISTS edges_child ON edges (child);
ANALYZE;
"""
PACKAGES = "SELECT name, count(*) AS specs, count(DISTINCT version) AS versions FROM specs GROUP BY name ORDER BY name LIMIT 100"


@dataclass(frozen=True, slots=True)
class Kind:
    """Pages of one kind, as each of the two addresses them."""

    name: str
    own: tuple[str, ...]
    datasette: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """How a server answered the pages of one kind."""

    kind: str
    server: str
    seconds: tuple[float, ...]
    bytes: int
    """Of the median page."""


def benchmark(plan: Plan, catalogue: Path, mirror: Path) -> tuple[Answers, ...]:
    """Ask both for all pages. Raises ``ProcessFailed`` if a server does not start, or a page is not answered with 200."""
    tables = datasette_tables(plan, catalogue, mirror)
    kinds = kinds_of(tables, plan.seed)
    answers: list[Answers] = []
    with listening(cachescope("serve", "--port", "0"), settings(plan.environment, catalogue)) as port:
        answers += [_ask(port, OWN, kind.name, kind.own) for kind in kinds]
    if plan.python is not None:
        with listening(datasette(plan.python, tables), plan.environment) as port:
            answers += [_ask(port, DATASETTE, kind.name, kind.datasette) for kind in kinds]
    return tuple(answers)


def datasette_tables(plan: Plan, catalogue: Path, mirror: Path) -> Path:
    """Return the same specs in tables for datasette, made once."""
    tables = catalogue.with_name(f"{catalogue.stem}-tables.sqlite")
    if not tables.exists():
        unfinished = tables.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        draft = [sys.executable, str(HERE / "draft.py"), str(mirror), str(unfinished), "no-collector"]
        measure(draft, plan.environment)
        with closing(sqlite3.connect(unfinished)) as connection:
            connection.executescript(INDEXES)
        unfinished.replace(tables)
    return tables


def datasette(python: Path, tables: Path) -> list[str]:
    """Return the command of datasette, allowed to take its time."""
    command = [str(python.with_name("datasette")), "serve", "--immutable", str(tables), "--port", "0"]
    for limit in LIMITS:
        command += ["--setting", limit, "60000"]
    return command


def kinds_of(tables: Path, seed: int) -> tuple[Kind, ...]:
    """Choose what to ask for: the same packages and specs of both."""
    with closing(sqlite3.connect(tables)) as connection:
        rows = connection.execute(
            "SELECT name, hash, target FROM specs JOIN presence USING (hash) WHERE present ORDER BY hash"
        ).fetchall()
    chosen = random.Random(f"{seed}/pages").sample(rows, min(SUBJECTS, len(rows)))
    at = f"/{tables.stem}"
    facets = [("_facet", one) for one in FACETS]
    return (
        Kind(
            "package",
            tuple(f"/package/{quote(name)}" for name, _, _ in chosen),
            tuple(f"{at}/specs?{urlencode([('name', name), *facets])}" for name, _, _ in chosen),
        ),
        Kind(
            "binary",
            tuple(f"/spec/{digest}" for _, digest, _ in chosen),
            tuple(f"{at}/specs/{digest}" for _, digest, _ in chosen),
        ),
        Kind(
            "search for name and target",
            tuple(f"/search?{urlencode({'q': f'{name} target={target}'})}" for name, _, target in chosen),
            tuple(f"{at}/specs?{urlencode({'name': name, 'target': target})}" for name, _, target in chosen),
        ),
        Kind("packages", ("/packages",), (f"{at}?{urlencode({'sql': PACKAGES})}",)),
    )


def _ask(port: int, server: str, kind: str, paths: Sequence[str]) -> Answers:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        for path in paths:
            _get(connection, path)
        asked = [_get(connection, path) for _ in range(ROUNDS) for path in paths]
    print(f"  {server}, {kind}: {median(seconds for seconds, _ in asked) * 1000:.1f} ms", flush=True)
    return Answers(
        kind, server, tuple(seconds for seconds, _ in asked), round(median(size for _, size in asked))
    )


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[float, int]:
    start = time.perf_counter()
    connection.request("GET", path, headers={"Accept": "text/html"})
    response = connection.getresponse()
    body = response.read()
    seconds = time.perf_counter() - start
    if response.status != http.client.OK:
        raise ProcessFailed(f"{path}: {response.status} {body[:500].decode(errors='replace')}")
    return seconds, len(body)


def block(plan: Plan, answers: Sequence[Answers]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"{plan.records:,} records; {ROUNDS} rounds of up to {SUBJECTS} pages of each kind."
    yield ""
    yield "| page | server | median ms | 95 of 100 within ms | kB | of datasette |"
    yield "|---|---|--:|--:|--:|--:|"
    peers = {one.kind: median(one.seconds) for one in answers if one.server == DATASETTE}
    for one in sorted(answers, key=lambda one: (one.kind, one.server)):
        share = f"{median(one.seconds) / peers[one.kind]:.2f}" if one.kind in peers else ""
        slow = quantiles(one.seconds, n=20)[-1]
        cells = [one.kind, one.server, f"{median(one.seconds) * 1000:.1f}", f"{slow * 1000:.1f}"]
        yield f"| {' | '.join([*cells, f'{one.bytes / 1000:.0f}', share])} |"
    yield from not_measured({"datasette": None if plan.python else NO_PYTHON})
