"""A folder that an export owns: it removes what it wrote before, and nothing else."""

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from cachescope.model.errors import UserInputError
from cachescope.transport.owned_folder import LISTING, FolderWriter, owned_folder


def _export(folder: Path, files: dict[str, bytes]) -> tuple[int, int]:
    """Write these files as an export would; returns how many changed, and how many were removed."""
    with owned_folder(folder) as owned, closing(FolderWriter(folder)) as writer:
        changed = 0
        for name, data in files.items():
            changed += writer.write(name, data)
            owned.belongs(name)
        return changed, owned.finish()


def _files(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()} - {LISTING}


def test_files_of_a_former_export_that_no_longer_belong_are_removed(tmp_path: Path) -> None:
    site = tmp_path / "a" / "site"
    assert _export(site, {"index.html": b"1", "spec/ab/one.html": b"1", "spec/ab/two.html": b"1"}) == (3, 0)
    (site / "spec" / "notes.txt").write_text("mine")

    assert _export(site, {"index.html": b"1", "about.html": b"2"}) == (1, 2)

    assert _files(site) == {"index.html", "about.html", "spec/notes.txt"}
    assert not (site / "spec" / "ab").exists()


def test_the_listing_names_what_the_last_export_wrote_in_its_order(tmp_path: Path) -> None:
    _export(tmp_path, {"old.html": b"1"})
    _export(tmp_path, {"b.html": b"1", "a.html": b"1"})
    assert (tmp_path / LISTING).read_text().splitlines()[1:] == ["b.html", "a.html"]


def test_what_an_interrupted_export_left_is_known_to_the_next_one(tmp_path: Path) -> None:
    with owned_folder(tmp_path), closing(FolderWriter(tmp_path)) as writer:
        writer.write("spec/half.html", b"1")  # and the export never comes to its end
    assert _files(tmp_path) == {"spec/half.html"}

    assert _export(tmp_path, {"index.html": b"1"}) == (1, 1)
    assert _files(tmp_path) == {"index.html"}


def test_a_path_that_a_crash_cut_off_is_no_path(tmp_path: Path) -> None:
    _export(tmp_path, {"index.html": b"1"})
    (tmp_path / "mine").write_text("mine")
    with (tmp_path / LISTING).open("ab") as listing:
        listing.write(b"mine")  # of 'mine.html\n'
    assert _export(tmp_path, {"index.html": b"1"}) == (0, 0)
    assert _files(tmp_path) == {"index.html", "mine"}


@pytest.mark.parametrize("path", ["../kept", "/etc/hostname", "out/kept", "spec/../../kept", ""])
def test_an_edited_listing_leads_nowhere_else(tmp_path: Path, path: str) -> None:
    site = tmp_path / "site"
    _export(site, {"index.html": b"1"})
    (tmp_path / "kept").write_text("mine")
    (site / "out").symlink_to(tmp_path)
    with (site / LISTING).open("a") as listing:
        listing.write(f"{path}\n")
    assert _export(site, {"index.html": b"1"}) == (0, 0)
    assert (tmp_path / "kept").exists()


def test_a_folder_with_other_files_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UserInputError, match="no export of the site has written"):
        _export(tmp_path, {"index.html": b"1"})
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_listing_of_another_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / LISTING).write_text("index.html\n")
    with pytest.raises(UserInputError, match="no export of the site has written"):
        _export(tmp_path, {"index.html": b"1"})
    assert (tmp_path / LISTING).read_text() == "index.html\n"


def test_two_exports_do_not_share_a_folder(tmp_path: Path) -> None:
    with owned_folder(tmp_path), pytest.raises(UserInputError, match="another export is writing"):
        _export(tmp_path, {"index.html": b"1"})
    assert _export(tmp_path, {"index.html": b"1"}) == (1, 0)


def test_a_full_disk_is_told_and_leaves_the_former_file(
    tmp_path: Path, small_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    _export(tmp_path, {"index.html": b"old"})
    with small_disk(10_000), pytest.raises(UserInputError, match="no room to write"):
        _export(tmp_path, {"index.html": b"x" * 20_000})
    assert (tmp_path / "index.html").read_bytes() == b"old"
    assert _files(tmp_path) == {"index.html"}


def test_a_place_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserInputError, match="a part of the path is a file"):
        _export(tmp_path / "file" / "site", {"index.html": b"1"})
