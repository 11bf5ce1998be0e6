"""What a sync did, as lines of text."""

from collections.abc import Iterator

from cachescope.model.sources import AttemptOutcome, SizesOutcome, SourceOutcome
from cachescope.present import wording

__all__ = ["sizes_lines", "sync_lines"]


def sync_lines(one: SourceOutcome) -> Iterator[str]:
    """Say what a sync did to one source."""
    attempt = one.attempt
    line = f"{one.name}: {attempt.outcome}"
    if attempt.outcome == AttemptOutcome.FAILED:
        yield f"{line}: {attempt.reason or wording.NOT_RECORDED}"
        return
    figures = [wording.count(one.counts.present, "spec") + " present"]
    figures += [f"{wording.count(one.counts.mentioned)} mentioned"] if one.counts.mentioned else []
    figures += [f"{wording.count(one.counts.unstated)} unstated"] if one.counts.unstated else []
    changes = [
        f"{wording.count(number)} {word}"
        for number, word in ((one.added, "new"), (one.gone, "gone"), (one.changed, "changed"))
        if number
    ]
    yield f"{line}: {', '.join(figures)}" + (f" ({', '.join(changes)})" if changes else "")
    for warning in one.warnings:
        yield f"  warning: {warning}"
    for rejected in one.rejected:
        yield f"  record not read: {rejected}"


def sizes_lines(one: SizesOutcome) -> Iterator[str]:
    """Say what came of asking a source for sizes."""
    figures = [
        f"{wording.count(number)} {word}"
        for number, word in (
            (one.stated, "read"),
            (one.missing, "missing"),
            (one.unreadable, "unreadable"),
            (one.refused, "refused"),
            (one.not_asked, "not asked"),
        )
        if number
    ]
    known = f"sizes of {wording.count(one.known)} of {wording.count(one.binaries)} known"
    line = f"{one.name}: {known}" + (f" ({', '.join(figures)})" if figures else "")
    yield line if one.error is None else f"{line}: failed: {one.error}"
    for reason in one.reasons:
        yield f"  size not known: {reason}"
    more = one.missing + one.unreadable + one.refused - len(one.reasons)
    if more > 0:
        yield f"  and {wording.count(more)} more"
