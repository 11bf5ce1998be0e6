"""What a catalogue holds does not depend on the order in which an index lists its records."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cachescope.catalogue import registry
from cachescope.catalogue.engine import Catalogue, open_for_writing
from cachescope.catalogue.snapshots import SnapshotWriter
from cachescope.formats.index_json import open_index
from cachescope.model.identity import parse_source_name
from cachescope.model.mirror import Layout, MirrorUrl
from tests.formats.samples import edge, node

SOURCE = parse_source_name("site/root")
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
Records = list[tuple[str, dict[str, object]]]

SPECS = """
    SELECT spec.hash, spec.knowledge, name.text, version.text, compiler.name, compiler.version, spec.verdict
    FROM spec JOIN name ON name.id = spec.name_id LEFT JOIN version ON version.id = spec.version_id
    LEFT JOIN compiler ON compiler.id = spec.compiler_id ORDER BY 1
"""
EDGES = """
    SELECT parent.hash, edge.position, child.hash, edge_kind.deptypes, edge_kind.virtuals FROM edge
    JOIN spec AS parent ON parent.id = edge.parent_id JOIN spec AS child ON child.id = edge.child_id
    JOIN edge_kind ON edge_kind.id = edge.kind_id ORDER BY 1, 2
"""
PRESENCE = "SELECT spec.hash, presence.state FROM presence JOIN spec ON spec.id = presence.spec_id ORDER BY 1"
SUMMARY = "SELECT name.text, present, mentioned, versions FROM package_summary JOIN name ON name.id = name_id ORDER BY 1, 2"
ORPHANS = "SELECT count(*) FROM edge WHERE child_id NOT IN (SELECT id FROM spec)"


def _records(dice: random.Random) -> Records:
    """Draw records that name each other in all directions, some of which cannot be read, and some of nobody's."""
    hashes = ["".join(dice.choices(LETTERS, k=32)) for _ in range(60)]
    absent = hashes[50:]
    records: Records = []
    for dag_hash in hashes[:50]:
        children = [edge("lib", one) for one in dice.sample(hashes[:50], 3)]
        compiler = {**edge("gcc", hashes[0]), "parameters": {"deptypes": ["build"], "virtuals": ["c"]}}
        keys: dict[str, object] = {
            "dependencies": [*children, edge("gone", dice.choice(absent)), compiler],
            "version": dice.choice(["1.0", "1.2", None]) if dag_hash != hashes[0] else "14",
        }
        spec = {**node("zlib", **keys), "hash": dag_hash}
        records.append((dag_hash, {"spec": spec, "in_buildcache": dice.random() < 0.7}))
    return records


def _document(records: Records) -> bytes:
    installs = ",".join(f'"{key}":{json.dumps(value, separators=(",", ":"))}' for key, value in records)
    return f'{{"database":{{"version":"8","installs":{{{installs}}}}}}}'.encode()


def _write(catalogue: Catalogue, data: bytes, digest: str) -> None:
    with catalogue.writing() as connection:
        registry.ensure_mirror(connection, SOURCE.mirror, MirrorUrl("https://cache.example"))
        source_id = registry.ensure_source(connection, SOURCE, Layout.V3)
        writer = SnapshotWriter(connection, now=datetime(2026, 1, 1, tzinfo=UTC))
        writer.replace(SOURCE.mirror, source_id, open_index(memoryview(data)), digest=digest)
        writer.finish()


def _content(path: Path, *documents: bytes) -> list[object]:
    with open_for_writing(path, busy_timeout=5) as catalogue:
        for number, document in enumerate(documents):
            _write(catalogue, document, str(number))
        with catalogue.reading() as connection:
            assert connection.exec_driver_sql(ORPHANS).scalar() == 0
            return [
                connection.exec_driver_sql(statement).fetchall()
                for statement in (SPECS, EDGES, PRESENCE, SUMMARY)
            ]


@pytest.mark.parametrize("seed", range(8))
def test_order_of_records_and_repeated_ones_do_not_matter(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)  # noqa: S311 - spread, not secrecy
    records = _records(dice)
    expected = _content(tmp_path / "ordered", _document(records))
    shuffled = dice.sample(records, len(records))
    assert _content(tmp_path / "shuffled", _document(shuffled)) == expected
    # A repeated record stands where the first one was; what the last one says counts.
    outdated = [(key, {**value, "in_buildcache": False}) for key, value in dice.sample(records, 10)]
    assert _content(tmp_path / "repeated", _document([*outdated, *shuffled])) == expected


@pytest.mark.parametrize("seed", range(4))
def test_a_catalogue_filled_in_two_steps_is_the_one_filled_at_once(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)  # noqa: S311 - spread, not secrecy
    records = _records(dice)
    whole = _document(records)
    first = [records[0], *records[25:]]  # with the compiler, whose version the others take from its record
    assert _content(tmp_path / "steps", _document(first), whole)[:3] == _content(tmp_path / "once", whole)[:3]
