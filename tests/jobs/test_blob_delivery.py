"""How blobs of virtual mirrors come to clients, and what happens where a source is down, lies, or the disk is full."""

import hashlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from cachescope.jobs.blob_delivery import BlobDelivery
from cachescope.model.errors import CachescopeError, MalformedDocument, MirrorUnavailable
from cachescope.model.identity import Digest, parse_source_name
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.virtual import BlobPlace
from cachescope.transport.blob_store import BlobStore
from cachescope.transport.opening import HttpClient, TransportOptions, open_source
from tests.catalogues import START
from tests.servers import Answer, MirrorServer, Seen, unused_port

BLOB = hashlib.shake_256(b"a large blob").digest(3_000_000)
SMALL = b"a small blob"
Clients = ThreadPoolExecutor


def _digest(data: bytes) -> Digest:
    return Digest("sha256", hashlib.sha256(data).hexdigest())


def _path(data: bytes) -> str:
    checksum = hashlib.sha256(data).hexdigest()
    return f"/blobs/sha256/{checksum[:2]}/{checksum}"


def _place(url: str, data: bytes = BLOB, name: str = "site", *, sized: bool = True) -> BlobPlace:
    source = parse_source_name(name)
    return BlobPlace(
        mirror=source.mirror,
        source=source,
        url=MirrorUrl(url),
        layout=Layout.V3,
        digest=_digest(data),
        size=len(data) if sized else None,
    )


@contextmanager
def _delivery(
    store: BlobStore | None = None, *, stream: bool = False, **options: float
) -> Iterator[BlobDelivery]:
    chosen = TransportOptions(**{"retries": 0, "read_timeout": 30, **options})  # type: ignore[arg-type] # by name
    with HttpClient(chosen) as client:
        yield BlobDelivery(
            open_source=lambda url: open_source(url, chosen, client),
            now=lambda: START,
            always_stream=stream,
            store=store,
        )


def _read(
    delivery: BlobDelivery, *places: BlobPlace, start: int = 0, stop: int | None = None
) -> bytes | None:
    opened = delivery.open(places, start=start, stop=stop)
    if opened is None:
        return None
    with closing(opened):
        data = b"".join(opened.chunks)
        assert opened.size == len(data)
        return data


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store", limit=10_000_000)


def _stored(folder: Path) -> set[str]:
    return {one.name for one in folder.rglob("*") if one.is_file() and one.name != ".size"}


class TestRedirect:
    def test_client_is_sent_to_a_source_that_all_may_ask(self) -> None:
        with _delivery() as delivery:
            address = delivery.redirect([_place("https://mirror.example/a b")])
        assert address == f"https://mirror.example/a b{_path(BLOB)}"

    @pytest.mark.parametrize("url", ["https://user:secret@mirror.example", "file:///srv/mirror"])
    def test_client_is_not_sent_where_it_has_no_access(self, url: str) -> None:
        with _delivery() as delivery:
            assert delivery.redirect([_place(url)]) is None

    def test_client_is_not_sent_anywhere_if_all_is_streamed_or_stored(self, store: BlobStore) -> None:
        place = _place("https://mirror.example")
        with _delivery(stream=True) as streaming, _delivery(store) as storing:
            assert streaming.redirect([place]) is None
            assert storing.redirect([place]) is None


@pytest.mark.parametrize("way", ["stream", "store"])
class TestEitherWay:
    """What holds for streams and for the store."""

    @pytest.fixture
    def delivery(self, way: str, store: BlobStore) -> Iterator[BlobDelivery]:
        with _delivery(store if way == "store" else None, stream=True, read_timeout=2.0) as made:
            yield made

    def test_blob_comes_whole(self, delivery: BlobDelivery) -> None:
        with MirrorServer({_path(BLOB): Answer(BLOB), _path(b""): Answer(b"")}) as server:
            assert _read(delivery, _place(server.url)) == BLOB
            assert _read(delivery, _place(server.url, b"")) == b""

    def test_part_of_a_blob_comes_when_it_is_asked_for(self, delivery: BlobDelivery) -> None:
        with MirrorServer({_path(BLOB): Answer(BLOB)}) as server:
            for start, stop in (
                (0, 1),
                (5, 2_000_000),
                (2_999_999, None),
                (1_048_576, 1_048_577),
                (0, 9_999_999),
            ):
                assert _read(delivery, _place(server.url), start=start, stop=stop) == BLOB[start:stop]

    def test_size_that_nobody_states_is_found_out(self, delivery: BlobDelivery) -> None:
        with MirrorServer({_path(SMALL): Answer(SMALL, chunked=True)}) as server:
            assert _read(delivery, _place(server.url, SMALL, sized=False)) == SMALL

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (Answer(SMALL[:-1] + b"X"), "the bytes are not those of sha256:"),
            (Answer(SMALL + b"more"), "16 bytes in place of 12"),
            (Answer(b"", 404), "the blob is missing there"),
            (Answer(b"", 503), "cannot answer now"),
            (Answer(SMALL, hangs_after=-1), "sent nothing for 2 s"),
            (Answer(SMALL, cut_after=4), "broke before the answer was whole"),
        ],
        ids=["other bytes", "more bytes", "lost", "down", "silent", "cut"],
    )
    def test_another_source_is_tried_and_the_failure_is_remembered(
        self, delivery: BlobDelivery, answer: Answer, reason: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with MirrorServer({_path(SMALL): answer}) as bad, MirrorServer({_path(SMALL): Answer(SMALL)}) as good:
            places = _place(bad.url, SMALL, "bad"), _place(good.url, SMALL, "good")
            assert _read(delivery, *places) == SMALL
        (failure,) = delivery.failures().items()
        assert failure[0] == parse_source_name("bad")
        assert caplog.messages[0].startswith("bad/root did not give sha256:")
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(failure[1].reason)

    def test_source_that_is_not_there_is_an_error_of_the_mirror(self, delivery: BlobDelivery) -> None:
        place = _place(f"http://127.0.0.1:{unused_port()}")
        with pytest.raises(MirrorUnavailable, match="no connection"):
            delivery.open([place])

    def test_blob_that_no_source_has_is_none(self, delivery: BlobDelivery) -> None:
        with MirrorServer() as server:
            assert delivery.open([_place(server.url)]) is None
        assert delivery.open([]) is None

    def test_passwords_are_in_no_error_and_no_log(
        self, delivery: BlobDelivery, caplog: pytest.LogCaptureFixture
    ) -> None:
        with MirrorServer({_path(SMALL): Answer(b"", 401)}) as server:
            url = server.url.replace("://", "://user:sesame@")
            with pytest.raises(MirrorUnavailable) as caught:
                delivery.open([_place(url, SMALL)])
            server.routes[_path(SMALL)] = Answer(b"wrong")
            with pytest.raises(MalformedDocument) as wrong:
                delivery.open([_place(url, SMALL)])
        told = f"{caught.value} {caught.value.hint} {wrong.value} {caplog.text} {delivery.failures()}"
        assert "not accept the user or password" in told
        assert "sesame" not in told


class TestStream:
    def test_answer_breaks_off_before_the_end_of_a_large_blob_that_is_wrong(self) -> None:
        wrong = BLOB[:-1] + bytes([BLOB[-1] ^ 1])
        with _delivery(stream=True) as delivery, MirrorServer({_path(BLOB): Answer(wrong)}) as server:
            opened = delivery.open([_place(server.url)])
            assert opened is not None
            got: list[bytes] = []
            with closing(opened), pytest.raises(MalformedDocument, match="not those of sha256"):
                got.extend(opened.chunks)
            assert 1_000_000 < sum(len(one) for one in got) < len(BLOB)
            assert parse_source_name("site") in delivery.failures()

    def test_part_of_a_blob_that_is_wrong_elsewhere_is_not_given_whole(self) -> None:
        wrong = BLOB[:-1] + bytes([BLOB[-1] ^ 1])
        with _delivery(stream=True) as delivery, MirrorServer({_path(BLOB): Answer(wrong)}) as server:
            opened = delivery.open([_place(server.url)], start=0, stop=1000)
            assert opened is not None
            with closing(opened), pytest.raises(MalformedDocument):
                b"".join(opened.chunks)

    def test_source_is_let_go_when_the_client_hangs_up(self) -> None:
        with _delivery(stream=True) as delivery, MirrorServer() as server:
            server.routes[_path(BLOB)] = Answer(BLOB, hangs_after=2_000_000)
            opened = delivery.open([_place(server.url)])
            assert opened is not None
            next(iter(opened.chunks))
            opened.close()
            server.close()


class TestStore:
    def test_blob_is_fetched_once_and_then_served_from_disk(self, store: BlobStore, tmp_path: Path) -> None:
        with _delivery(store) as delivery:
            with MirrorServer({_path(BLOB): Answer(BLOB)}) as server:
                place = _place(server.url)
                assert _read(delivery, place) == BLOB
            assert _read(delivery, place) == BLOB
        assert _stored(tmp_path / "store") == {place.digest.hexadecimal}

    def test_200_clients_cause_one_fetch(self, store: BlobStore) -> None:
        with _delivery(store) as delivery, MirrorServer({_path(SMALL): Answer(SMALL, delay=0.5)}) as server:
            place = _place(server.url, SMALL)
            with ThreadPoolExecutor(200) as clients:
                got = list(clients.map(lambda _: _read(delivery, place), range(200)))
            assert got == [SMALL] * 200
            assert len(server.requests) == 1

    def test_clients_of_several_processes_cause_one_fetch(self, tmp_path: Path) -> None:
        program = (
            "import sys\n"
            "from pathlib import Path\n"
            "from cachescope.model.identity import parse_digest\n"
            "from cachescope.transport.blob_store import BlobOrigin, BlobStore\n"
            "from cachescope.transport.file_source import FileSource\n"
            "from cachescope.transport.kept_blob import Expected\n"
            "import os, time\n"
            "def slowly(start):\n"
            "    with open(sys.argv[2], 'a') as log: log.write('fetched ')\n"
            "    time.sleep(0.5)\n"
            "    return FileSource(Path(sys.argv[1]), limit=1 << 30).open('blob', start=start)\n"
            "store = BlobStore(Path(sys.argv[1]) / 'store', limit=10_000_000)\n"
            "origin = BlobOrigin(slowly, 'there', print)\n"
            "stored = store.open(Expected(parse_digest('sha256', sys.argv[3]), None), [origin])\n"
            "assert stored.size == 3_000_000\n"
            "os.close(stored.descriptor)\n"
        )
        (tmp_path / "blob").write_bytes(BLOB)
        command = [
            sys.executable,
            "-c",
            program,
            str(tmp_path),
            str(tmp_path / "log"),
            _digest(BLOB).hexadecimal,
        ]
        running = [subprocess.Popen(command) for _ in range(3)]
        assert [one.wait(60) for one in running] == [0, 0, 0]
        assert (tmp_path / "log").read_text() == "fetched "

    def test_failure_is_told_to_all_who_waited_and_the_next_one_asks_again(self, store: BlobStore) -> None:
        with _delivery(store) as delivery, MirrorServer() as server:
            begun = threading.Semaphore(0)

            def down(_: Seen) -> Answer:
                assert all(begun.acquire(timeout=20) for _ in range(5))
                return Answer(
                    b"", 503, delay=1
                )  # time for the last one, too, to wait for what the first one asked

            server.routes[_path(BLOB)] = down
            place = _place(server.url)

            def asked(_: int) -> str:
                begun.release()
                try:
                    _read(delivery, place)
                except CachescopeError as error:
                    return error.code
                return ""

            with ThreadPoolExecutor(5) as clients:
                assert set(clients.map(asked, range(5))) == {"mirror_unavailable"}
            assert len(server.requests) == 1
            server.routes[_path(BLOB)] = Answer(BLOB)
            assert _read(delivery, place) == BLOB

    def test_wrong_bytes_are_never_served_nor_kept(self, store: BlobStore, tmp_path: Path) -> None:
        wrong = BLOB[:-1] + bytes([BLOB[-1] ^ 1])
        with _delivery(store) as delivery, MirrorServer({_path(BLOB): Answer(wrong)}) as server:
            with pytest.raises(MalformedDocument, match="not those of sha256"):
                delivery.open([_place(server.url)])
            assert _stored(tmp_path / "store") == set()

    def test_file_that_somebody_changed_in_the_store_is_fetched_anew(
        self, store: BlobStore, tmp_path: Path
    ) -> None:
        with _delivery(store) as delivery, MirrorServer({_path(BLOB): Answer(BLOB)}) as server:
            place = _place(server.url)
            _read(delivery, place)
            file = next((tmp_path / "store").rglob(place.digest.hexadecimal))
            file.write_bytes(b"changed")
            assert _read(delivery, place) == BLOB
            assert file.read_bytes() == BLOB

    def test_part_that_a_killed_process_left_is_gone_on_with(self, store: BlobStore, tmp_path: Path) -> None:
        def rest(_: Seen) -> Answer:
            return Answer(
                BLOB[2_000_000:], 206, {"Content-Range": f"bytes 2000000-{len(BLOB) - 1}/{len(BLOB)}"}
            )

        with _delivery(store) as delivery, MirrorServer() as server:
            server.routes[_path(BLOB)] = Answer(BLOB, cut_after=2_000_000)
            with pytest.raises(MirrorUnavailable):
                delivery.open([_place(server.url)])
            assert all(name.startswith(".") for name in _stored(tmp_path / "store"))
            server.routes[_path(BLOB)] = rest
            assert _read(delivery, _place(server.url)) == BLOB
            assert server.requests[-1].headers["range"] == "bytes=2000000-"

    def test_blobs_not_asked_for_longest_make_room(self, tmp_path: Path) -> None:
        blobs = [bytes([number]) * 1000 for number in range(4)]
        store = BlobStore(tmp_path / "store", limit=3000)
        with _delivery(store) as delivery, MirrorServer({_path(one): Answer(one) for one in blobs}) as server:
            for place, one in enumerate(blobs[:3]):
                _read(delivery, _place(server.url, one))
                _age(tmp_path / "store", one, days=3 - place)
            _read(delivery, _place(server.url, blobs[0]))  # used again: now the second one is the oldest
            _read(delivery, _place(server.url, blobs[3]))
        kept = [blobs[0], blobs[2], blobs[3]]
        assert _stored(tmp_path / "store") == {_digest(one).hexadecimal for one in kept}

    def test_blob_that_makes_room_for_others_is_read_to_its_end(self, tmp_path: Path) -> None:
        store = BlobStore(tmp_path / "store", limit=len(BLOB))
        with _delivery(store) as delivery:
            with MirrorServer({_path(BLOB): Answer(BLOB), _path(SMALL): Answer(SMALL)}) as server:
                opened = delivery.open([_place(server.url)])
                assert opened is not None
                _read(delivery, _place(server.url, SMALL))
            assert _stored(tmp_path / "store") == {_digest(SMALL).hexadecimal}
            with closing(opened):
                assert b"".join(opened.chunks) == BLOB

    def test_blob_over_the_limit_is_streamed(self, tmp_path: Path) -> None:
        store = BlobStore(tmp_path / "store", limit=1000)
        with _delivery(store) as delivery, MirrorServer({_path(BLOB): Answer(BLOB)}) as server:
            assert _read(delivery, _place(server.url)) == BLOB
        assert _stored(tmp_path / "store") == set()

    def test_full_disk_means_streaming_and_a_line_in_the_log(
        self,
        store: BlobStore,
        tmp_path: Path,
        small_disk: Callable[[int], AbstractContextManager[None]],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.WARNING)
        with _delivery(store) as delivery, MirrorServer({_path(BLOB): Answer(BLOB)}) as server:
            with small_disk(1_000_000):
                assert _read(delivery, _place(server.url)) == BLOB
                assert _read(delivery, _place(server.url)) == BLOB
            assert _stored(tmp_path / "store") == set()
            assert [one for one in caplog.messages if "streamed and not kept" in one] == [
                "blobs are streamed and not kept: the store cannot be used (File too large)"
            ]
            assert _read(delivery, _place(server.url)) == BLOB
        assert _stored(tmp_path / "store") == {_digest(BLOB).hexadecimal}

    def test_folder_that_cannot_be_written_means_streaming(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        store = BlobStore(tmp_path / "file" / "store", limit=10_000_000)
        with _delivery(store) as delivery, MirrorServer({_path(BLOB): Answer(BLOB)}) as server:
            assert _read(delivery, _place(server.url)) == BLOB

    def test_threads_that_open_other_blobs_do_not_wait(self, store: BlobStore) -> None:
        with _delivery(store) as delivery, MirrorServer({_path(SMALL): Answer(SMALL)}) as server:
            server.routes[_path(BLOB)] = Answer(BLOB, hangs_after=-1)
            slow = threading.Thread(target=_ignoring, args=(delivery, _place(server.url)))
            slow.start()
            server.wait_for_requests(1)
            assert _read(delivery, _place(server.url, SMALL)) == SMALL
            server.close()
            slow.join(60)


def _ignoring(delivery: BlobDelivery, place: BlobPlace) -> None:
    with pytest.raises(MirrorUnavailable):
        delivery.open([place])


def _age(folder: Path, data: bytes, *, days: float) -> None:
    file = next(folder.rglob(_digest(data).hexadecimal))
    os.utime(file, (time.time() - days * 86400, file.stat().st_mtime))
