"""What a pull did, as text and as JSON."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cachescope.model.pull import PullReport
from cachescope.present.terminal import say
from cachescope.present.to_json import document
from cachescope.present.wording import count, size

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["render_json", "render_text"]

_LISTED = 20


def render_text(console: "Console", report: PullReport) -> None:
    """Print what was copied, what could not be, and what to do next."""
    for line in _lines(report):
        say(console, line)


def _lines(report: PullReport) -> Iterator[str]:
    closure = count(report.binaries, "binary", "binaries")
    yield f"{report.asked}: {count(report.roots, 'root')}, {closure} with what they need, {count(report.externals, 'external')} left out"
    unknown = f", and {count(report.bytes_unknown, 'blob')} of unknown size" if report.bytes_unknown else ""
    there = f", {size(report.bytes_there)} of it on disk before" if report.bytes_there else ""
    yield f"{size(report.bytes_total)}{unknown}{there}"
    if report.signers:
        yield f"signed by {', '.join(report.signers)}"
    if report.unsigned:
        yield f"{count(report.unsigned, 'binary', 'binaries')} without a signature"
    for one in report.warnings:
        yield f"warning: {one}"
    for missing in report.missing[:_LISTED]:
        needed = f", needed by {missing.needed_by}" if missing.needed_by else ""
        yield f"no binary of {missing.name}@{missing.version} /{missing.hash[:7]}{needed}"
    if len(report.missing) > _LISTED:
        yield f"and of {len(report.missing) - _LISTED:,} more (--json lists all)"
    for failure in report.failures[:_LISTED]:
        binary = failure.binary
        yield f"not copied: {binary.name}@{binary.version} /{binary.hash[:7]} from {failure.source}: {failure.reason}"
    if len(report.failures) > _LISTED:
        yield f"and {len(report.failures) - _LISTED:,} more (--json lists all)"
    yield from _end(report)


def _end(report: PullReport) -> Iterator[str]:
    if report.is_dry:
        yield f"nothing was copied to {report.folder}: this was a dry run"
        return
    yield (
        f"{count(report.binaries_new, 'binary', 'binaries')} new in {report.folder}, "
        f"{size(report.bytes_copied)} copied, {count(report.keys, 'public key')}"
    )
    if report.failures and not report.indexed:
        yield "the index was not written: run the same command again, it goes on where it stopped"
        return
    yield f"its index lists {count(report.indexed, 'binary', 'binaries')}; README.md there says how to use it"
    if report.tar:
        yield f"packed into {report.tar}, {size(report.tar_bytes)}"


def render_json(report: PullReport) -> bytes:
    """Write all of it."""
    return document(
        {
            "asked": report.asked,
            "folder": report.folder,
            "dry_run": report.is_dry,
            "sources": [str(one) for one in report.sources],
            "roots": report.roots,
            "binaries": report.binaries,
            "externals": report.externals,
            "missing": [
                {
                    "hash": one.hash,
                    "name": one.name,
                    "version": one.version,
                    "needed_by": one.needed_by or None,
                }
                for one in report.missing
            ],
            "failures": [
                {
                    "hash": one.binary.hash,
                    "name": one.binary.name,
                    "version": one.binary.version,
                    "source": str(one.source),
                    "code": one.code,
                    "reason": one.reason,
                }
                for one in report.failures
            ],
            "bytes": report.bytes_total,
            "bytes_unknown": report.bytes_unknown,
            "bytes_there": report.bytes_there,
            "bytes_copied": report.bytes_copied,
            "binaries_new": report.binaries_new,
            "signers": list(report.signers),
            "unsigned": report.unsigned,
            "keys": report.keys,
            "indexed": report.indexed,
            "warnings": list(report.warnings),
            "tar": report.tar or None,
            "tar_bytes": report.tar_bytes,
        }
    )
