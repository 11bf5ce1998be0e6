"""Many mirrors in one sync: fetched several at a time, written one after the other, told in their order."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cachescope.jobs import lanes, side_by_side
from cachescope.jobs.progress import NoProgress
from cachescope.model.errors import CachescopeError, NotInCatalogue
from cachescope.model.sources import SourceOutcome
from tests.catalogues import OpenCatalogue, content
from tests.commands import CommandLine, start
from tests.mirrors import index, installs, manifest_place, node, write_v3
from tests.servers import HANGING, Answer, MirrorServer, Seen

COUNT = 9
NAMES = [f"ref-{number}/stack" for number in range(COUNT)]


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """A folder of mirrors that overlap: each has two specs of its neighbour."""
    for number in range(COUNT):
        nodes = [node(f"made-{each}") for each in range(number, number + 4)]
        write_v3(tmp_path / "bucket" / str(number), index(installs(nodes)))
    return tmp_path / "bucket"


@pytest.fixture
def server(bucket: Path) -> Iterator[MirrorServer]:
    with MirrorServer(folder=bucket) as running:
        yield running


@pytest.fixture
def registered(opened: OpenCatalogue, server: MirrorServer) -> OpenCatalogue:
    """A catalogue that knows the mirrors and has read none of them."""
    for number, name in enumerate(NAMES):
        opened.add(name, f"{server.url}/{number}")
    return opened


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each mirror be a transaction of its own."""
    monkeypatch.setattr(side_by_side, "_TOGETHER", 0.0)
    monkeypatch.setattr(side_by_side, "_LONGEST", 0.0)


def _words(results: Sequence[Sequence[SourceOutcome] | CachescopeError]) -> list[str]:
    """Return name and outcome of what was read."""
    return [
        f"{one.name} {one.attempt.outcome}"
        for outcomes in results
        if not isinstance(outcomes, CachescopeError)
        for one in outcomes
    ]


def _manifest(number: int) -> str:
    return f"/{number}/{manifest_place()}"


def _watch(server: MirrorServer, before: Callable[[Seen], None]) -> None:
    """Call ``before`` at every question, in the thread of its connection."""
    plain = server.answer

    def answered(request: Seen) -> Answer:
        before(request)
        return plain(request)

    server.answer = answered  # type: ignore[method-assign] # to see every question


def test_outcomes_stand_in_the_order_of_the_names_whichever_is_fast(
    registered: OpenCatalogue, server: MirrorServer
) -> None:
    server.routes[_manifest(0)] = Answer(b"", 404, delay=0.3)
    results = registered.sync_side_by_side(*NAMES)
    assert [word.partition(" ")[0] for word in _words(results)] == NAMES
    assert [word.partition(" ")[2] for word in _words(results)] == ["failed"] + ["updated"] * (COUNT - 1)


def test_the_catalogue_is_the_one_that_reading_in_turn_gives(
    registered: OpenCatalogue, server: MirrorServer, tmp_path: Path
) -> None:
    registered.sync_side_by_side(*NAMES)
    with OpenCatalogue(tmp_path / "in-turn.sqlite") as other:
        for number, name in enumerate(NAMES):
            other.add(name, f"{server.url}/{number}")
        for name in NAMES:
            other.sync_again(name)
        assert _without_snapshots(other) == _without_snapshots(registered)


def _without_snapshots(opened: OpenCatalogue) -> list[tuple[object, ...]]:
    """Return the content; the numbers of snapshots say only who was written first."""
    return [row[:6] if len(row) == 8 else row for row in content(opened.address)]


def test_several_mirrors_of_a_host_are_fetched_at_a_time(
    registered: OpenCatalogue, server: MirrorServer
) -> None:
    barrier = threading.Barrier(3, timeout=10)

    def together(request: Seen) -> None:
        if request.path in {_manifest(number) for number in range(3)}:
            barrier.wait()

    _watch(server, together)
    results = registered.sync_side_by_side(*NAMES, mirrors_at_once=3)
    assert _words(results) == [f"{name} updated" for name in NAMES]


@pytest.mark.parametrize(
    ("bounds", "most"),
    [
        ({"mirrors_at_once": 2}, 2),
        ({"mirrors_at_once": 8, "connections_per_host": 3}, 3),
        ({"mirrors_at_once": 1}, 1),
    ],
)
def test_no_host_is_asked_beyond_its_bound(
    registered: OpenCatalogue, server: MirrorServer, bounds: dict[str, Any], most: int
) -> None:
    changed, now, seen = threading.Condition(), 0, 0

    def counted(_: Seen) -> None:
        nonlocal now, seen
        with changed:
            now += 1
            seen = max(seen, now)
            changed.notify_all()
            # The first ones wait for each other, however slowly they come; then time for one too many to come.
            changed.wait_for(lambda: seen >= most, 4)
        time.sleep(0.01)
        with changed:
            now -= 1

    _watch(server, counted)
    registered.sync_side_by_side(*NAMES, **bounds)
    assert seen == most


@pytest.mark.usefixtures("one_by_one")
def test_only_a_few_mirrors_are_read_ahead_of_the_writer(
    registered: OpenCatalogue, server: MirrorServer
) -> None:
    ahead: list[int] = []

    class Slow(NoProgress):
        done = 0

        def finished(self, outcome: SourceOutcome) -> None:
            assert outcome.error is None
            Slow.done += 1
            time.sleep(0.1)
            fetched = sum(one.path.startswith("/") and "/blobs/" in one.path for one in server.requests)
            ahead.append(fetched - Slow.done)

    registered.sync_side_by_side(*NAMES, mirrors_at_once=3, progress=Slow())
    assert max(ahead) <= 3


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"", 500),
        Answer(b"", 403),
        Answer(b"<html>", 200),
        Answer(b"{", 200),
        Answer(b"", cut_after=-1),
    ],
)
def test_one_bad_mirror_never_stops_the_others(
    registered: OpenCatalogue, server: MirrorServer, answer: Answer
) -> None:
    server.routes[_manifest(4)] = answer
    results = registered.sync_side_by_side(*NAMES)
    assert _words(results) == [f"{name} {'failed' if name == NAMES[4] else 'updated'}" for name in NAMES]


def test_a_host_that_is_silent_does_not_keep_the_others_waiting(
    catalogue_file: Path, server: MirrorServer
) -> None:
    ended: list[str] = []
    others_done = threading.Event()

    class Noting(NoProgress):
        def finished(self, outcome: SourceOutcome) -> None:
            ended.append(str(outcome.name))
            if set(NAMES[4:]) <= set(ended):
                others_done.set()

    def silent_meanwhile(_: Seen) -> Answer:
        return Answer(b"", 403 if others_done.wait(30) else 200)

    with (
        MirrorServer({_manifest(number): silent_meanwhile for number in range(3)}) as silent,
        OpenCatalogue(catalogue_file, read_timeout=60) as opened,
    ):
        for number in range(3):
            opened.add(f"silent/{number}", f"{silent.url}/{number}")
        for number in range(4, COUNT):
            opened.add(NAMES[number], f"{server.url}/{number}")
        names = [*(f"silent/{number}" for number in range(3)), *NAMES[4:]]
        results = opened.sync_side_by_side(*names, progress=Noting())
    assert others_done.is_set()
    assert [word.partition(" ")[0] for word in _words(results)] == names


def test_what_is_not_registered_is_told_in_its_place(registered: OpenCatalogue) -> None:
    results = registered.sync_side_by_side(NAMES[0], "unknown/one", NAMES[1])
    assert isinstance(results[1], NotInCatalogue)
    assert _words(results) == [f"{NAMES[0]} updated", f"{NAMES[1]} updated"]


def test_nothing_to_read_gives_nothing(registered: OpenCatalogue) -> None:
    assert registered.sync_side_by_side() == []


def test_mirrors_that_are_written_together_are_all_kept_or_none(registered: OpenCatalogue) -> None:
    class Interrupting(NoProgress):
        begun: ClassVar[set[str]] = set()

        def writing(self, name: str, done: int, total: int) -> None:
            del done, total
            self.begun.add(name)
            if len(self.begun) == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        registered.sync_side_by_side(*NAMES, progress=Interrupting())
    ((kept,),) = registered.rows("SELECT count(*) FROM snapshot")
    assert kept < 3
    words = _words(registered.sync_side_by_side(*NAMES))
    assert len([word for word in words if word.endswith("unchanged")]) == kept
    assert len([word for word in words if word.endswith("updated")]) == COUNT - kept


@pytest.mark.usefixtures("one_by_one")
def test_what_was_written_before_an_interruption_is_unchanged_the_next_time(
    registered: OpenCatalogue, server: MirrorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is asked is answered here: all threads end, on a busy machine later than they are waited for.
    monkeypatch.setattr(lanes, "_PARTING", 60.0)

    class Interrupting(NoProgress):
        done = 0

        def finished(self, outcome: SourceOutcome) -> None:
            assert outcome.error is None
            Interrupting.done += 1
            if Interrupting.done == 4:
                raise KeyboardInterrupt

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        registered.sync_side_by_side(*NAMES, progress=Interrupting())
    ours = [one for one in set(threading.enumerate()) - before if "_run" in one.name]
    assert ours == []
    server.requests.clear()
    words = _words(registered.sync_side_by_side(*NAMES))
    assert len([word for word in words if word.endswith("unchanged")]) == 4
    assert len([word for word in words if word.endswith("updated")]) == COUNT - 4
    blobs = [one for one in server.requests if "/blobs/" in one.path]
    assert len(blobs) == COUNT - 4


def test_ctrl_c_does_not_wait_for_mirrors_that_are_silent(
    server: MirrorServer, registered: OpenCatalogue
) -> None:
    server.routes |= {_manifest(number): HANGING for number in range(COUNT)}
    with start("sync", db=registered.address) as interrupted:
        server.wait_for_requests(4)
        started = time.monotonic()
        interrupted.send_signal(signal.SIGINT)
        interrupted.communicate(timeout=60)
    assert interrupted.returncode == 130
    assert time.monotonic() - started < 15  # silence is borne for 60 s


@pytest.mark.usefixtures("registered")
class TestCommand:
    def test_sync_reads_all_mirrors_and_tells_them_by_name(self, run: CommandLine) -> None:
        text = run.well("sync").text
        assert [line.partition(":")[0] for line in text.splitlines()] == NAMES
        assert text.count("updated: 4 specs present") == COUNT
        assert run.well("sync").text.count("unchanged: 4 specs present") == COUNT

    def test_the_worst_exit_code_of_all_counts(self, run: CommandLine, server: MirrorServer) -> None:
        server.routes |= {_manifest(2): Answer(b"", 403), _manifest(5): Answer(b"{")}
        ended = run("sync")
        assert ended.code == 5
        assert [line.partition(":")[0] for line in ended.text.splitlines() if ": " in line][:COUNT] == NAMES
        assert ended.text.count("failed: ") == 2

    def test_fail_fast_reads_in_turn_and_stops(self, run: CommandLine, server: MirrorServer) -> None:
        server.routes[_manifest(2)] = Answer(b"", 403)
        ended = run("sync", "--fail-fast")
        assert [line.partition(":")[0] for line in ended.text.splitlines()][:3] == NAMES[:3]
        assert not [one for one in server.requests if one.path == _manifest(3)]

    def test_a_mirror_that_is_named_twice_is_read_twice_in_turn(self, run: CommandLine) -> None:
        text = run.well("sync", NAMES[0], NAMES[1], NAMES[0]).text
        assert [line.split()[:2] for line in text.splitlines()] == [
            [f"{NAMES[0]}:", "updated:"],
            [f"{NAMES[1]}:", "updated:"],
            [f"{NAMES[0]}:", "unchanged:"],
        ]
