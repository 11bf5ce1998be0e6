"""Two states of a mirror of a few thousand records, for what takes a while."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

import pytest

from cachescope.catalogue.address import CatalogueAddress
from tests.catalogues import OpenCatalogue

GENERATOR = Path(__file__).resolve().parents[2] / "benchmarks" / "generator.py"
RECORDS = 3000
Address = TypeVar("Address", bound=CatalogueAddress)


@pytest.fixture
def catalogue_address(each_catalogue: CatalogueAddress) -> CatalogueAddress:
    """Jobs run on each database."""
    return each_catalogue


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two states of a mirror; a fifth of the records differs."""
    folder = tmp_path_factory.mktemp("states")
    for number, share in enumerate(("0", "20%")):
        state = folder / str(number)
        command: list[str | Path] = [
            sys.executable,
            GENERATOR,
            "--records",
            str(RECORDS),
            "--changed",
            share,
            "--out",
            state,
        ]
        subprocess.run(command, check=True, capture_output=True)
    return [folder / "0", folder / "1"]


@pytest.fixture
def synced(catalogue_file: Path, states: list[Path]) -> Path:
    """The file of a catalogue of the first state."""
    return _synced(catalogue_file, states)


@pytest.fixture
def each_synced(each_catalogue: CatalogueAddress, states: list[Path]) -> CatalogueAddress:
    """A catalogue of the first state, in each database in turn."""
    return _synced(each_catalogue, states)


def _synced(address: Address, states: list[Path]) -> Address:
    with OpenCatalogue(address) as opened:
        (outcome,) = opened.sync("site", states[0])
    assert outcome.error is None
    return address


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, also of the processes that a test starts."""
    folder = tmp_path / "held"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("CACHESCOPE_TEMPORARY_FOLDER", str(folder))
    return folder


@pytest.fixture(scope="session")
def judged_file(shared: Path, tmp_path_factory: pytest.TempPathFactory, _empty_file: Path) -> Path:
    """A catalogue of the reference mirror, for tests that only read it."""
    file = tmp_path_factory.mktemp("judged") / "catalogue.sqlite"
    shutil.copy(_empty_file, file)
    with OpenCatalogue(file) as opened:
        opened.sync("judged", shared / "data" / "mirror-10k")
    return file
