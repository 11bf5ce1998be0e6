"""About the figures: each number of the site, what it counts, and where one can ask for it."""

from dataclasses import dataclass

from cachescope.present import urls
from cachescope.present.pages import Frame, PageRequest

__all__ = ["FIGURES", "Figure", "FiguresPage", "figures_page"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its definition."""

    name: str
    definition: str
    caution: str = ""
    """What it does not say."""


FIGURES = (
    Figure(
        "Binary",
        "A concrete spec that some source lists as present, so that it can be downloaded. It is named by its DAG hash, and "
        "counts once in a scope, however many mirrors of the scope have it.",
        "Mirrors share binaries: figures of several mirrors do not add up to that of their ref.",
    ),
    Figure(
        "Mentioned",
        "A spec that an index knows only as a dependency of others, and that no source of the scope lists as present.",
    ),
    Figure(
        "Unstated",
        "A spec of a source that does not say whether there is a binary: an index of version 5, or a published page, for "
        "stacks other than root.",
    ),
    Figure(
        "Packages", "Names of packages with at least one binary, or spec of unstated presence, in the scope."
    ),
    Figure(
        "Versions, compilers, systems, targets of a package",
        "How many different ones its binaries have in the scope; those of the mentions where there is no binary.",
    ),
    Figure(
        "Compiler",
        "What compiled the C code of a spec, else its C++, else its Fortran. Specs from before Spack 1.0 name one compiler.",
        "A query for %name also finds a spec that uses it for another language, and so may find more than the facet counts.",
    ),
    Figure(
        "Compilers by packages",
        "Packages with a binary that was built with the compiler. Nodes of a DAG that are the compiler itself do not count.",
    ),
    Figure(
        "Count beside a facet",
        "Binaries with this value that fulfil all of the query except what it says of the same field: what one would see "
        "after choosing it instead.",
    ),
    Figure("Match", "Binaries (present or unstated) of the package and scope that fulfil the whole query."),
    Figure(
        "Look-alikes",
        "Binaries that agree in version, compiler, platform, system, target and variants. What separates them is looked for "
        "in their dependencies, nearest first.",
        "Of a group with more than 50 members the newest 50 are compared.",
    ),
    Figure(
        "Newest, first seen",
        "When a snapshot of the catalogue first had the binary, not when it was built; an index holds no dates.",
    ),
    Figure(
        "Came, gone",
        "Binaries that a snapshot has and the one before had not, and the reverse. The first snapshot of a source brings all.",
    ),
    Figure(
        "Copy",
        "When the records that stand in the catalogue were read. A failed attempt leaves the former copy, and is stated "
        "beside it. A copy older than 24 hours is marked.",
    ),
    Figure(
        "Closure",
        "What a binary needs on the host, along link and run edges, without itself.",
    ),
    Figure(
        "Hash verified",
        "The DAG hash was computed again from the record and is the same. A mismatch means altered, or spliced without its "
        "build spec; some old records do not hold the text that was hashed, and cannot be verified.",
        "It says nothing about the bytes of the binary, whose checksum is in its manifest.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresPage:
    """The definitions."""

    frame: Frame
    figures: tuple[Figure, ...]


def figures_page(request: PageRequest) -> FiguresPage:
    """Build the page of definitions."""
    return FiguresPage(
        frame=Frame(
            title="How the figures are counted",
            section="",
            address=urls.figures(),
            scope=request.scope,
            now=request.now,
        ),
        figures=FIGURES,
    )
