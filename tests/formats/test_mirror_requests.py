"""Which paths of a mirror are understood, and that no other is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachescope.formats.layouts import archive_path, blob_path, spec_document_paths, spec_manifest_path
from cachescope.formats.mirror_requests import BlobAsked, Fixed, KeyAsked, SpecAsked, read_mirror_path
from cachescope.model.archive import Binary
from cachescope.model.identity import DagHash, Digest, PackageName
from cachescope.model.mirror import Layout
from cachescope.model.spec import Architecture, Compiler

HASH = DagHash("abcdefghijklmnopqrstuvwxyz234567")
SHA = "ab" + "0" * 62
KEY = "0123456789ABCDEF0123456789ABCDEF01234567"
GIT = Binary(
    hash=HASH,
    name=PackageName("py-x.y_z"),
    version="git.feature/x=1.2",
    compiler=Compiler("gcc", "12.2.0"),
    architecture=Architecture("linux", "debian12", "x86_64_v3"),
)
UNDERSTOOD = {
    **{one.value: one for one in Fixed},
    spec_manifest_path(GIT): SpecAsked(HASH, Layout.V3, spec_manifest_path(GIT)),
    spec_document_paths(GIT)[0]: SpecAsked(HASH, Layout.V2, spec_document_paths(GIT)[0]),
    spec_document_paths(GIT)[1]: SpecAsked(HASH, Layout.V2, spec_document_paths(GIT)[1]),
    archive_path(GIT): SpecAsked(HASH, Layout.V2, archive_path(GIT), is_archive=True),
    f"v3/manifests/key/{KEY}.key.manifest.json": KeyAsked(KEY, Layout.V3),
    f"build_cache/_pgp/{KEY}.pub": KeyAsked(KEY, Layout.V2),
    blob_path(Digest("sha256", SHA)): BlobAsked(Digest("sha256", SHA)),
}
NOT_UNDERSTOOD = [
    "",
    "/",
    "v3",
    "v3/layout.json/",
    "/v3/layout.json",
    "v3//layout.json",
    "v3/layout.json\n",
    f"blobs/sha256/ab/{SHA[:-1]}",
    f"blobs/sha256/ab/{SHA}0",
    f"blobs/sha256/ac/{SHA}",
    f"blobs/sha256/ab/{SHA.upper()}",
    f"blobs/md5/ab/{'ab' * 16}",
    f"blobs/sha256/../{SHA}",
    f"v3/manifests/spec/../a-1-{HASH}.spec.manifest.json",
    f"v3/manifests/spec/a/b/a-1-{HASH}.spec.manifest.json",
    f"v3/manifests/spec/a/a-1-{HASH[:-1]}.spec.manifest.json",
    f"v3/manifests/spec/a/a-1-{HASH.upper()}.spec.manifest.json",
    f"v3/manifests/spec/a/a-1-{HASH}.spec.manifest.json?x",
    f"v3/manifests/key/{KEY[:-1]}.key.manifest.json",
    "v3/manifests/key/../keys.manifest.json",
    "build_cache/_pgp/x.pub",
    "http://elsewhere/v3/layout.json",
    "\\..\\etc",
]


@pytest.mark.parametrize("path", UNDERSTOOD)
def test_what_spack_asks_for_is_understood(path: str) -> None:
    assert read_mirror_path(path) == UNDERSTOOD[path]


@pytest.mark.parametrize("path", NOT_UNDERSTOOD)
def test_every_other_path_is_not(path: str) -> None:
    assert read_mirror_path(path) is None


@given(st.text(max_size=60), st.sampled_from(sorted(UNDERSTOOD)), st.integers(0, 100))
def test_no_path_that_is_understood_leaves_the_mirror(inserted: str, path: str, place: int) -> None:
    changed = path[:place] + inserted + path[place:]
    if read_mirror_path(changed) is not None:
        assert changed.isascii()
        assert changed.isprintable()
        assert not changed.startswith("/")
        assert not {"..", ""} & set(changed.split("/"))
