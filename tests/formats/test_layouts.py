"""Where things are in a mirror, and which mirror an address belongs to."""

import pytest

from cachescope.formats.layouts import blob_path, index_locations, mirror_root_of_index, view_location
from cachescope.model.identity import Digest, ViewName
from cachescope.model.mirror import Layout
from tests.formats.samples import V2, V3

HEX = "ab" + "0" * 62


def test_indexes_are_probed_in_spacks_order() -> None:
    assert [(one.layout, one.view, one.path) for one in index_locations()] == [
        (Layout.V3, None, "v3/manifests/index/index.manifest.json"),
        (Layout.V2, None, "build_cache/index.json"),
    ]
    assert (V3 / index_locations()[0].path).is_file()
    assert (V2 / index_locations()[1].path).is_file()


def test_view_has_its_index_manifest_in_a_folder_of_its_name() -> None:
    found = view_location(ViewName("science"))
    assert (found.layout, found.view) == (Layout.V3, "science")
    assert found.path == "v3/manifests/index/science/index.manifest.json"
    assert (V3 / found.path).is_file()


def test_blobs_stand_beside_the_layout_not_in_it() -> None:
    assert blob_path(Digest("sha256", HEX)) == f"blobs/sha256/ab/{HEX}"


@pytest.mark.parametrize(
    ("address", "root"),
    [
        ("https://b.org/develop/e4s/v3/manifests/index/index.manifest.json", "https://b.org/develop/e4s"),
        (
            "https://b.org/develop/e4s/v3/manifests/index/science/index.manifest.json",
            "https://b.org/develop/e4s",
        ),
        (f"s3://spack-binaries/develop/blobs/sha256/ab/{HEX}", "s3://spack-binaries/develop"),
        (f"s3://spack-binaries/blobs/sha256/ab/{HEX}", "s3://spack-binaries"),
        ("https://b.org/v0.20/build_cache/index.json", "https://b.org/v0.20"),
        ("file:///srv/mirror/build_cache/index.json.hash", "file:///srv/mirror"),
        ("https://b.org/m/v10/manifests/index/index.manifest.json", "https://b.org/m"),
        (f"https://b.org/blobs/site/blobs/sha256/ab/{HEX}", "https://b.org/blobs/site"),
        ("https://b.org/blobs/site/v3/manifests/index/index.manifest.json", "https://b.org/blobs/site"),
        ("https://b.org/build_cache/site/build_cache/index.json", "https://b.org/build_cache/site"),
        ("https://b.org/v3/manifests.old/x", None),
        ("https://b.org/develop/e4s", None),
        ("https://b.org/develop/e4s/index.json", None),
        ("https://b.org/develop/myblobs/x", None),
        ("https://b.org/develop/v3x/manifests/index/index.manifest.json", None),
        ("build_cache/index.json", None),
        ("", None),
    ],
)
def test_mirror_is_what_stands_before_the_last_part_of_a_layout(address: str, root: str | None) -> None:
    assert mirror_root_of_index(address) == root
