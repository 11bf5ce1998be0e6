"""Which sources name a blob: by what was read of sizes, and by manifests that were served."""

import pytest

from cachescope.catalogue.blob_places import NamedBlob, blob_places, note_named_blobs
from cachescope.model.identity import Digest
from cachescope.model.mirror import Layout
from cachescope.model.virtual import BlobPlace
from tests.catalogues import V2, V3, OpenCatalogue

SHA = "ab" * 32


def _places(opened: OpenCatalogue, digest: str = SHA, algorithm: str = "sha256") -> list[BlobPlace]:
    with opened.catalogue.reading() as connection:
        return list(blob_places(connection, algorithm, digest))


def _note(opened: OpenCatalogue, source: int, *blobs: NamedBlob, spec: int = 1) -> None:
    with opened.catalogue.writing() as connection:
        note_named_blobs(connection, source_id=source, spec_id=spec, blobs=blobs)


def test_a_digest_that_nothing_named_has_no_place(opened: OpenCatalogue) -> None:
    opened.sync("site", V3)
    assert _places(opened) == []


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "AB" * 32, "ab" * 31, "ab" * 33, "é" * 64])
def test_what_is_no_digest_has_no_place(opened: OpenCatalogue, digest: str) -> None:
    assert _places(opened, digest) == []
    assert _places(opened, SHA, "md5") == []


def test_a_blob_is_where_a_manifest_named_it(opened: OpenCatalogue) -> None:
    opened.sync("site", V3)
    _note(opened, 1, NamedBlob(Digest("sha256", SHA), 7, is_archive=True))
    (place,) = _places(opened)
    assert (str(place.mirror), place.url.text, place.layout) == ("site/root", f"file://{V3}", Layout.V3)
    assert (place.digest, place.size) == (Digest("sha256", SHA), 7)
    assert _places(opened, algorithm="sha512") == []


def test_a_manifest_that_changed_names_only_what_it_names_now(opened: OpenCatalogue) -> None:
    opened.sync("site", V3)
    _note(opened, 1, NamedBlob(Digest("sha256", SHA), 7, is_archive=True))
    _note(opened, 1, NamedBlob(Digest("sha256", "cd" * 32), 7, is_archive=True))
    assert _places(opened) == []
    assert len(_places(opened, "cd" * 32)) == 1


def test_places_are_in_the_order_of_the_sources_that_are_asked_for(opened: OpenCatalogue) -> None:
    opened.sync("a", V3)
    opened.sync("b", V3)
    for source in (1, 2):
        _note(opened, source, NamedBlob(Digest("sha256", SHA), None, is_archive=False))
    assert [str(one.mirror) for one in _places(opened)] == ["a/root", "b/root"]
    with opened.catalogue.reading() as connection:
        chosen = blob_places(connection, "sha256", SHA, sources=[2, 1])
        alone = blob_places(connection, "sha256", SHA, sources=[2])
    assert [str(one.mirror) for one in chosen] == ["b/root", "a/root"]
    assert [str(one.mirror) for one in alone] == ["b/root"]


def test_archives_whose_digests_sizes_read_have_places(opened: OpenCatalogue) -> None:
    opened.sync("site", V3)
    opened.sizes()
    ((digest,),) = opened.rows("SELECT digest FROM archive WHERE digest IS NOT NULL ORDER BY spec_id LIMIT 1")
    (place,) = _places(opened, bytes(digest).hex())
    assert place.binary is not None
    assert place.size is not None


def test_the_archive_of_layout_v2_comes_with_what_its_path_is_made_of(opened: OpenCatalogue) -> None:
    opened.sync("old", V2)
    ((spec, name),) = opened.rows(
        "SELECT spec.id, name.text FROM spec JOIN name ON name.id = name_id "
        "JOIN presence ON spec_id = spec.id WHERE state = 2 ORDER BY spec.id LIMIT 1"
    )
    _note(opened, 1, NamedBlob(Digest("sha256", SHA), None, is_archive=True), spec=spec)
    (place,) = _places(opened)
    assert place.layout is Layout.V2
    assert place.binary is not None
    assert place.binary.name == name


def test_what_a_removed_mirror_named_is_forgotten(opened: OpenCatalogue) -> None:
    opened.sync("site", V3)
    _note(opened, 1, NamedBlob(Digest("sha256", SHA), 7, is_archive=True))
    opened.remove("site")
    assert _places(opened) == []
    assert opened.rows("SELECT count(*) FROM named_blob") == [(0,)]
