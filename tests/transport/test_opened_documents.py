"""Opening a document as it is stored: chunk by chunk, from the middle, and over connections that break."""

import hashlib
from contextlib import closing
from pathlib import Path

import pytest

from cachescope.model.errors import AccessDenied, MirrorUnavailable
from cachescope.transport.source import ByteSource, Missing, Opened
from tests.servers import Answer, MirrorServer, Seen, redirect
from tests.transport.conftest import OpenUrl

BLOB = hashlib.shake_256(b"blob").digest(700_000)


def _taken(source: ByteSource) -> bytes:
    opened = source.open("blob")
    assert isinstance(opened, Opened)
    with closing(opened.chunks) as chunks:
        return b"".join(chunks)


def _from_range(request: Seen) -> Answer:
    asked = request.headers.get("range", "")
    if not asked:
        return Answer(BLOB)
    start = int(asked.removeprefix("bytes=").removesuffix("-"))
    if start >= len(BLOB):
        return Answer(b"", 416)
    return Answer(BLOB[start:], 206, {"Content-Range": f"bytes {start}-{len(BLOB) - 1}/{len(BLOB)}"})


class TestOverHttp:
    def test_bytes_come_as_they_are_stored(self, server: MirrorServer, open_url: OpenUrl) -> None:
        server.routes["/blob"] = Answer(BLOB, gzip=True)

        opened = open_url(server.url).open("blob")

        assert isinstance(opened, Opened)
        assert (opened.start, opened.size) == (0, len(BLOB))
        with closing(opened.chunks):
            assert b"".join(opened.chunks) == BLOB
        assert server.requests[0].headers["accept-encoding"] == "identity"

    def test_reading_may_begin_in_the_middle(self, server: MirrorServer, open_url: OpenUrl) -> None:
        server.routes["/blob"] = _from_range

        opened = open_url(server.url).open("blob", start=600_000)

        assert isinstance(opened, Opened)
        assert (opened.start, opened.size) == (600_000, len(BLOB))
        assert b"".join(opened.chunks) == BLOB[600_000:]

    def test_server_without_ranges_says_so_by_where_it_begins(
        self, server: MirrorServer, open_url: OpenUrl
    ) -> None:
        server.routes["/blob"] = Answer(BLOB)

        opened = open_url(server.url).open("blob", start=600_000)

        assert isinstance(opened, Opened)
        assert opened.start == 0
        assert b"".join(opened.chunks) == BLOB

    def test_place_behind_the_end_begins_anew(self, server: MirrorServer, open_url: OpenUrl) -> None:
        server.routes["/blob"] = _from_range

        opened = open_url(server.url).open("blob", start=len(BLOB) + 5)

        assert isinstance(opened, Opened)
        assert opened.start == 0
        assert b"".join(opened.chunks) == BLOB

    @pytest.mark.parametrize("knows_ranges", [True, False])
    def test_broken_connection_is_taken_up_where_it_broke(
        self, server: MirrorServer, open_url: OpenUrl, *, knows_ranges: bool
    ) -> None:
        def answer(request: Seen) -> Answer:
            if len(server.requests) == 1:
                return Answer(BLOB, cut_after=300_000)
            return _from_range(request) if knows_ranges else Answer(BLOB)

        server.routes["/blob"] = answer

        assert _taken(open_url(server.url)) == BLOB
        assert [one.headers.get("range") for one in server.requests] == [None, "bytes=300000-"]

    def test_connection_that_always_breaks_is_given_up(self, server: MirrorServer, open_url: OpenUrl) -> None:
        server.routes["/blob"] = Answer(BLOB, cut_after=10)

        with pytest.raises(MirrorUnavailable, match="broke before the answer was whole; tried 3 times"):
            _taken(open_url(server.url))

    def test_silence_in_the_middle_is_an_error(self, server: MirrorServer, open_url: OpenUrl) -> None:
        server.routes["/blob"] = Answer(BLOB, hangs_after=1000)

        with pytest.raises(MirrorUnavailable, match=r"sent nothing for 0\.2 s"):
            _taken(open_url(server.url, read_timeout=0.2, retries=0))

    def test_redirects_are_followed_without_credentials_for_others(
        self, server: MirrorServer, open_url: OpenUrl
    ) -> None:
        server.routes |= {"/blob": redirect(f"{server.url_at('localhost')}/there"), "/there": Answer(b"x")}

        assert _taken(open_url(f"http://user:secret@127.0.0.1:{server.port}")) == b"x"
        assert "authorization" in server.requests[0].headers
        assert "authorization" not in server.requests[1].headers

    def test_what_is_not_there_is_missing_and_what_is_refused_raises(
        self, server: MirrorServer, open_url: OpenUrl
    ) -> None:
        server.routes["/secret"] = Answer(b"", 403)
        source = open_url(server.url)

        assert source.open("blob") == Missing()
        with pytest.raises(AccessDenied):
            source.open("secret")

    def test_document_that_goes_away_meanwhile_is_an_error(
        self, server: MirrorServer, open_url: OpenUrl
    ) -> None:
        server.routes["/blob"] = [Answer(BLOB, cut_after=300_000), Answer(b"", 404)]

        with pytest.raises(MirrorUnavailable, match="went away"):
            _taken(open_url(server.url))

    def test_connection_is_given_back_when_nobody_reads_on(
        self, server: MirrorServer, open_url: OpenUrl
    ) -> None:
        server.routes["/blob"] = Answer(BLOB)
        opened = open_url(server.url).open("blob")
        assert isinstance(opened, Opened)

        opened.chunks.close()

        assert b"".join(opened.chunks) == b""


class TestFiles:
    def test_file_comes_whole_or_from_the_middle(self, tmp_path: Path, open_url: OpenUrl) -> None:
        (tmp_path / "blob").write_bytes(BLOB)
        source = open_url(str(tmp_path))

        assert _taken(source) == BLOB
        opened = source.open("blob", start=699_999)
        assert isinstance(opened, Opened)
        assert (opened.start, opened.size) == (699_999, len(BLOB))
        assert b"".join(opened.chunks) == BLOB[-1:]

    def test_folders_and_nothing_are_missing(self, tmp_path: Path, open_url: OpenUrl) -> None:
        (tmp_path / "folder").mkdir()
        source = open_url(str(tmp_path))

        assert source.open("folder") == Missing()
        assert source.open("nothing") == Missing()

    def test_folder_that_is_not_mounted_raises(self, tmp_path: Path, open_url: OpenUrl) -> None:
        with pytest.raises(MirrorUnavailable, match="no such folder"):
            open_url(str(tmp_path / "gone")).open("blob")
