"""What the upkeep of a catalogue answers with, as text and as JSON."""

from datetime import datetime
from typing import TYPE_CHECKING

from cachescope.model.upkeep import CatalogueStatus, CheckReport, VacuumReport
from cachescope.present.terminal import say, write_aligned
from cachescope.present.to_json import document
from cachescope.present.wording import count, moment, rfc3339, size

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["check", "render_check", "render_status", "status", "vacuum"]


def status(console: "Console", found: CatalogueStatus) -> None:
    """Print how large a catalogue is, and how old."""
    rows = (
        ("catalogue", found.where),
        ("database", f"{found.database}, schema {found.revision}"),
        ("size", size(found.size)),
        ("mirrors", f"{found.mirrors:,}, with {count(found.sources, 'source')}"),
        (
            "specs",
            f"{found.specs:,}, {found.records:,} of them with their record; {count(found.edges, 'edge')}",
        ),
        ("presence", f"{found.standing:,} now, {found.closed:,} formerly"),
        ("snapshots", _snapshots(found)),
        ("last sync", _when(found.last_sync)),
    )
    write_aligned(console, rows)


def _snapshots(found: CatalogueStatus) -> str:
    if found.oldest_snapshot is None:
        return count(found.snapshots)
    return f"{count(found.snapshots)}, the oldest of {moment(found.oldest_snapshot)}"


def _when(time: datetime | None) -> str:
    return moment(time) if time is not None else "never"


def render_status(found: CatalogueStatus) -> bytes:
    """Write how large a catalogue is, and how old."""
    return document(
        {
            "where": found.where,
            "database": found.database,
            "schema": found.revision,
            "size": found.size,
            "mirrors": found.mirrors,
            "sources": found.sources,
            "specs": found.specs,
            "records": found.records,
            "edges": found.edges,
            "snapshots": found.snapshots,
            "standing": found.standing,
            "closed": found.closed,
            "last_sync": rfc3339(found.last_sync) if found.last_sync is not None else None,
            "oldest_snapshot": rfc3339(found.oldest_snapshot) if found.oldest_snapshot is not None else None,
        }
    )


def check(console: "Console", report: CheckReport) -> None:
    """Print what was found wrong, or that nothing was."""
    for one in report.findings:
        examples = f", for example {'; '.join(one.examples)}" if one.examples else ""
        say(console, f"{one.check}: {one.message} ({one.count:,}{examples})")
    if report.findings:
        say(
            console,
            f"Hint: restore a backup, or sync into another file or database; {report.where} was not changed",
        )
    else:
        say(console, f"{report.where} is whole: {', '.join(report.checks)}")


def render_check(report: CheckReport) -> bytes:
    """Write what was checked, and what was found wrong."""
    findings = [
        {"check": one.check, "message": one.message, "count": one.count, "examples": list(one.examples)}
        for one in report.findings
    ]
    return document({"where": report.where, "checks": list(report.checks), "findings": findings})


def vacuum(console: "Console", report: VacuumReport) -> None:
    """Print what was removed, and what that gained."""
    specs = f"{count(report.specs, 'spec')} that nothing speaks of any more"
    if report.before is None:
        say(console, "history is kept for ever: the setting history_days is 0")
        if report.specs:
            say(console, f"removed {specs}")
    else:
        say(
            console,
            f"removed history that ended before {moment(report.before)}: {count(report.intervals, 'interval')}, "
            f"{count(report.snapshots, 'snapshot')}, {specs}",
        )
    say(console, f"{report.where}: {size(report.size_before)} before, {size(report.size_after)} now")
