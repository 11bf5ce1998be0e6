"""What every test stands on: no test touches the user's catalogue, settings or proxies, and kept copies of costly starts."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachescope.catalogue.engine import open_for_writing
from tests.catalogues import SEED_PAGE, V2, V3, OpenCatalogue
from tests.commands import CommandLine

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def _own_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Settings of whoever runs the tests do not count, nor do their proxies, and their catalogue is out of reach."""
    world = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("CACHESCOPE_") or name.lower().endswith("_proxy"):
                patch.delenv(name)
        patch.setenv("CACHESCOPE_DB", str(world / "catalogue.sqlite"))
        patch.setenv("CACHESCOPE_CONFIG", str(world / "config.toml"))
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
    with OpenCatalogue(file) as opened:
        opened.sync("crafted/v3-signed", V3)
        opened.sync("crafted/v3-signed@science", V3)
        opened.sync("crafted/v2-signed", V2)
        opened.sync_page(SEED_PAGE)
    return file


@pytest.fixture
def catalogue_file(tmp_path: Path, _empty_file: Path) -> Path:
    """An empty catalogue of this test's own."""
    file = tmp_path / "catalogue.sqlite"
    shutil.copy(_empty_file, file)
    return file


@pytest.fixture
def opened(catalogue_file: Path) -> Iterator[OpenCatalogue]:
    """That catalogue, open for writing."""
    with OpenCatalogue(catalogue_file) as catalogue:
        yield catalogue


@pytest.fixture
def run(catalogue_file: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line over that catalogue, in this process."""
    monkeypatch.setenv("CACHESCOPE_DB", str(catalogue_file))
    return CommandLine()


@pytest.fixture
def run_on_sample(sample_file: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line over the bundled sample, for commands that only read."""
    monkeypatch.setenv("CACHESCOPE_DB", str(sample_file))
    return CommandLine()
