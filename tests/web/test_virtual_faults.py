"""What befalls virtual mirrors from without: certificates that expire, several processes over one store, other databases."""

import hashlib
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from cachescope import compose
from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.virtual_definitions import remove_virtual
from tests import binaries, mirrors
from tests.binaries import APP, LIB, write_binaries
from tests.catalogues import OpenCatalogue
from tests.commands import start
from tests.servers import Answer, MirrorServer
from tests.web.conftest import served
from tests.web.test_virtual_mirrors import INDEX, Client, define

MANY = [mirrors.node(f"n{number}") for number in range(12)]
SIZE = 100_000
LIMIT = 5 * SIZE


def _large(one: mirrors.Node) -> bytes:
    return hashlib.shake_256(one["hash"].encode()).digest(SIZE)


def test_a_source_whose_certificate_has_expired_is_told_and_gives_nothing(
    tmp_path: Path, catalogue_file: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with (
        MirrorServer(folder=write_binaries(tmp_path / "source"), tls=context) as source,
        OpenCatalogue(catalogue_file, ca_file=tmp_path / "ca.pem") as opened,
    ):
        opened.sync("site", source.url)
        define(opened, "lab", "site")
        with _serving(opened, tmp_path, ca_file=str(tmp_path / "ca.pem")) as client:
            kept = client.manifest_of(LIB).body
            blob = f"/mirror/lab/{mirrors.blob_place(binaries.archive_of(LIB))}"
            day = timedelta(days=1)
            now = datetime.now(UTC)
            expired = authority.issue_cert("127.0.0.1", not_before=now - 2 * day, not_after=now - day)
        expired.configure_cert(context)
        with _serving(opened, tmp_path, ca_file=str(tmp_path / "ca.pem")) as client:
            for answer in (client.manifest_of(APP), client(blob)):
                assert answer.status == 502
                assert b"certificate has expired" in answer.body
            assert client.manifest_of(LIB).body == kept, "what is kept is served on"
            assert client(f"/mirror/lab/{INDEX}").status == 200
            page = client("/mirror/lab/", Accept="text/plain").body.decode()
    assert "failed: site/root" in page
    assert "certificate has expired" in page


@contextmanager
def _serving(opened: OpenCatalogue, folder: Path, **settings: str) -> Iterator[Client]:
    db = str(opened.address) if isinstance(opened.address, Path) else opened.address.url
    chosen = compose.settings({"db": db, "virtual_folder": str(folder / "virtual"), "retries": 0, **settings})
    with (
        compose.virtual_mirrors(opened.catalogue, chosen, stream=True) as virtual,
        served(opened.reader, virtual=virtual) as site,
    ):
        yield Client(site)


class TestOneStoreOfSeveralServers:
    @pytest.fixture
    def source(
        self, tmp_path: Path, catalogue_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[MirrorServer]:
        monkeypatch.setattr(binaries, "archive_of", _large)
        with MirrorServer(folder=write_binaries(tmp_path / "source", MANY, ())) as server:
            with OpenCatalogue(catalogue_file) as opened:
                opened.sync("site", server.url)
                define(opened, "lab", "site")
            yield server

    @pytest.fixture
    def servers(self, source: MirrorServer, tmp_path: Path, catalogue_file: Path) -> Iterator[list[Client]]:
        """One of two workers, and one of one, on one folder."""
        with _started(catalogue_file, tmp_path, 2) as first, _started(catalogue_file, tmp_path, 1) as second:
            clients = [Client(first), Client(second)]
            for one in MANY:
                assert clients[0].manifest_of(one).status == 200
            source.requests.clear()
            yield clients

    def test_blobs_come_right_once_and_within_the_limit_whatever_befalls_a_file(
        self, servers: list[Client], source: MirrorServer, tmp_path: Path
    ) -> None:
        slow = _large(MANY[0])
        source.routes[f"/{mirrors.blob_place(slow)}"] = Answer(slow, delay=0.5)
        asked = [(client, MANY[0]) for client in servers * 4]
        assert _bodies(asked) == [slow] * 8
        assert len(source.requests) == 1, "one fetch for all processes"

        (file,) = (tmp_path / "store").rglob(hashlib.sha256(slow).hexdigest())
        file.write_bytes(slow[:-1] + bytes([slow[-1] ^ 1]))
        assert _bodies(asked) == [slow] * 8
        assert file.read_bytes() == slow
        assert len(source.requests) == 2, "what somebody damaged is fetched anew"

        asked = [(client, one) for one in MANY[1:] for client in servers * 2]
        assert _bodies(asked) == [_large(one) for _, one in asked]
        stored = [one for one in (tmp_path / "store").rglob("*") if len(one.name) == 64]
        total = sum(one.stat().st_size for one in stored)
        assert 0 < total <= LIMIT
        assert int((tmp_path / "store" / ".size").read_text()) >= total, "or the limit would not hold"
        assert not list((tmp_path / "store").rglob("*.part"))
        for one in stored:
            assert hashlib.sha256(one.read_bytes()).hexdigest() == one.name


def _bodies(asked: list[tuple[Client, mirrors.Node]]) -> list[bytes]:
    with ThreadPoolExecutor(8) as clients:
        return list(
            clients.map(lambda one: one[0](f"/mirror/lab/{mirrors.blob_place(_large(one[1]))}").body, asked)
        )


@contextmanager
def _started(db: Path, folder: Path, workers: int) -> Iterator[str]:
    options = ("--store", folder / "store", "--store-size", str(LIMIT), "--workers", str(workers))
    environment = {"PYTHONUNBUFFERED": "1", "CACHESCOPE_VIRTUAL_FOLDER": str(folder / "virtual")}
    with start("serve", "--port", "0", *options, db=db, environment=environment) as server:
        assert server.stdout is not None
        told = server.stdout.readline().decode()
        drained = threading.Thread(target=server.stdout.read)
        drained.start()
        try:
            yield told.split()[3].rstrip("/")
        finally:
            server.terminate()
            drained.join()


def test_virtual_mirrors_are_served_from_postgresql(
    catalogue_database: CatalogueAddress, tmp_path: Path
) -> None:
    with OpenCatalogue(catalogue_database) as opened:
        opened.sync("site", write_binaries(tmp_path / "source"))
        define(opened, "lab", "site", query="lib")
        with _serving(opened, tmp_path, blob_store=str(tmp_path / "store")) as client:
            installs = client.index()
            assert {one["spec"]["name"] for one in installs.values() if one["in_buildcache"]} == {"lib"}
            blob = f"/mirror/lab/{mirrors.blob_place(binaries.archive_of(LIB))}"
            assert client(blob).status == 404
            manifest = client.manifest_of(LIB)
            assert manifest.body == (tmp_path / "source" / mirrors.spec_manifest_place(LIB)).read_bytes()
            for _ in range(3):
                assert client(blob).body == binaries.archive_of(LIB)
            assert opened.rows("SELECT count(*) FROM named_blob") == [(2,)]
            assert client.manifest_of(APP).status == 404
            assert client.index("site/root").keys() > installs.keys()
            define(opened, "lab", "site", query="app")
            _eventually(client, f"/mirror/lab/{mirrors.spec_manifest_place(APP)}", 200)
            assert {APP["hash"], LIB["hash"]} <= client.index().keys()
            with opened.catalogue.writing() as connection:
                remove_virtual(connection, "lab")
            _eventually(client, blob, 404)


def _eventually(client: Client, path: str, status: int) -> None:
    """What was found out holds for a second, since no file says that the catalogue changed."""
    pause = threading.Event()
    for _ in range(600):
        if client(path).status == status:
            return
        pause.wait(0.1)
    pytest.fail(f"{path} is not answered with {status}")
