"""The page of a virtual mirror: what is in it, how to use it, where it comes from, and what is left out."""

from dataclasses import dataclass
from datetime import datetime

from cachescope.model.sources import SourceStatus
from cachescope.model.virtual import FailedSource, VirtualReport, VirtualSource
from cachescope.present import urls
from cachescope.present.pages import Frame
from cachescope.present.virtual import conditions, size_words, source_text

__all__ = ["SourceRow", "VirtualPage", "virtual_page"]

_ABSENT_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """A source, what it gives, how fresh its copy is, and whether it failed lately."""

    source: VirtualSource
    status: SourceStatus | None
    failure: FailedSource | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualPage:
    """One virtual mirror."""

    frame: Frame
    result: VirtualReport
    commands: tuple[str, ...]
    """What one types to use it."""

    sources: tuple[str, ...]
    """As they were named, in their order."""

    conditions: tuple[tuple[str, str], ...]
    size: str
    rows: tuple[SourceRow, ...]
    absent: tuple[str, ...]


def virtual_page(report: VirtualReport, *, origin: str, now: datetime) -> VirtualPage:
    """Build the page; ``origin`` is the address of the site as its visitor knows it."""
    name = report.mirror.name
    address = urls.virtual(name)
    return VirtualPage(
        frame=Frame(title=name, section="caches", address=address, scope=urls.EVERYWHERE, now=now),
        result=report,
        commands=(
            f"spack mirror add {name.replace('/', '-')} {origin}{address.rstrip('/')}",
            "spack buildcache keys --install --trust",
            "spack buildcache list --allarch",
            "spack install --cache-only PACKAGE",
        ),
        sources=tuple(source_text(one) for one in report.mirror.sources),
        conditions=tuple(conditions(report.mirror)),
        size=size_words(report),
        rows=tuple(_row(report, one) for one in report.sources),
        absent=report.absent[:_ABSENT_SHOWN],
    )


def _row(report: VirtualReport, source: VirtualSource) -> SourceRow:
    key = source.name.mirror, source.layout, source.name.view
    return SourceRow(
        source=source,
        status=next((one for one in report.statuses if (one.name, one.layout, one.view) == key), None),
        failure=next((one for one in report.failures if one.name == source.name), None),
    )
