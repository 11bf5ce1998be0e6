"""Files that are there whole or not at all."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cachescope.model.errors import UserInputError
from cachescope.transport.writer import write_atomically


def test_new_file_is_written_with_the_folders_above_it(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "page.md"

    assert write_atomically(file, b"text")
    assert file.read_bytes() == b"text"
    assert [one.name for one in file.parent.iterdir()] == ["page.md"]


def test_file_is_replaced_by_other_bytes(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_bytes(b"old")
    file.chmod(0o640)
    with file.open("rb") as reader:
        assert write_atomically(file, b"new")

        assert reader.read() == b"old"  # who reads it keeps the whole former file
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["page.md"]


def test_file_of_the_same_bytes_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_bytes(b"same")
    os.utime(file, ns=(1, 1))
    before = file.stat()

    assert not write_atomically(file, b"same")
    assert file.stat().st_mtime_ns == 1
    assert file.stat().st_ino == before.st_ino


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link, file = tmp_path / "current.md", tmp_path / "page.md"
    link.symlink_to("page.md")
    for text in (b"new", b"newer"):  # the first one where it leads to nothing yet
        assert write_atomically(link, text)
        assert link.is_symlink()
        assert file.read_bytes() == text


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert write_atomically(pipe, b"text")
        assert os.read(reader, 100) == b"text"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert [one.name for one in tmp_path.iterdir()] == ["pipe"]


def test_new_file_has_the_mode_of_new_files(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"")

    write_atomically(tmp_path / "page.md", b"text")

    assert (tmp_path / "page.md").stat().st_mode == plain.stat().st_mode


def test_name_may_be_as_long_as_names_can_be(tmp_path: Path) -> None:
    assert write_atomically(tmp_path / ("x" * 255), b"text")


def test_disk_that_is_full_leaves_the_former_file(
    tmp_path: Path, small_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    file = tmp_path / "page.md"
    file.write_bytes(b"old")

    with small_disk(1000), pytest.raises(UserInputError, match="no room") as caught:
        write_atomically(file, bytes(100_000))

    assert caught.value.where == str(file)
    assert "space" in caught.value.hint
    assert file.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["page.md"]


def test_file_where_a_folder_is_needed_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    for place in (tmp_path / "file" / "page.md", tmp_path / "file" / "below" / "page.md"):
        with pytest.raises(UserInputError, match="is a file, not a folder") as caught:
            write_atomically(place, b"text")
        assert caught.value.where == str(place)


def test_folder_where_the_file_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "page.md").mkdir()

    with pytest.raises(UserInputError, match="a folder stands where the file should be"):
        write_atomically(tmp_path / "page.md", b"text")

    assert [one.name for one in tmp_path.iterdir()] == ["page.md"]


def test_name_that_the_disk_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="File name too long"):
        write_atomically(tmp_path / ("x" * 256), b"text")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["page.md", "below/page.md"])
def test_folder_without_permission_is_told(
    shared_folder: Path, unprivileged: Callable[[], AbstractContextManager[None]], name: str
) -> None:
    closed = shared_folder / "out"
    closed.mkdir(mode=0o555)

    with unprivileged(), pytest.raises(UserInputError, match="not allowed to write") as caught:
        write_atomically(closed / name, b"text")

    assert "permissions" in caught.value.hint
    assert list(closed.iterdir()) == []
