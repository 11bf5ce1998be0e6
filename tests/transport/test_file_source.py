"""Mirrors in a folder."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cachescope.model.errors import MalformedDocument, MirrorUnavailable, UserInputError
from cachescope.model.mirror import MirrorUrl
from cachescope.transport.file_source import FileSource
from cachescope.transport.opening import HttpClient, TransportOptions, open_source
from cachescope.transport.source import Fetched, Missing, Unchanged
from tests.transport.conftest import OpenUrl

Unprivileged = Callable[[], AbstractContextManager[None]]
MAPPED = 64 * 1024 * 1024


def fetched(outcome: object) -> Fetched:
    assert isinstance(outcome, Fetched)
    return outcome


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    return FileSource(tmp_path, limit=2 * MAPPED)


def test_plain_path_and_file_address_open_the_same_folder(open_url: OpenUrl, tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(b"x")

    for url in (str(tmp_path), f"file://{tmp_path}"):
        assert bytes(fetched(open_url(url).read("a b")).body.data) == b"x"


def test_scheme_that_is_not_read_is_refused(options: TransportOptions) -> None:
    with HttpClient(options) as client, pytest.raises(UserInputError, match="s3://"):
        open_source(MirrorUrl("s3://bucket"), options, client)


@pytest.mark.parametrize("content", [b"", b"{}", bytes(range(256)) * 40_000], ids=["empty", "small", "large"])
def test_read_gives_the_bytes_of_the_file(source: FileSource, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v3").mkdir()
    (tmp_path / "v3" / "a").write_bytes(content)

    with fetched(source.read("v3/a")).body as body:
        assert bytes(body.data) == content
        assert body.data.readonly


@pytest.mark.parametrize("size", [MAPPED - 1, MAPPED])
def test_file_that_shrinks_after_reading_is_whole_below_the_size_of_mapping(
    source: FileSource, tmp_path: Path, size: int
) -> None:
    file = tmp_path / "a"
    with file.open("wb") as sparse:
        sparse.truncate(size)

    with fetched(source.read("a")).body as body:
        assert len(body.data) == size
        if size < MAPPED:
            os.truncate(file, 0)
        assert bytes(body.data[-2:]) == b"\0\0"  # a mapped page that is gone would end the process


def test_read_with_the_validator_of_the_file_says_unchanged(source: FileSource, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")

    validator = fetched(source.read("a")).validator

    assert validator
    assert source.read("a", known=validator) == Unchanged()


def _grown(file: Path) -> None:
    file.write_bytes(b"xy")


def _touched(file: Path) -> None:
    os.utime(file, ns=(1, 1))


def _replaced(file: Path) -> None:
    status = file.stat()
    other = file.with_name("other")
    other.write_bytes(b"y")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(file)


@pytest.mark.parametrize("change", [_grown, _touched, _replaced])
def test_change_of_the_file_is_seen(
    source: FileSource, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"x")
    validator = fetched(source.read("a")).validator

    change(file)

    again = fetched(source.read("a", known=validator))
    assert bytes(again.body.data) == file.read_bytes()
    assert again.validator != validator


def test_what_is_no_file_is_missing(source: FileSource, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")

    for path in ("none", "folder", "file/below", "pipe", "dangling", "none/none"):
        assert source.read(path) == Missing(), path


def test_links_out_of_the_mirror_are_followed(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a").write_bytes(b"linked")
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "v3").symlink_to(tmp_path / "store")

    outcome = FileSource(tmp_path / "mirror", limit=100).read("v3/a")

    assert bytes(fetched(outcome).body.data) == b"linked"


@pytest.mark.parametrize("path", ["", "/etc/passwd", "..", "../a", "a/../../b", "a//b", "a\\b", "a\0b", "."])
def test_paths_that_lead_elsewhere_are_refused(source: FileSource, path: str) -> None:
    with pytest.raises(ValueError, match="not a plain path"):
        source.read(path)


@pytest.mark.parametrize("path", ["/etc", "..", "a/.."])
def test_listing_does_not_lead_elsewhere(source: FileSource, path: str) -> None:
    with pytest.raises(ValueError, match="not a plain path"):
        source.list_folders(path)


def test_mirror_whose_folder_is_gone_is_unavailable_and_not_empty(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    for root in (tmp_path / "none", tmp_path / "file"):
        source = FileSource(root, limit=100)
        for ask in (source.read, source.list_folders, source.list_files):
            with pytest.raises(MirrorUnavailable, match="no such folder") as caught:
                ask("a")
            assert caught.value.where == str(root)
            assert "mounted" in caught.value.hint


def test_file_without_permission_is_unavailable(shared_folder: Path, unprivileged: Unprivileged) -> None:
    file = shared_folder / "a"
    file.write_bytes(b"x")
    file.chmod(0)

    with unprivileged(), pytest.raises(MirrorUnavailable, match="not allowed to read") as caught:
        FileSource(shared_folder, limit=100).read("a")

    assert caught.value.where == str(file)
    assert "permission" in caught.value.hint


def test_folder_without_permission_is_unavailable(shared_folder: Path, unprivileged: Unprivileged) -> None:
    closed = shared_folder / "mirror"
    closed.mkdir(mode=0)
    source = FileSource(closed, limit=100)

    with unprivileged():
        for ask in (source.read, source.list_folders):
            with pytest.raises(MirrorUnavailable, match="not allowed to read"):
                ask("a")
    closed.chmod(0o700)


def test_links_in_a_circle_are_told(source: FileSource, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("a")

    with pytest.raises(MirrorUnavailable, match="symbolic links"):
        source.read("a")


def test_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(101))

    with pytest.raises(MalformedDocument, match="more than 100 bytes") as caught:
        FileSource(tmp_path, limit=100).read("a")

    assert "max_unpacked_bytes" in caught.value.hint


def test_names_are_listed_by_kind_and_sorted(source: FileSource, tmp_path: Path) -> None:
    (tmp_path / "v3" / "z").mkdir(parents=True)
    (tmp_path / "v3" / "b").mkdir()
    (tmp_path / "v3" / "link").symlink_to("z")
    (tmp_path / "v3" / "2.md").write_bytes(b"")
    (tmp_path / "v3" / "1.md").write_bytes(b"")

    assert source.list_folders("v3") == ["b", "link", "z"]
    assert source.list_files("v3") == ["1.md", "2.md"]
    assert source.list_folders("") == ["v3"]
    assert source.list_files("none") == []
    assert source.list_folders("v3/1.md") == []


@pytest.mark.parametrize("size", [0, 10, MAPPED], ids=["empty", "small", "mapped"])
def test_progress_ends_with_the_size(source: FileSource, tmp_path: Path, size: int) -> None:
    with (tmp_path / "a").open("wb") as sparse:
        sparse.truncate(size)
    told: list[tuple[int, int | None]] = []

    with fetched(source.read("a", progress=lambda done, total: told.append((done, total)))).body:
        assert told[-1] == (size, size)
