"""Two states of a mirror of a few thousand records, for what takes a while."""

from pathlib import Path

import pytest

from benchmarks.generator import make_records, read_nodes, write_mirror
from tests.catalogues import OpenCatalogue

RECORDS = 3000


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two states of a mirror; a fifth of the records differs."""
    folder = tmp_path_factory.mktemp("states")
    nodes = read_nodes(None)
    for number, share in enumerate((0.0, 0.2)):
        write_mirror(folder / str(number), make_records(nodes, count=RECORDS, share_changed=share))
    return [folder / "0", folder / "1"]


@pytest.fixture
def synced(opened: OpenCatalogue, states: list[Path]) -> Path:
    """The file of a catalogue of the first state."""
    (outcome,) = opened.sync("site", states[0])
    assert outcome.error is None
    opened.catalogue.close()
    return opened.file


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, also of the processes that a test starts."""
    folder = tmp_path / "held"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("CACHESCOPE_TEMPORARY_FOLDER", str(folder))
    return folder
