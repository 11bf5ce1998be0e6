"""The page of two binaries side by side: what differs, and the deepest causes of it."""

from dataclasses import dataclass

from cachescope.model.comparison import Cause, Comparison
from cachescope.present import urls
from cachescope.present.pages import Frame, Moved, PageRequest

__all__ = ["ComparisonPage", "comparison_page"]

_CAUSES_SHOWN = 60
_DEPENDENCIES_SHOWN = 120
_CONSEQUENCES_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPage:
    """Two specs side by side."""

    frame: Frame
    result: Comparison
    causes: tuple[Cause, ...]
    """Deepest first, without the differences that several have alike; the first sixty."""

    causes_total: int
    dependencies_shown: int
    consequences_shown: int
    swapped: str
    """The address with the sides exchanged."""


def comparison_page(result: Comparison, request: PageRequest) -> ComparisonPage | Moved:
    """Build the page of a comparison; only whole hashes are its address."""
    first, second = result.first, result.second
    address = urls.compare(first.hash, second.hash, request.scope)
    if (request.subject, request.other) != (first.hash, second.hash):
        return Moved(address)
    told = {one.difference for one in result.shared}
    causes = [
        Cause(one.path, one.first, one.second, kept)
        for one in result.causes
        if (kept := tuple(each for each in one.differences if each not in told))
    ]
    return ComparisonPage(
        frame=Frame(
            title=f"{first.name} /{first.hash[:7]} and {second.name} /{second.hash[:7]}",
            section="packages",
            address=address,
            scope=request.scope,
            now=request.now,
        ),
        result=result,
        causes=tuple(causes[:_CAUSES_SHOWN]),
        causes_total=len(causes),
        dependencies_shown=_DEPENDENCIES_SHOWN,
        consequences_shown=_CONSEQUENCES_SHOWN,
        swapped=urls.compare(second.hash, first.hash, request.scope),
    )
