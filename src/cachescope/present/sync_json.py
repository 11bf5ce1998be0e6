"""What a sync did, as JSON for programs."""

from cachescope.model.identity import SourceName
from cachescope.model.sources import SizesOutcome, SourceOutcome, SyncReport
from cachescope.present.to_json import attempt_object, counts_object, document

__all__ = ["render_sync"]

_Object = dict[str, object]


def render_sync(report: SyncReport) -> bytes:
    """Write what a sync did, one item a source; ``sizes`` only where they were asked for."""
    found: _Object = {
        "sources": [_outcome(one) for one in report.outcomes],
        "hints": list(report.hints),
    }
    if report.sizes is not None:
        found["sizes"] = [_sizes_outcome(one) for one in report.sizes]
    return document(found)


def _outcome(one: SourceOutcome) -> _Object:
    return {
        "name": str(one.name.mirror if isinstance(one.name, SourceName) else one.name),
        "view": one.name.view if isinstance(one.name, SourceName) else None,
        "layout": one.layout.value if one.layout is not None else None,
        "attempt": attempt_object(one.attempt),
        **counts_object(one.counts),
        "added": one.added,
        "gone": one.gone,
        "changed": one.changed,
        "rejected": [record.as_json() for record in one.rejected],
        "warnings": list(one.warnings),
    }


def _sizes_outcome(one: SizesOutcome) -> _Object:
    return {
        "name": str(one.name.mirror),
        "view": one.name.view,
        "layout": one.layout.value,
        "binaries": one.binaries,
        "known": one.known,
        "stated": one.stated,
        "missing": one.missing,
        "unreadable": one.unreadable,
        "refused": one.refused,
        "not_asked": one.not_asked,
        "reasons": list(one.reasons),
        "error": str(one.error) if one.error is not None else None,
    }
