"""The folder of a pulled mirror: whose it is, what is written for people, and the one file that it can be packed into."""

import fcntl
import json
import os
import shlex
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cachescope.formats.index_writing import LAYOUT_DOCUMENT
from cachescope.model.errors import UserInputError
from cachescope.model.mirror import Layout
from cachescope.transport.writer import unwritable, write_atomically

__all__ = ["claim_folder", "pack", "write_guides"]

_TITLE = "# A Spack build cache that cachescope pulled"
_LOCK = ".pull.lock"

_README = """{title}

It is complete in itself: binaries as their mirrors signed them, public keys, and an index. No network is needed.

    spack mirror add {flag} {name} {url}
    spack buildcache keys --install --trust
    spack buildcache list --allarch
    spack install --cache-only NAME

The second command trusts all keys that lie here: compare their fingerprints first. `mirrors.yaml` says the same as the
first command, for the configuration of a site. If this folder stands elsewhere, the address there is another one. Packages
that were external where the binaries were built are not here: they must be external where they are installed, too.
"""

_MIRRORS = """mirrors:
  {name}:
    url: {url}
    signed: {signed}
"""


@contextmanager
def claim_folder(folder: Path) -> Iterator[None]:
    """Make the folder, and hold it until the end of the block.

    Raises ``UserInputError`` for one that holds something else, that another pull writes to, or that cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _require_ours(folder)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserInputError(
                "another pull writes to this folder", where=str(folder), hint="wait until it has ended"
            ) from error
        yield
    finally:
        os.close(descriptor)


def _require_ours(folder: Path) -> None:
    names = {one.name for one in folder.iterdir()} - {_LOCK}
    readme = folder / "README.md"
    if names and not (readme.is_file() and readme.read_text("utf-8", "replace").startswith(_TITLE)):
        raise UserInputError(
            "the folder holds something that no pull wrote",
            where=str(folder),
            hint="name an empty folder, one that is not there yet, or one of a former pull",
        )


def write_guides(folder: Path, *, name: str, url: str, signed: bool, layouts: set[Layout]) -> None:
    """Write what people and Spack read first: README, ``mirrors.yaml``, and the marker of layout v3."""
    flag = "--signed" if signed else "--unsigned"
    readme = _README.format(title=_TITLE, flag=flag, name=name, url=shlex.quote(url))
    write_atomically(folder / "README.md", readme.encode())
    mirrors = _MIRRORS.format(name=_quoted(name), url=_quoted(url), signed=str(signed).lower())
    write_atomically(folder / "mirrors.yaml", mirrors.encode())
    if Layout.V3 in layouts:
        write_atomically(folder / "v3" / "layout.json", LAYOUT_DOCUMENT)


def _quoted(text: str) -> str:
    """Write a text in YAML, whatever it looks like: ``1.0``, ``no`` and ``a: b`` are names, too."""
    return json.dumps(text, ensure_ascii=False)


def pack(folder: Path, file: Path) -> int:
    """Pack all that is in the folder into one tar file; returns its size. The same content gives the same bytes.

    It stands under its name whole or not at all. Raises ``UserInputError`` where it cannot be written.
    """
    part = file.with_name(f".{file.name[:200]}.part")
    try:
        with (
            part.open("wb") as written,
            tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for path in sorted(_files(folder)):
                if folder / path != file:  # of a former pull, if it stands in the folder itself
                    _add(tar, folder, path)
        with part.open("rb") as whole:
            os.fsync(whole.fileno())
        part.replace(file)
        return file.stat().st_size
    except OSError as error:
        raise unwritable(file, error) from error
    finally:
        part.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield str(Path(place, name).relative_to(folder))


def _add(tar: tarfile.TarFile, folder: Path, path: str) -> None:
    member = tarfile.TarInfo(f"{folder.name}/{path}")
    with (folder / path).open("rb") as file:
        member.size = os.fstat(file.fileno()).st_size
        member.mode = 0o644
        tar.addfile(member, file)
