"""What a read over HTTP answers, from a real server."""

import gzip
import hashlib
import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from cachescope.model.errors import MalformedDocument, UserInputError
from cachescope.model.mirror import parse_mirror_url
from cachescope.model.record import Validator
from cachescope.transport.opening import HttpClient, TransportOptions, open_source
from cachescope.transport.source import Fetched, Missing, Unchanged
from tests.servers import Answer, MirrorServer, Seen
from tests.transport.conftest import OpenUrl

LARGE = random.Random(1).randbytes(3_000_000)  # noqa: S311 - bytes that do not compress


def fetched(outcome: object) -> Fetched:
    assert isinstance(outcome, Fetched)
    return outcome


@pytest.mark.parametrize("body", [b"", b"{}", LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("coded", [False, True], ids=["plain", "gzip"])
def test_read_gives_the_bytes_of_the_document(
    server: MirrorServer, open_url: OpenUrl, body: bytes, *, chunked: bool, coded: bool
) -> None:
    server.routes["/m/index.json"] = Answer(body, chunked=chunked, gzip=coded, piece=100_000)

    with fetched(open_url(f"{server.url}/m").read("index.json")).body as got:
        assert bytes(got.data) == body
        assert got.data.readonly


def test_read_asks_for_gzip_and_names_itself(server: MirrorServer, open_url: OpenUrl) -> None:
    open_url(server.url, user_agent="cachescope/9").read("a")

    [request] = server.requests
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["user-agent"] == "cachescope/9"
    assert "authorization" not in request.headers
    assert "if-none-match" not in request.headers


def test_read_undoes_gzip_of_several_members_and_padding(server: MirrorServer, open_url: OpenUrl) -> None:
    stored = gzip.compress(b"one ") + gzip.compress(b"two") + b"\0\0\0"
    server.routes["/a"] = Answer(stored, headers={"Content-Encoding": "x-gzip"})

    assert bytes(fetched(open_url(server.url).read("a")).body.data) == b"one two"


def test_read_takes_an_empty_body_that_is_labelled_gzip(server: MirrorServer, open_url: OpenUrl) -> None:
    server.routes["/a"] = Answer(b"", headers={"Content-Encoding": "gzip"})

    assert bytes(fetched(open_url(server.url).read("a")).body.data) == b""


@pytest.mark.parametrize("status", [404, 410])
def test_read_of_what_is_not_there_is_missing(server: MirrorServer, open_url: OpenUrl, status: int) -> None:
    server.routes["/a"] = Answer(b"no", status)

    assert open_url(server.url).read("a") == Missing()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "validator"),
    [
        (Answer(b"x", etag='"1"'), Validator(etag='"1"')),
        (Answer(b"x", etag='W/"1"'), Validator(etag='W/"1"')),
        (
            Answer(b"x", last_modified="Sat, 01 Nov 2025 10:00:00 GMT"),
            Validator(last_modified="Sat, 01 Nov 2025 10:00:00 GMT"),
        ),
        (Answer(b"x"), Validator()),
    ],
    ids=["etag", "weak etag", "date", "none"],
)
def test_read_with_its_own_validator_says_unchanged(
    server: MirrorServer, open_url: OpenUrl, answer: Answer, validator: Validator
) -> None:
    server.routes["/a"] = answer
    source = open_url(server.url)

    first = fetched(source.read("a"))
    again = source.read("a", known=first.validator)

    assert first.validator == validator
    assert isinstance(again, Unchanged if validator else Fetched)


def test_read_of_a_changed_document_is_fetched_with_its_new_validator(
    server: MirrorServer, open_url: OpenUrl
) -> None:
    server.routes["/a"] = Answer(b"new", etag='"2"')

    changed = fetched(open_url(server.url).read("a", known=Validator(etag='"1"')))

    assert bytes(changed.body.data) == b"new"
    assert changed.validator == Validator(etag='"2"')


@pytest.mark.parametrize("etag", ['"' + "x" * 2000 + '"', '"\xfc"'], ids=["long", "not ascii"])
def test_validator_that_cannot_be_sent_back_is_dropped(
    server: MirrorServer, open_url: OpenUrl, etag: str
) -> None:
    server.routes["/a"] = Answer(b"x", headers={"ETag": etag})

    assert fetched(open_url(server.url).read("a")).validator == Validator()


def test_paths_are_encoded_part_by_part(server: MirrorServer, open_url: OpenUrl) -> None:
    open_url(f"{server.url}/my cache").read("v3/a b+c@1=2%.json")

    assert [one.path for one in server.requests] == ["/my%20cache/v3/a%20b%2Bc%401%3D2%25.json"]


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "a\0b"])
def test_paths_that_lead_elsewhere_are_refused(server: MirrorServer, open_url: OpenUrl, path: str) -> None:
    with pytest.raises(ValueError, match="not a plain path"):
        open_url(server.url).read(path)
    assert not server.requests


def test_several_reads_share_one_connection(server: MirrorServer, open_url: OpenUrl) -> None:
    ports: set[int] = set()

    def answer(request: Seen) -> Answer:
        ports.update(connection.getpeername()[1] for connection in server.connections())
        return Answer(b"x" * 100, {"/gone": 404, "/moved": 302}.get(request.path, 200), {"Location": "/a"})

    server.routes |= dict.fromkeys(("/a", "/gone", "/moved"), answer)
    source = open_url(server.url)
    for path in ("a", "gone", "moved", "a"):
        source.read(path)

    assert len(ports) == 1


def test_large_documents_leave_no_file_behind(
    server: MirrorServer, open_url: OpenUrl, tmp_path: Path
) -> None:
    server.routes["/a"] = Answer(LARGE)

    body = fetched(open_url(server.url, temporary_folder=tmp_path).read("a")).body

    assert list(tmp_path.iterdir()) == []
    assert hashlib.sha256(body.data).digest() == hashlib.sha256(LARGE).digest()
    body.close()
    body.close()
    with pytest.raises(ValueError, match="closed"):
        _ = body.data
    assert not [place for place in _open_files() if place.startswith(str(tmp_path))]


def _open_files() -> Iterator[str]:
    for link in Path("/proc/self/fd").iterdir():
        with suppress(
            FileNotFoundError
        ):  # closed since the folder was listed: threads of the server close theirs
            yield str(link.readlink())


def test_temporary_folder_that_is_not_there_is_told(
    server: MirrorServer, open_url: OpenUrl, tmp_path: Path
) -> None:
    server.routes["/a"] = Answer(LARGE)

    with pytest.raises(UserInputError) as caught:
        open_url(server.url, temporary_folder=tmp_path / "none").read("a")

    assert caught.value.where == str(tmp_path / "none")
    assert "temporary_folder" in caught.value.hint


def test_web_servers_list_nothing(server: MirrorServer, open_url: OpenUrl) -> None:
    source = open_url(server.url)

    assert source.list_folders("v3") is None
    assert source.list_files("v3") is None
    assert not server.requests


class TestLimits:
    def test_gzip_bomb_is_stopped_early(self, server: MirrorServer, open_url: OpenUrl) -> None:
        bomb = gzip.compress(bytes(1_000_000)) * 500
        server.routes["/a"] = Answer(bomb, headers={"Content-Encoding": "gzip"}, hangs_after=100_000)

        with pytest.raises(MalformedDocument) as caught:
            open_url(server.url, max_unpacked_bytes=2_000_000).read("a")

        assert "more than 2,000,000 bytes" in caught.value.message
        assert "max_unpacked_bytes" in caught.value.hint
        assert caught.value.where == f"{server.url}/a"
        assert len(server.requests) == 1

    def test_announced_length_over_the_limit_is_refused_at_once(
        self, server: MirrorServer, open_url: OpenUrl
    ) -> None:
        server.routes["/a"] = Answer(headers={"Content-Length": "101"}, hangs_after=0)

        with pytest.raises(MalformedDocument, match="more than 100 bytes"):
            open_url(server.url, max_unpacked_bytes=100).read("a")

    def test_plain_body_of_unknown_length_is_stopped_at_the_limit(
        self, server: MirrorServer, open_url: OpenUrl
    ) -> None:
        server.routes["/a"] = Answer(bytes(101), chunked=True, hangs_after=101)

        with pytest.raises(MalformedDocument, match="more than 100 bytes"):
            open_url(server.url, max_unpacked_bytes=100).read("a")

    def test_gzip_that_unpacks_to_nothing_is_stopped_too(
        self, server: MirrorServer, open_url: OpenUrl
    ) -> None:
        server.routes["/a"] = Answer(gzip.compress(b"") * 100, headers={"Content-Encoding": "gzip"})

        with pytest.raises(MalformedDocument, match="more than 100 bytes"):
            open_url(server.url, max_unpacked_bytes=100).read("a")

    def test_document_of_just_the_limit_is_read(self, server: MirrorServer, open_url: OpenUrl) -> None:
        server.routes["/a"] = Answer(bytes(100))

        assert len(fetched(open_url(server.url, max_unpacked_bytes=100).read("a")).body.data) == 100


@pytest.mark.parametrize(
    ("stored", "coding", "message"),
    [
        (gzip.compress(LARGE)[:-1000], "gzip", "end too early"),
        (gzip.compress(b"text")[:-1], "gzip", "end too early"),
        (gzip.compress(b"text")[:-8] + b"\0" * 8, "gzip", "corrupt"),
        (gzip.compress(b"text") + b"rest", "gzip", "corrupt"),
        (b"{}", "gzip", "corrupt"),
        (b"{}", "br", "'br'"),
    ],
    ids=["cut", "cut in the trailer", "wrong checksum", "other bytes after it", "not gzip", "unasked coding"],
)
def test_broken_content_coding_is_malformed_and_not_tried_again(
    server: MirrorServer, open_url: OpenUrl, stored: bytes, coding: str, message: str
) -> None:
    server.routes["/a"] = Answer(stored, headers={"Content-Encoding": coding})

    with pytest.raises(MalformedDocument, match=message) as caught:
        open_url(server.url).read("a")

    assert caught.value.where == f"{server.url}/a"
    assert caught.value.hint
    assert len(server.requests) == 1


class TestProgress:
    def test_total_is_told_where_the_server_announces_it(
        self, server: MirrorServer, open_url: OpenUrl
    ) -> None:
        server.routes["/a"] = Answer(bytes(1_000_000), piece=300_000, pause=0.11)
        told: list[tuple[int, int | None]] = []

        open_url(server.url).read("a", progress=lambda done, total: told.append((done, total)))

        assert len(told) >= 3
        assert {total for _, total in told} == {1_000_000}
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert told[-1] == (1_000_000, 1_000_000)

    def test_total_of_coded_content_is_known_only_at_the_end(
        self, server: MirrorServer, open_url: OpenUrl
    ) -> None:
        server.routes["/a"] = Answer(LARGE, gzip=True, piece=1_000_000, pause=0.11)
        told: list[tuple[int, int | None]] = []

        open_url(server.url).read("a", progress=lambda done, total: told.append((done, total)))

        assert {total for _, total in told[:-1]} == {None}
        assert told[-1] == (3_000_000, 3_000_000)

    def test_many_small_pieces_are_told_once(self, server: MirrorServer, open_url: OpenUrl) -> None:
        server.routes["/a"] = Answer(bytes(500), chunked=True, piece=1)
        told: list[tuple[int, int | None]] = []
        begun = time.monotonic()

        open_url(server.url).read("a", progress=lambda done, total: told.append((done, total)))

        assert told[-1] == (500, 500)
        # Ten times a second and at the end; a busy machine may take its time for the pieces.
        assert len(told) <= 1 + 10 * (time.monotonic() - begun)


def test_a_length_of_any_number_of_digits_is_no_error_of_ours(
    server: MirrorServer, open_url: OpenUrl
) -> None:
    server.routes["/a"] = Answer(b"{}", headers={"Content-Length": "9" * 5000}, cut_after=2)

    assert bytes(fetched(open_url(server.url).read("a")).body.data) == b"{}"


def test_an_unwanted_answer_without_end_is_left() -> None:
    """Reading it to its end would keep the connection, and never come back."""
    piece, most = b"10000\r\n" + b"x" * 65536 + b"\r\n", 1000

    def answer(listening: socket.socket) -> int:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n")
            for sent in range(most):
                try:
                    connection.sendall(piece)
                except OSError:
                    return sent
        return most

    options = TransportOptions(connect_timeout=5, read_timeout=5, retries=0)
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        ThreadPoolExecutor(1) as pool,
        HttpClient(options) as client,
    ):
        sent = pool.submit(answer, listening)
        url = parse_mirror_url(f"http://127.0.0.1:{listening.getsockname()[1]}", cwd=Path("/"))
        assert open_source(url, options, client).read("a") == Missing()
        assert sent.result(timeout=30) < most
