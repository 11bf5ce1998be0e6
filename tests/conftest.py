"""What every test stands on: no test touches the user's catalogue, settings or proxies, and kept copies of costly starts."""

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.engine import open_for_writing
from tests.catalogues import SEED_PAGE, V2, V3, OpenCatalogue
from tests.commands import CommandLine
from tests.postgresql import PostgresqlServer, database_of, programs

DATABASES = ("sqlite", "postgresql")
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_configure(config: pytest.Config) -> None:
    """Laws hold for the same examples in every run, however slow the machine is; the soak looks for others."""
    settings.register_profile(
        "cachescope",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=config.getoption("markexpr", "") != "soak",
    )
    settings.load_profile("cachescope")


@pytest.fixture(scope="session", autouse=True)
def _own_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Settings of whoever runs the tests do not count, nor do their proxies, and their catalogue is out of reach."""
    world = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("CACHESCOPE_") or name.lower().endswith("_proxy"):
                patch.delenv(name)
        patch.setenv("CACHESCOPE_DB", str(world / "catalogue.sqlite"))
        (world / "config.toml").touch()
        patch.setenv("CACHESCOPE_CONFIG", str(world / "config.toml"))
        patch.setenv("CACHESCOPE_VIRTUAL_FOLDER", str(world / "virtual"))
        patch.setenv("HOME", str(world))
        patch.delenv("FORCE_COLOR", raising=False)
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"no reference data at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def _empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue without anything in it: migrations take longer than most tests."""
    file = tmp_path_factory.mktemp("empty") / "catalogue.sqlite"
    open_for_writing(file, busy_timeout=1).close()
    return file


@pytest.fixture(scope="session")
def sample_file(tmp_path_factory: pytest.TempPathFactory, _empty_file: Path) -> Path:
    """A catalogue of the bundled sample, for tests that only read it: both caches, a view, and the seed's page."""
    file = tmp_path_factory.mktemp("sample") / "catalogue.sqlite"
    shutil.copy(_empty_file, file)
    _read_sample(file)
    return file


def _read_sample(address: CatalogueAddress) -> None:
    with OpenCatalogue(address) as opened:
        opened.sync("crafted/v3-signed", V3)
        opened.sync("crafted/v3-signed@science", V3)
        opened.sync("crafted/v2-signed", V2)
        opened.sync_page(SEED_PAGE)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server, one for each process of the tests."""
    folder = programs()
    if folder is None:
        reason = "no PostgreSQL server is installed: scripts/ensure-postgresql says how"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with PostgresqlServer(folder) as server:
        yield server


@pytest.fixture(scope="session")
def _empty_database(postgresql: PostgresqlServer) -> str:
    """A catalogue without anything in it, to be copied."""
    address = postgresql.new_database()
    open_for_writing(address, busy_timeout=1).close()
    return database_of(address)


@pytest.fixture
def catalogue_database(postgresql: PostgresqlServer, _empty_database: str) -> Iterator[CatalogueAddress]:
    """An empty catalogue of this test's own in PostgreSQL."""
    address = postgresql.new_database(_empty_database)
    yield address
    postgresql.drop_database(address)


@pytest.fixture(params=DATABASES)
def each_new_catalogue(
    request: pytest.FixtureRequest, tmp_path: Path, _empty_file: Path
) -> Iterator[Callable[[], CatalogueAddress]]:
    """A maker of empty catalogues, in each database in turn."""
    if request.param == "sqlite":
        made = iter(range(1000))

        def new_file() -> Path:
            return Path(shutil.copy(_empty_file, tmp_path / f"catalogue-{next(made)}.sqlite"))

        yield new_file
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    template: str = request.getfixturevalue("_empty_database")
    addresses = []

    def new_database() -> CatalogueAddress:
        addresses.append(server.new_database(template))
        return addresses[-1]

    yield new_database
    for address in addresses:
        server.drop_database(address)


@pytest.fixture
def each_catalogue(each_new_catalogue: Callable[[], CatalogueAddress]) -> CatalogueAddress:
    """An empty catalogue of this test's own, in each database in turn."""
    return each_new_catalogue()


@pytest.fixture(scope="session", params=DATABASES)
def each_sample(request: pytest.FixtureRequest) -> CatalogueAddress:
    """A catalogue of the bundled sample, in each database in turn, for tests that only read it."""
    if request.param == "sqlite":
        file: Path = request.getfixturevalue("sample_file")
        return file
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    address = server.new_database(request.getfixturevalue("_empty_database"))
    _read_sample(address)
    return address


@pytest.fixture(scope="module", params=DATABASES)
def each_module_catalogue(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> CatalogueAddress:
    """An empty catalogue of this module's own, in each database in turn, for a module that fills it once."""
    if request.param == "sqlite":
        return tmp_path_factory.mktemp("module") / "catalogue.sqlite"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.new_database(request.getfixturevalue("_empty_database"))


@pytest.fixture
def catalogue_address(catalogue_file: Path) -> CatalogueAddress:
    """Where the catalogue of a test is: a file. Folders whose tests run on each database say so in their ``conftest``."""
    return catalogue_file


@pytest.fixture
def catalogue_file(tmp_path: Path, _empty_file: Path) -> Path:
    """An empty catalogue of this test's own."""
    file = tmp_path / "catalogue.sqlite"
    shutil.copy(_empty_file, file)
    return file


@pytest.fixture
def opened(catalogue_address: CatalogueAddress) -> Iterator[OpenCatalogue]:
    """An empty catalogue of this test's own, open for writing."""
    with OpenCatalogue(catalogue_address) as catalogue:
        yield catalogue


@pytest.fixture
def run(catalogue_address: CatalogueAddress, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line over that catalogue, in this process."""
    known = str(catalogue_address) if isinstance(catalogue_address, Path) else catalogue_address.url
    monkeypatch.setenv("CACHESCOPE_DB", known)
    return CommandLine()


@pytest.fixture
def run_on_sample(sample_file: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line over the bundled sample, for commands that only read."""
    monkeypatch.setenv("CACHESCOPE_DB", str(sample_file))
    return CommandLine()


@pytest.fixture
def small_disk() -> Callable[[int], AbstractContextManager[None]]:
    """No file can grow over so many bytes for a while: the system refuses as it does on a full disk."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
