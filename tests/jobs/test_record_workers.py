"""Several processes that split and decode an index give what one gives."""

import json
import os
import random
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cachescope.formats import index_json
from cachescope.formats.index_json import IndexDocument, open_index
from cachescope.jobs.record_workers import RecordProcesses, record_processes
from cachescope.model.errors import MalformedRecord
from cachescope.model.spec_records import SpecBatch
from cachescope.transport.body import HeldBody
from tests.formats.samples import edge, node

LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a small document take many batches."""
    monkeypatch.setattr(index_json, "_WORTH_SHARING", 10)
    monkeypatch.setattr(index_json, "_SHARED_BATCH", 7)


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small documents be cut."""
    monkeypatch.setattr(index_json, "_WORTH_CUTTING", 0)


def _hashes(dice: random.Random, count: int) -> list[str]:
    return ["".join(dice.choices(LETTERS, k=32)) for _ in range(count)]


def _index(dice: random.Random, count: int = 300) -> bytes:
    """Write an index in any order: forward and dangling references, compilers by hash, records that cannot be read."""
    hashes = _hashes(dice, count)
    compiler = hashes[dice.randrange(count)]
    records = []
    for dag_hash in hashes:
        edges = [edge("lib", one) for one in dice.sample(hashes, 3)] + [edge("gone", *_hashes(dice, 1))]
        uses = {**edge("gcc", compiler), "parameters": {"deptypes": ["build"], "virtuals": ["c"]}}
        keys: dict[str, object] = {
            "dependencies": [*edges, uses],
            "version": dice.choice(["1.0", "2.1", "3.2.1"]),
        }
        if dice.random() < 0.05:
            keys = {"version": None}
        if dice.random() < 0.5:
            # As Spack writes it now; the others are read by a decoder.
            keys = {"namespace": "builtin", "package_hash": "abc=", **keys}
        spec = {**node("zlib", **keys), "hash": dag_hash}
        records.append((dag_hash, {"spec": spec, "ref_count": 1, "in_buildcache": dice.random() < 0.8}))
    # A record that stands twice: the last one counts.
    records.append((hashes[0], {"spec": node("zlib", version="9"), "ref_count": 2, "in_buildcache": True}))
    installs = ",".join(f'"{key}":{json.dumps(record, separators=(",", ":"))}' for key, record in records)
    return f'{{"database":{{"version":"8","installs":{{{installs}}}}}}}'.encode()


@contextmanager
def _opened(path: Path, data: bytes, count: int) -> Iterator[tuple[IndexDocument, RecordProcesses | None]]:
    path.write_bytes(data)
    with ExitStack() as stack:
        descriptor = os.open(path, os.O_RDONLY)
        stack.callback(os.close, descriptor)
        body = stack.enter_context(HeldBody.mapped(descriptor))
        processes = stack.enter_context(record_processes(body.descriptor, len(data), count=count))
        yield open_index(body.data, processes), processes


def _content(batches: Sequence[SpecBatch]) -> list[object]:
    """Return all that batches say, however it was cut."""
    rows: list[object] = []
    for batch in batches:
        ends = list(zip(batch.end_names, batch.end_hashes, batch.end_kinds, strict=True))
        places, originals = iter(batch.edge_ends), iter(batch.originals)
        edges = [tuple(ends[next(places)] for _ in range(count)) for count in batch.edge_counts]
        columns = (
            *(batch.hashes, batch.names, batch.versions, batch.namespaces, batch.architectures),
            *(batch.compilers, batch.variants, batch.package_hashes, batch.externals, batch.build_specs),
            *(batch.formats, batch.verdicts, [form or next(originals) for form in batch.forms], edges),
        )
        rows += zip(*columns, strict=True)
        rows += [(error.message, error.where) for error in batch.rejected]
    return sorted(rows, key=repr)


def _read(document: IndexDocument) -> tuple[object, ...]:
    content = _content(list(document.batches(list(document), list)))
    return dict(document.presence), content, document.header


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("seed", range(3))
def test_any_number_of_processes_reads_what_one_reads(seed: int, tmp_path: Path) -> None:
    data = _index(random.Random(seed))  # noqa: S311 - spread, not secrecy
    alone = _read(open_index(memoryview(data)))
    assert len(alone[1]) == 300  # type: ignore[arg-type] # the second is the list of rows
    for count in (2, 3):
        with _opened(tmp_path / "index", data, count) as (document, processes):
            assert processes is not None
            assert _read(document) == alone


@pytest.mark.usefixtures("cut")
def test_cutting_reads_what_reading_at_once_does() -> None:
    data = _index(random.Random(7))  # noqa: S311 - spread, not secrecy
    spaced = json.dumps(json.loads(data)).encode()
    cut, at_once = open_index(memoryview(data)), open_index(memoryview(spaced))
    assert list(cut.presence.items()) == list(at_once.presence.items())
    assert _told(cut) == _told(at_once)
    assert cut.rejected == at_once.rejected == []


def _told(document: IndexDocument) -> list[object]:
    """Return what an index says, but for the spelling of its JSON."""
    rows: list[object] = []
    for one in document:
        try:
            spec = document.spec(one)
        except MalformedRecord as error:
            rows.append((error.message, error.where))
        else:
            rows.append((*spec[:6], spec.variants.variants, spec.edges))
    return rows


@pytest.mark.usefixtures("small_batches")
def test_what_a_process_that_dies_left_undone_is_decoded_here(tmp_path: Path) -> None:
    data = _index(random.Random(1))  # noqa: S311 - spread, not secrecy
    alone = _read(open_index(memoryview(data)))
    with _opened(tmp_path / "index", data, 2) as (document, processes):
        assert processes is not None
        batches = document.batches(list(document), list)
        read = [next(batches), next(batches)]
        os.kill(processes.ids[1], signal.SIGKILL)
        read += batches
    assert _content(read) == alone[1]


@pytest.mark.usefixtures("small_batches")
def test_processes_end_with_their_reader(tmp_path: Path) -> None:
    with _opened(tmp_path / "index", _index(random.Random(1)), 2) as (document, processes):  # noqa: S311 - spread
        assert processes is not None
        next(document.batches(list(document), list))
        ids = processes.ids
    for one in ids:
        with pytest.raises(ProcessLookupError):
            os.kill(one, 0)
