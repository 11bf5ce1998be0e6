"""What manifests named and is not in the catalogue yet."""

from pathlib import Path

import pytest

from cachescope.catalogue.blob_places import NamedBlob
from cachescope.catalogue.engine import Catalogue
from cachescope.jobs.virtual_manifests import BlobNotes
from cachescope.model.errors import CatalogueUnusable
from cachescope.model.identity import Digest


def _blob(number: int) -> NamedBlob:
    return NamedBlob(Digest("sha256", f"{number:064x}"), number, is_archive=True)


@pytest.fixture
def notes() -> BlobNotes:
    """Notes of a process that may not write."""

    def refused() -> Catalogue:
        raise CatalogueUnusable("the catalogue cannot be written", where=str(Path("/x")), hint="")

    return BlobNotes(refused)


def test_what_cannot_be_written_is_known_until_much_more_came(
    notes: BlobNotes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cachescope.jobs.virtual_manifests._MOST_PENDING", 3)
    for number in range(4):
        assert not notes.note(1, number, [_blob(number), _blob(99)])
    assert notes.pending(_blob(0).digest) == [], "the oldest makes room"
    assert notes.pending(_blob(3).digest) == [(1, 3, _blob(3))]
    assert [spec for _, spec, _ in notes.pending(_blob(99).digest)] == [1, 2, 3]
    assert not notes.note(1, 1, [_blob(7)])
    assert notes.pending(_blob(1).digest) == [], "a manifest names what it names now"
    assert [spec for _, spec, _ in notes.pending(_blob(99).digest)] == [2, 3]
    notes.close()
