"""Coverage and causes of a lock file over a catalogue, as the command line asks for them."""

from collections.abc import Sequence
from pathlib import Path

from cachescope.catalogue.engine import open_for_reading
from cachescope.catalogue.lock_lookup import LockLookup
from cachescope.formats.lock_json import read_lock
from cachescope.jobs.coverage import coverage_of, look_up
from cachescope.jobs.why import explain_missing
from cachescope.model.coverage import Coverage
from cachescope.model.sightings import Against
from cachescope.model.why import Cause, WhyReport


def explain(file: Path, document: bytes, *, against: Sequence[Against] = ()) -> WhyReport:
    """Explain what of a lock file is missing in a catalogue."""
    with open_for_reading(file, busy_timeout=1) as catalogue, catalogue.reading() as connection:
        lookup = LockLookup(connection, against)
        return explain_missing(look_up(read_lock(document, "spack.lock"), lookup), lookup)


def cover(file: Path, document: bytes, *, against: Sequence[Against] = (), deptypes: str = "all") -> Coverage:
    """Say what of a lock file is in a catalogue."""
    with open_for_reading(file, busy_timeout=1) as catalogue, catalogue.reading() as connection:
        lookup = LockLookup(connection, against)
        return coverage_of(look_up(read_lock(document, "spack.lock"), lookup), lookup, deptypes=deptypes)


def assert_complete(report: WhyReport) -> None:
    """Every missing spec has a cause, and every cause says which specs it explains: what a reader can check."""
    for place, cause in enumerate(report.causes):
        told = {*cause.hashes, *cause.consequences}
        having = {one.spec.hash for one in report.missing if place in one.causes}
        assert having <= told
        assert set(cause.consequences) <= having
        assert cause.remedy
        assert cause.note
        alone = {one.spec.hash for one in report.missing if one.causes == (place,)}
        assert cause.gains == len(alone)
    assert all(one.causes for one in report.missing)


def only_cause(report: WhyReport) -> Cause:
    """Return the cause of everything."""
    (cause,) = report.causes
    return cause
