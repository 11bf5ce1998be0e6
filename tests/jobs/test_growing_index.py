"""An index that its maintainer writes while it is read: a sync has one of its states, or none and says so."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cachescope.model.errors import MalformedDocument, MirrorUnavailable
from cachescope.transport.writer import write_atomically
from tests import mirrors
from tests.catalogues import OpenCatalogue, standing

NODES = [mirrors.node(f"package-{number}") for number in range(400)]
STATES = [mirrors.index(mirrors.installs(NODES[:some])) for some in range(40, 401, 40)]
SIZES = [40 * number for number in range(1, 11)]
SYNCS = 25

Write = Callable[[Path, bytes], None]


def grow_in_place(folder: Path, document: bytes) -> None:
    """Write the index of a v2 mirror as a plain copy does: whoever reads meanwhile sees a part of it."""
    file = folder / "build_cache" / "index.json"
    file.parent.mkdir(exist_ok=True)
    with file.open("wb") as out:
        for start in range(0, len(document), 8192):
            out.write(document[start : start + 8192])
            out.flush()


def grow_whole(folder: Path, document: bytes) -> None:
    """Write the index of a v3 mirror as Spack does: the blob, then the manifest that names it."""
    blob = folder / mirrors.blob_place(document)
    blob.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(blob, document)
    manifest = folder / mirrors.manifest_place()
    manifest.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(manifest, mirrors.manifest(document))


@contextmanager
def growing(folder: Path, write: Write) -> Iterator[None]:
    """Let another thread write state after state until the end of the block."""
    write(folder, STATES[0])
    ended = threading.Event()

    def go_on() -> None:
        number = 0
        while not ended.wait(0.05):
            number += 1
            write(folder, STATES[number % len(STATES)])

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


@pytest.mark.parametrize("write", [grow_whole, grow_in_place])
def test_a_sync_has_one_state_of_an_index_that_grows_while_it_is_read(
    write: Write, opened: OpenCatalogue, tmp_path: Path, held: Path
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    updated = 0
    with growing(mirror, write):
        for _ in range(SYNCS):
            for outcome in opened.sync("site", mirror, probe=True):
                assert outcome.error is None or isinstance(
                    outcome.error, MalformedDocument | MirrorUnavailable
                ), outcome.error
                updated += outcome.error is None and bool(outcome.added + outcome.gone)
            if opened.rows("SELECT count(*) FROM source WHERE snapshot_at IS NOT NULL") == [(1,)]:
                assert standing(opened.address).present in SIZES
    assert updated
    write(mirror, STATES[-1])
    outcomes = opened.sync("site", mirror)
    assert [one.error for one in outcomes] == [None]
    assert standing(opened.address).present == SIZES[-1]
    assert list(held.iterdir()) == []
