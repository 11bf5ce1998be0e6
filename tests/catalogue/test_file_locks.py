"""A catalogue in a file stays whole for whoever has it open, whatever else the same process opens and closes."""

from contextlib import ExitStack
from pathlib import Path

from cachescope.catalogue.engine import open_for_reading, open_for_writing
from cachescope.catalogue.registry import find_mirror
from cachescope.model.identity import parse_mirror_name
from tests import mirrors
from tests.commands import process


def test_a_process_that_opens_a_catalogue_twice_keeps_its_locks(catalogue_file: Path, tmp_path: Path) -> None:
    """The system drops all locks that a process has on a file when it closes the file anywhere.

    Another process then takes itself for the last one, and removes the log under the feet of this one.
    """
    mirrors.write_v3(tmp_path / "site", mirrors.index(mirrors.installs([mirrors.node("one")])))
    log = catalogue_file.with_name(f"{catalogue_file.name}-wal")
    with ExitStack() as opened:
        first = opened.enter_context(open_for_reading(catalogue_file, busy_timeout=1))
        with first.reading() as connection:
            assert find_mirror(connection, parse_mirror_name("site")) is None
        kept = log.stat().st_ino
        opened.enter_context(open_for_reading(catalogue_file, busy_timeout=1))
        open_for_writing(catalogue_file, busy_timeout=1).close()
        assert process("sync", tmp_path / "site", "--as", "site", db=catalogue_file).code == 0
        assert log.stat().st_ino == kept, "who closed it last was not the last"
        with first.reading() as connection:
            assert find_mirror(connection, parse_mirror_name("site")) is not None
