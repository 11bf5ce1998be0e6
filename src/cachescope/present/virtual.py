"""Virtual mirrors as text and JSON: their definitions, and what is in them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cachescope.model.archive import SizeSum
from cachescope.model.identity import SourceName
from cachescope.model.sightings import Against
from cachescope.model.virtual import LackingSpec, VirtualMirror, VirtualReport
from cachescope.present import wording
from cachescope.present.terminal import cell, new_table, say, write_aligned
from cachescope.present.to_json import document

if TYPE_CHECKING:
    from rich.console import Console

    from cachescope.present import virtual_shapes

__all__ = [
    "conditions",
    "lacking_sentence",
    "render_json",
    "render_list_json",
    "render_list_text",
    "render_text",
    "size_words",
    "source_text",
]


def source_text(one: Against) -> str:
    """Write a source as it is typed."""
    return str(one) if isinstance(one, SourceName) else f"ref:{one}"


def conditions(mirror: VirtualMirror) -> Sequence[tuple[str, str]]:
    """Return what a definition says beside its sources: what it is, and its value."""
    rows = [
        ("filter", mirror.filter),
        ("for", mirror.host),
        (
            "lock file",
            f"{mirror.lock.file}, {wording.count(len(mirror.lock.hashes), 'spec')} of its run closure"
            if mirror.lock is not None
            else "",
        ),
        ("incomplete closures", "present too" if mirror.incomplete else ""),
    ]
    return [(name, value) for name, value in rows if value]


def size_words(report: VirtualReport) -> str:
    """Write how large the present binaries are, as far as that is known."""
    return wording.size_sum(SizeSum(bytes=report.bytes_known, known=report.sizes_known, total=report.present))


def lacking_sentence(one: LackingSpec) -> str:
    """Say what is lacking, and for how many."""
    needs = "spec needs" if one.left_out == 1 else "specs need"
    return f"{one.left_out:,} {needs} {one.name}@{one.version} /{one.hash[:7]}, which {one.reason}"


def _definition(mirror: VirtualMirror) -> "virtual_shapes.VirtualMirror":
    lock = mirror.lock
    return {
        "name": mirror.name,
        "sources": [source_text(one) for one in mirror.sources],
        "filter": mirror.filter or None,
        "for": mirror.host or None,
        "lock": {"file": lock.file, "specs": len(lock.hashes)} if lock is not None else None,
        "incomplete": mirror.incomplete,
        "defined_in": "settings" if mirror.from_settings else "catalogue",
    }


def render_list_json(mirrors: Sequence[VirtualMirror]) -> bytes:
    """Write definitions for programs."""
    found: list[virtual_shapes.VirtualMirror] = [_definition(one) for one in mirrors]
    return document(found)


def render_list_text(console: "Console", mirrors: Sequence[VirtualMirror]) -> None:
    """Print definitions."""
    if not mirrors:
        say(console, "no virtual mirror is defined; define one: cachescope virtual define NAME --from SOURCE")
        return
    table = new_table("Virtual mirror", "Sources, first wins", "Conditions", "Defined in")
    for one in mirrors:
        said = "; ".join(f"{name} {value}" for name, value in conditions(one)) or "all that is complete"
        table.add_row(
            cell(one.name),
            cell(", ".join(map(source_text, one.sources))),
            cell(said),
            cell("settings" if one.from_settings else "catalogue"),
        )
    console.print(table)


def render_json(report: VirtualReport) -> bytes:
    """Write what is in a virtual mirror for programs."""
    copies = {(one.name, one.layout, one.view): one.snapshot_at for one in report.statuses}
    snapshot = {one.id: copies.get((one.name.mirror, one.layout, one.name.view)) for one in report.sources}
    found: virtual_shapes.VirtualReport = {
        **_definition(report.mirror),
        "present": report.present,
        "mentioned": report.mentioned,
        "packages": report.packages,
        "bytes": {"known": report.bytes_known, "specs": report.sizes_known},
        "index_bytes": {layout.value: size for layout, size in report.index_bytes},
        "written_at": wording.rfc3339(report.written_at) if report.written_at is not None else None,
        "given_by": [
            {
                "source": str(one.name),
                "layout": one.layout.value,
                "url": str(one.url),
                "gives": one.gives,
                "excluded": one.excluded or None,
                "snapshot_at": wording.rfc3339(at) if (at := snapshot[one.id]) is not None else None,
            }
            for one in report.sources
        ],
        "left_out": report.left_out,
        "lacking": [
            {
                "hash": one.hash,
                "name": one.name,
                "version": one.version,
                "reason": one.reason,
                "left_out": one.left_out,
                "examples": list(one.examples),
            }
            for one in report.lacking
        ],
        "absent": list(report.absent),
        "failures": [
            {"source": str(one.name), "at": wording.rfc3339(one.at), "reason": one.reason}
            for one in report.failures
        ],
    }
    return document(found)


def render_text(console: "Console", report: VirtualReport) -> None:
    """Print what is in a virtual mirror."""
    write_aligned(console, list(_rows(report)))
    for one in report.lacking:
        say(console, f"left out: {lacking_sentence(one)}; for example {', '.join(one.examples[:2])}")
    for absent in report.absent:
        say(console, f"absent: /{absent} of the lock file is in no source")
    for failed in report.failures:
        say(console, f"failed: {failed.name} at {wording.moment(failed.at)}: {failed.reason}")


def _rows(report: VirtualReport) -> Iterator[tuple[str, str]]:
    yield "virtual mirror", report.mirror.name
    for place, one in enumerate(report.sources):
        gives = one.excluded or wording.count(one.gives, "spec")
        yield "sources" if not place else "", f"{one.name} ({one.layout.value}): {gives}"
    yield from conditions(report.mirror)
    yield (
        "present",
        f"{wording.count(report.present, 'spec')} of {wording.count(report.packages, 'package')}",
    )
    yield "mentioned", wording.count(report.mentioned, "spec")
    yield "binaries", size_words(report)
    yield (
        "index",
        ", ".join(f"{layout.value} {wording.size(size)}" for layout, size in report.index_bytes) or "none",
    )
    if report.left_out:
        yield "left out", f"{wording.count(report.left_out, 'spec')} whose run closure has gaps"
