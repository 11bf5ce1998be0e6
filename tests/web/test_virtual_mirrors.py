"""Virtual mirrors over HTTP: the requests that real Spack makes of a mirror (as its log has them), and those of others."""

import hashlib
import http.client
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cachescope import compose
from cachescope.catalogue.virtual_definitions import define_virtual
from cachescope.formats.manifest_json import decode_manifest
from cachescope.jobs.virtual_definition import make_definition
from tests import mirrors
from tests.binaries import (
    APP,
    BROKEN,
    GLIBC,
    GONE,
    LIB,
    NOBODYS_FINGERPRINT,
    NOBODYS_KEY,
    TOOL,
    archive_of,
    has_gpg,
    new_signer,
    verifies,
    write_binaries,
    write_old_binaries,
)
from tests.catalogues import OpenCatalogue
from tests.servers import Answer, MirrorServer
from tests.web.conftest import served
from tests.web.site import Document
from tests.web.test_statements import counting

INDEX = "v3/manifests/index/index.manifest.json"
MISSING = [
    "build_cache/index.json",
    "build_cache/_pgp/index.json",
    f"build_cache/linux-debian12-x86_64_v3-none-none-app-1.1-{APP['hash']}.spec.json.sig",
    "v3/manifests/index/other/index.manifest.json",
    "v3/manifests/spec/app/",
    f"v3/manifests/spec/other/app-1.1-{APP['hash']}.spec.manifest.json",
    f"v3/manifests/spec/app/app-1.2-{APP['hash']}.spec.manifest.json",
    f"v3/manifests/spec/app/../app/app-1.1-{APP['hash']}.spec.manifest.json",
    f"v3/manifests/spec/../../../../etc/app-1.1-{APP['hash']}.spec.manifest.json",
    f"v3/manifests/spec/glibc/glibc-2.36-{GLIBC['hash']}.spec.manifest.json",
    "v3/manifests/key/../../../../../etc/passwd",
    f"v3/manifests/key/{'CD' * 20}.key.manifest.json",
    "blobs/sha256/00/" + "0" * 64,
    "blobs/sha256/ab/" + "0" * 64,
    "blobs/md5/00/" + "0" * 32,
    "blobs/sha256/../../etc/passwd",
    "blobs/sha256/..%2f..%2fetc/passwd",
    "/etc/passwd",
    "http://127.0.0.1:1/",
    "a" * 5000,
    "v3/layout.json\x00",
    "%00",
]


@dataclass(frozen=True)
class Got:
    """An answer; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Client:
    """Asks as Spack does, and follows nothing by itself."""

    site: str

    def __call__(self, path: str, method: str = "GET", **headers: str) -> Got:
        address = urlsplit(self.site)
        connection = http.client.HTTPConnection(address.netloc, timeout=60)
        try:
            # As it stands: what a client library would tidy up is what is tested.
            connection.putrequest(method, path.replace("\x00", "%00"), skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, found, answer.read())
        finally:
            connection.close()

    def manifest_of(self, one: mirrors.Node, mirror: str = "lab") -> Got:
        return self(f"/mirror/{mirror}/{mirrors.spec_manifest_place(one)}")

    def index(self, mirror: str = "lab") -> Any:
        """Read the index as Spack does: the manifest, then the blob that it names."""
        (blob,) = decode_manifest(self(f"/mirror/{mirror}/{INDEX}").body, kind="index manifest").blobs
        digest = blob.digest.hexadecimal
        content = self(f"/mirror/{mirror}/blobs/sha256/{digest[:2]}/{digest}").body
        assert (len(content), hashlib.sha256(content).hexdigest()) == (blob.size, digest)
        return json.loads(content)["database"]["installs"]


@contextmanager
def serving(opened: OpenCatalogue, folder: Path, settings: str = "", **options: Any) -> Iterator[Client]:
    """Serve a catalogue with its virtual mirrors, as 'serve' does."""
    file = folder / "config.toml"
    file.write_text(f"virtual_folder = '{folder / 'virtual'}'\nretries = 0\n{settings}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACHESCOPE_CONFIG", str(file))
        patch.delenv("CACHESCOPE_VIRTUAL_FOLDER")
        chosen = compose.settings({"db": str(opened.file)})
    with (
        compose.virtual_mirrors(opened.catalogue, chosen) as virtual,
        served(opened.reader, virtual=virtual, **options) as site,
    ):
        yield Client(site)


def define(opened: OpenCatalogue, name: str, *sources: str, **parts: Any) -> None:
    with opened.catalogue.writing() as connection:
        define_virtual(connection, make_definition(name, sources, **parts), now=opened.clock)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with a mirror of layout v3."""
    return write_binaries(tmp_path / "source")


@pytest.fixture
def lab(opened: OpenCatalogue, source: Path, tmp_path: Path) -> Iterator[Client]:
    """A site with the virtual mirror 'lab' of that folder."""
    opened.sync("site", source)
    define(opened, "lab", "site")
    with serving(opened, tmp_path) as client:
        yield client


def test_requests_of_the_log_are_answered_in_their_order(lab: Client, source: Path) -> None:
    asked = lab(f"/mirror/lab/{INDEX}", "HEAD")
    assert (asked.status, asked.body) == (200, b"")
    present = {key for key, one in lab.index().items() if one["in_buildcache"]}
    assert present == {APP["hash"], LIB["hash"]}
    assert lab("/mirror/lab/build_cache/index.json", "HEAD").status == 404

    (listed,) = decode_manifest(
        lab("/mirror/lab/v3/manifests/key/keys.manifest.json").body, kind="keys"
    ).blobs
    keys = lab(f"/mirror/lab/blobs/sha256/{listed.digest.hexadecimal[:2]}/{listed.digest.hexadecimal}").body
    assert json.loads(keys) == {"keys": {NOBODYS_FINGERPRINT: {}}}
    told = lab(f"/mirror/lab/v3/manifests/key/{NOBODYS_FINGERPRINT}.key.manifest.json").body
    (key,) = decode_manifest(told, kind="key").blobs
    found = lab(f"/mirror/lab/blobs/sha256/{key.digest.hexadecimal[:2]}/{key.digest.hexadecimal}").body
    assert found == NOBODYS_KEY
    assert lab("/mirror/lab/build_cache/_pgp/index.json").status == 404
    assert lab("/mirror/lab/build_cache/_pgp/index.json", "HEAD").status == 404

    for one in (LIB, APP):
        manifest = lab.manifest_of(one)
        assert manifest.body == (source / mirrors.spec_manifest_place(one)).read_bytes()
        blob = lab(f"/mirror/lab/{mirrors.blob_place(archive_of(one))}")
        assert (blob.status, blob.body) == (200, archive_of(one))
    assert lab("/mirror/lab/v3/layout.json").body == b'{"signing": "gpg"}'


def test_a_client_that_has_the_index_is_told_so(lab: Client) -> None:
    first = lab(f"/mirror/lab/{INDEX}")
    again = lab(f"/mirror/lab/{INDEX}", If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    digest = json.loads(first.body)["data"][0]["checksum"]
    place = f"/mirror/lab/blobs/sha256/{digest[:2]}/{digest}"
    blob = lab(place, "HEAD")
    assert (blob.status, blob.body) == (200, b"")
    assert int(blob.headers["content-length"]) == json.loads(first.body)["data"][0]["contentLength"]
    assert lab(place, If_None_Match=blob.headers["etag"]).status == 304


@pytest.mark.parametrize("path", MISSING)
def test_every_other_path_is_refused_in_a_line(lab: Client, path: str) -> None:
    got = lab(f"/mirror/lab/{path}")
    assert got.status == 404
    assert len(got.body) < 200
    assert b"root:" not in got.body


def test_a_source_on_the_web_is_where_clients_are_sent_for_blobs(
    opened: OpenCatalogue, source: Path, tmp_path: Path
) -> None:
    with MirrorServer(folder=source) as web, serving(opened, tmp_path) as client:
        opened.sync("site", web.url)
        define(opened, "lab", "site")
        client.manifest_of(APP)
        got = client(f"/mirror/lab/{mirrors.blob_place(archive_of(APP))}")
        assert (got.status, got.headers["location"]) == (
            302,
            f"{web.url}/{mirrors.blob_place(archive_of(APP))}",
        )


def test_credentials_of_a_source_reach_no_client(opened: OpenCatalogue, source: Path, tmp_path: Path) -> None:
    with MirrorServer(folder=source) as web, serving(opened, tmp_path) as client:
        opened.sync("site", web.url_at("user:secret@127.0.0.1"))
        define(opened, "lab", "site")
        answers = [
            client.manifest_of(APP),
            client(f"/mirror/lab/{mirrors.blob_place(archive_of(APP))}"),
            client("/mirror/lab/", Accept="text/html"),
            client("/api/v1/mirror/lab/"),
            client.manifest_of(BROKEN),
        ]
        web.folder = tmp_path / "empty"
        answers.append(client.manifest_of(LIB))
        answers.append(client("/mirror/lab/", Accept="text/html"))
    assert [one.status for one in answers] == [200, 200, 200, 200, 404, 404, 200]
    assert answers[1].body == archive_of(APP)
    assert not any(b"secret" in one.body or "secret" in str(one.headers) for one in answers)
    kept = [one.read_bytes() for one in (tmp_path / "virtual").rglob("*") if one.is_file()]
    assert not any(b"secret" in one for one in kept)


def test_a_blob_is_served_only_after_a_manifest_named_it(lab: Client) -> None:
    place = f"/mirror/lab/{mirrors.blob_place(archive_of(APP))}"
    assert lab(place).status == 404
    lab.manifest_of(APP)
    assert lab(place).status == 200
    assert lab(f"/mirror/lab/{mirrors.blob_place(archive_of(BROKEN))}").status == 404


def test_a_digest_that_nobody_named_is_refused_without_asking_a_source(
    opened: OpenCatalogue, source: Path, tmp_path: Path
) -> None:
    with MirrorServer(folder=source) as web, serving(opened, tmp_path) as client:
        opened.sync("site", web.url)
        define(opened, "lab", "site")
        client.index()
        web.requests.clear()
        assert client("/mirror/lab/blobs/sha256/ab/" + "ab" * 32).status == 404
        assert web.requests == []


def test_keys_that_one_process_listed_are_given_by_another(
    opened: OpenCatalogue, source: Path, tmp_path: Path
) -> None:
    with MirrorServer(folder=source) as web:
        opened.sync("site", web.url)
        for name in ("lab", "same"):
            define(opened, name, "site")
        with serving(opened, tmp_path) as client:
            for name in ("lab", "same"):
                assert client(f"/mirror/{name}/v3/manifests/key/keys.manifest.json").status == 200
        web.requests.clear()
        with serving(opened, tmp_path) as client:
            for name in ("lab", "same"):
                assert client(f"/mirror/{name}/{mirrors.blob_place(NOBODYS_KEY)}").body == NOBODYS_KEY
        assert web.requests == []


def test_what_manifests_named_holds_over_a_restart(
    opened: OpenCatalogue, source: Path, tmp_path: Path
) -> None:
    opened.sync("site", source)
    define(opened, "lab", "site")
    with serving(opened, tmp_path) as client:
        client.manifest_of(APP)
    with serving(opened, tmp_path) as client:
        assert client(f"/mirror/lab/{mirrors.blob_place(archive_of(APP))}").body == archive_of(APP)


def test_a_kept_manifest_names_its_blobs_to_a_catalogue_that_forgot_them(
    lab: Client, opened: OpenCatalogue
) -> None:
    place = f"/mirror/lab/{mirrors.blob_place(archive_of(APP))}"
    lab.manifest_of(APP)
    with opened.catalogue.writing() as connection:
        connection.exec_driver_sql("DELETE FROM named_blob")
    assert lab(place).status == 404
    assert lab.manifest_of(APP).status == 200
    assert lab(place).body == archive_of(APP)


def test_blobs_whose_digests_a_sync_of_sizes_read_are_served_without_a_manifest(
    lab: Client, opened: OpenCatalogue
) -> None:
    opened.sizes()
    assert lab(f"/mirror/lab/{mirrors.blob_place(archive_of(APP))}").body == archive_of(APP)


def test_a_manifest_is_served_while_another_process_writes_the_catalogue(
    lab: Client, opened: OpenCatalogue
) -> None:
    with opened.catalogue.writing() as connection:
        connection.exec_driver_sql("UPDATE source SET warnings = warnings")
        assert lab.manifest_of(APP).status == 200
        blob = lab(f"/mirror/lab/{mirrors.blob_place(archive_of(APP))}")
        assert (blob.status, blob.body) == (200, archive_of(APP))
    assert opened.rows("SELECT count(*) FROM named_blob") == [(0,)]
    lab.manifest_of(LIB)
    assert opened.rows("SELECT count(*) FROM named_blob") == [(4,)], "what waited is written with the next"


def test_a_part_of_a_blob_is_given(lab: Client) -> None:
    lab.manifest_of(APP)
    place, whole = f"/mirror/lab/{mirrors.blob_place(archive_of(APP))}", archive_of(APP)
    part = lab(place, Range="bytes=10-19")
    assert (part.status, part.body) == (206, whole[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    rest = lab(place, Range="bytes=10-")
    assert (rest.status, rest.body) == (206, whole[10:])
    assert lab(place, Range=f"bytes={len(whole)}-").status == 416
    assert lab(place, Range="bytes=5-3").body == whole, "what means nothing is no range"
    held = lab(place, Range="bytes=10-19", If_None_Match=part.headers["etag"])
    assert (held.status, held.body) == (304, b"")


def test_wrong_bytes_of_a_small_blob_are_refused_before_any_goes_out(lab: Client, source: Path) -> None:
    lab.manifest_of(APP)
    place = mirrors.blob_place(archive_of(APP))
    mirrors.write(source, place, archive_of(APP)[:-1] + b"!")
    got = lab(f"/mirror/lab/{place}")
    assert got.status == 502
    assert b"the bytes are not those of" in got.body
    assert "failed: site/root at" in lab("/mirror/lab/", Accept="text/plain").body.decode()


def test_wrong_bytes_of_a_large_blob_are_never_a_whole_answer(lab: Client, source: Path) -> None:
    archive = b"0123456789abcdef" * 200_000
    text = mirrors.spec_manifest(len(archive), checksum=hashlib.sha256(archive).hexdigest())
    mirrors.write(source, mirrors.spec_manifest_place(APP), text)
    mirrors.write(source, mirrors.blob_place(archive), archive[:-1] + b"!")
    assert lab.manifest_of(APP).status == 200
    with pytest.raises(http.client.IncompleteRead):
        lab(f"/mirror/lab/{mirrors.blob_place(archive)}")
    assert lab(f"/mirror/lab/{INDEX}").status == 200, "and the server goes on"


def test_a_kept_manifest_stands_in_for_a_source_that_is_down(
    opened: OpenCatalogue, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MirrorServer(folder=source) as web, serving(opened, tmp_path) as client:
        opened.sync("site", web.url)
        define(opened, "lab", "site")
        kept = client.manifest_of(APP).body
        web.folder = None
        place = "/" + mirrors.spec_manifest_place(APP)
        web.routes[place] = Answer(b"", 503)
        monkeypatch.setattr("cachescope.jobs.virtual_manifests._FRESH", 0.0)
        assert client.manifest_of(APP).body == kept
        web.routes["/" + mirrors.spec_manifest_place(LIB)] = Answer(b"", 503)
        refused = client.manifest_of(LIB)
        assert refused.status == 502
        page = client("/mirror/lab/", Accept="text/plain").body.decode()
    assert "failed: site/root at" in page


def test_clients_that_want_the_same_of_a_source_that_is_down_wait_for_one_answer(
    opened: OpenCatalogue, source: Path, tmp_path: Path
) -> None:
    with MirrorServer(folder=source) as web, serving(opened, tmp_path) as client:
        opened.sync("site", web.url)
        define(opened, "lab", "site")
        client.index()
        web.routes["/" + mirrors.spec_manifest_place(APP)] = Answer(b"", 503, delay=2)
        web.requests.clear()
        with ThreadPoolExecutor(20) as clients:
            got = list(clients.map(lambda _: client.manifest_of(APP).status, range(20)))
        assert set(got) == {502}
        assert len(web.requests) <= 3, "not one for each"


def test_documents_that_nobody_asked_for_in_weeks_are_not_kept(lab: Client, tmp_path: Path) -> None:
    folder = tmp_path / "virtual" / "documents"
    for name in range(256):
        (folder / f"{name:02x}").mkdir(parents=True)
        for age in (1, 40):
            file = folder / f"{name:02x}" / f"{name:02x}-{age}"
            file.touch()
            os.utime(file, (time.time() - age * 86400,) * 2)
    assert lab.manifest_of(APP).status == 200
    (kept,) = (one for one in folder.glob("*/*") if len(one.name) == 64)
    assert {one.name for one in kept.parent.iterdir()} == {kept.name, f"{kept.parent.name}-1"}


def test_a_manifest_that_has_no_end_is_not_read_to_its_end(
    opened: OpenCatalogue, source: Path, tmp_path: Path
) -> None:
    with MirrorServer(folder=source) as web, serving(opened, tmp_path) as client:
        opened.sync("site", web.url)
        define(opened, "lab", "site")
        web.routes["/" + mirrors.spec_manifest_place(APP)] = Answer(b" " * 50_000_000, chunked=True)
        got = client.manifest_of(APP)
    assert got.status == 502
    assert b"no document of its kind is so large" in got.body


def test_a_manifest_that_breaks_its_format_is_not_served(lab: Client, source: Path) -> None:
    mirrors.write(source, mirrors.spec_manifest_place(APP), b'{"version":3,"data":[{"checksum":"../../x"}]}')
    got = lab.manifest_of(APP)
    assert got.status == 502
    assert b"cannot be read" in got.body or b"manifest" in got.body


def test_a_manifest_that_its_source_lost_is_told(lab: Client, source: Path) -> None:
    (source / mirrors.spec_manifest_place(APP)).unlink()
    got = lab.manifest_of(APP)
    assert got.status == 404
    assert b"lists it" in got.body or b"has no such document" in got.body


def test_what_is_left_out_is_refused_with_what_it_lacks(lab: Client) -> None:
    got = lab.manifest_of(BROKEN)
    assert got.status == 404
    assert f"it needs gone@1.0 /{GONE['hash']} to run".encode() in got.body


def test_the_first_source_decides_which_manifest_is_served(opened: OpenCatalogue, tmp_path: Path) -> None:
    folders = {name: write_binaries(tmp_path / name, [LIB], [GLIBC]) for name in ("a", "b")}
    for name, folder in folders.items():
        manifest = folder / mirrors.spec_manifest_place(LIB)
        manifest.write_bytes(manifest.read_bytes().replace(b"iQIz", name.encode() * 4))
        opened.sync(name, folder)
    define(opened, "one", "a", "b")
    define(opened, "two", "b", "a")
    with serving(opened, tmp_path) as client:
        for mirror, name in (("one", "a"), ("two", "b")):
            wanted = (folders[name] / mirrors.spec_manifest_place(LIB)).read_bytes()
            assert client.manifest_of(LIB, mirror).body == wanted


def test_any_mirror_is_served_without_a_definition(
    opened: OpenCatalogue, source: Path, tmp_path: Path
) -> None:
    opened.sync("develop/e4s", source)
    with serving(opened, tmp_path) as client:
        present = {key for key, one in client.index("develop/e4s").items() if one["in_buildcache"]}
        assert present == {APP["hash"], LIB["hash"]}
        assert client.manifest_of(APP, "develop/e4s").status == 200
        assert client("/mirror/develop/e4s/", Accept="text/html").status == 200
        for nowhere in ("/mirror/develop/other/" + INDEX, "/mirror/other/" + INDEX, "/mirror/v3/layout.json"):
            assert client(nowhere).status == 404


def test_a_folder_that_cannot_be_used_is_in_the_log_and_told_nobody(
    opened: OpenCatalogue, source: Path, tmp_path: Path
) -> None:
    opened.sync("site", source)
    (tmp_path / "virtual").write_text("in the way")
    with serving(opened, tmp_path) as client:
        for path in ("/mirror/site/root/" + INDEX, "/mirror/site/root/", "/api/v1/mirror/site/root/"):
            answer = client(path)
            assert answer.status == 500
            assert str(tmp_path).encode() not in answer.body


def test_the_settings_file_defines_mirrors_too(opened: OpenCatalogue, source: Path, tmp_path: Path) -> None:
    opened.sync("site", source)
    table = "[virtual.ours]\nfrom = ['site']\nfilter = 'lib'\n"
    with serving(opened, tmp_path, table) as client:
        present = [one["spec"]["name"] for one in client.index("ours").values() if one["in_buildcache"]]
        assert present == ["lib"]
        (listed,) = json.loads(client("/api/v1/mirrors").body)
        assert (listed["name"], listed["defined_in"]) == ("ours", "settings")


def test_a_new_sync_is_served_and_the_index_before_still_is(
    lab: Client, opened: OpenCatalogue, source: Path
) -> None:
    before = json.loads(lab(f"/mirror/lab/{INDEX}").body)["data"][0]["checksum"]
    more = mirrors.node("more", needs=[(GLIBC, "link", "libc")])
    write_binaries(source, [LIB, APP, more], [GLIBC, TOOL])
    opened.sync("site", source)
    assert more["hash"] in lab.index()
    assert lab(f"/mirror/lab/blobs/sha256/{before[:2]}/{before}").status == 200


def test_a_source_of_layout_v2_is_served_as_such(opened: OpenCatalogue, tmp_path: Path) -> None:
    folder, one = write_old_binaries(tmp_path / "old")
    opened.sync("old", folder)
    define(opened, "legacy", "old")
    with serving(opened, tmp_path) as client:
        assert client(f"/mirror/legacy/{INDEX}", "HEAD").status == 404
        document = client("/mirror/legacy/build_cache/index.json").body
        assert json.loads(document)["database"]["installs"][one["hash"]]["spec"] == one
        stated = client("/mirror/legacy/build_cache/index.json.hash").body
        assert stated == hashlib.sha256(document).hexdigest().encode()
        name = f"linux-debian12-x86_64-gcc-12.2.0-old-0.9-{one['hash']}"
        signed = client(f"/mirror/legacy/build_cache/{name}.spec.json.sig")
        assert signed.body == (folder / f"build_cache/{name}.spec.json.sig").read_bytes()
        assert client(f"/mirror/legacy/build_cache/{name}.spec.json").status == 404
        place = f"linux-debian12-x86_64/gcc-12.2.0/old-0.9/{name}.spack"
        assert client(f"/mirror/legacy/build_cache/{place}").body == archive_of(one)
        assert json.loads(client("/mirror/legacy/build_cache/_pgp/index.json").body) == {
            "keys": {NOBODYS_FINGERPRINT: {}}
        }
        assert client(f"/mirror/legacy/build_cache/_pgp/{NOBODYS_FINGERPRINT}.pub").body == NOBODYS_KEY


def test_a_binary_of_layout_v2_that_is_not_signed_is_no_failure(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    folder, one = write_old_binaries(tmp_path / "old")
    opened.sync("old", folder)
    define(opened, "legacy", "old")
    place = f"build_cache/linux-debian12-x86_64-gcc-12.2.0-old-0.9-{one['hash']}.spec.json"
    (folder / f"{place}.sig").rename(folder / place)
    with serving(opened, tmp_path) as client:
        for _ in range(2):
            assert client(f"/mirror/legacy/{place}.sig").status == 404
            assert client(f"/mirror/legacy/{place}").status == 200
            assert client(f"/mirror/legacy/{place}.sig").status == 404
        assert "failed" not in client("/mirror/legacy/", Accept="text/plain").body.decode()


def test_below_a_base_path_the_page_names_that(opened: OpenCatalogue, source: Path, tmp_path: Path) -> None:
    opened.sync("site", source)
    define(opened, "lab", "site")
    with serving(opened, tmp_path, base_path="/cachescope") as client:
        page = client("/mirror/lab/", Accept="text/html").body.decode()
    assert f"spack mirror add lab {client.site}/cachescope/mirror/lab" in page


def test_the_list_of_caches_leads_to_each_virtual_mirror(
    opened: OpenCatalogue, source: Path, tmp_path: Path
) -> None:
    opened.sync("site", source)
    settings = "[virtual.small]\nfrom = ['site']\nfilter = 'app'\n"
    with serving(opened, tmp_path, settings, base_path="/cachescope") as client:
        define(opened, "lab", "site", "ref:site", incomplete=True)
        html = client("/caches", Accept="text/html").body.decode()
        page = Document(html)
        links = [one.attributes["href"] for one in page.all("a")]
        for name in ("lab", "small"):
            assert links.count(f"/cachescope/mirror/{name}/") == 1
            assert client(f"/mirror/{name}/", Accept="text/html").status == 200
        rows = [" ".join(one.text.split()) for one in page.all("tr")]
        assert rows[-2:] == [
            "labsite/root, ref:siteincomplete closures present too",
            "smallsite/rootfilter app",
        ]
        assert "/mirror/" not in client("/caches?ref=site", Accept="text/html").body.decode()
        told = client("/caches", Accept="application/json").body
        assert told == client("/api/v1/caches").body, "the API lists them at an address of their own"


def test_the_list_of_caches_has_room_for_many_virtual_mirrors(
    opened: OpenCatalogue, source: Path, tmp_path: Path
) -> None:
    opened.sync("site", source)
    many = " ".join(f"+variant{number}" for number in range(40))
    for number in range(70):
        define(opened, f"lab-{number:03}", "site", query=f"app {many}")
    with serving(opened, tmp_path) as client, counting(opened) as counted:
        html = client("/caches", Accept="text/html").body.decode()
    assert html.count('href="/mirror/') == 50
    assert "the first 50 of 70" in html
    assert len(html) < 100_000
    assert len(counted) == 2, "the list of sources, and the definitions"


def test_the_page_says_how_to_use_it_and_what_is_left_out(lab: Client) -> None:
    page = lab("/mirror/lab/", Accept="text/html")
    assert page.headers["content-type"].startswith("text/html")
    text = page.body.decode()
    assert f"spack mirror add lab {lab.site}/mirror/lab" in text
    assert "2 specs fit, but would not run" in text
    assert "gone@1.0" in text
    assert len(page.body) < 100_000
    told = lab("/mirror/lab/", Accept="application/json")
    assert told.body == lab("/api/v1/mirror/lab/").body
    facts = json.loads(told.body)
    assert (facts["present"], facts["mentioned"], facts["left_out"]) == (2, 2, 2)
    assert facts["given_by"][0]["gives"] == 2
    assert lab("/mirror/none/", Accept="text/html").status == 404


def test_the_page_tells_sizes_that_are_read_while_it_is_served(lab: Client, opened: OpenCatalogue) -> None:
    def told() -> Any:
        return json.loads(lab("/api/v1/mirror/lab/").body)["bytes"]

    assert told() == {"known": 0, "specs": 0}
    opened.sizes()
    assert told()["specs"] == 2
    assert told()["known"] > 0
    assert "0 of 2 known" not in lab("/mirror/lab/", Accept="text/html").body.decode()


@pytest.mark.skipif(not has_gpg(), reason="no gpg to sign with")
def test_signatures_are_intact_from_end_to_end(opened: OpenCatalogue, tmp_path: Path) -> None:
    with new_signer(tmp_path / "signer") as signer:
        opened.sync("site", write_binaries(tmp_path / "source", signer=signer))
        define(opened, "lab", "site")
        with serving(opened, tmp_path) as client:
            told = client(f"/mirror/lab/v3/manifests/key/{signer.fingerprint}.key.manifest.json").body
            (blob,) = decode_manifest(told, kind="key").blobs
            digest = blob.digest.hexadecimal
            key = client(f"/mirror/lab/blobs/sha256/{digest[:2]}/{digest}").body
            manifest = client.manifest_of(APP).body
    assert verifies(tmp_path / "client", key, manifest)
    assert not verifies(
        tmp_path / "other",
        key,
        manifest.replace(b'"version":3', b'"version":4').replace(b'"version": 3', b'"version": 4'),
    )
