"""One page model, as JSON and as plain text; HTML needs templates and is written by ``to_html``."""

import io
from typing import TYPE_CHECKING, assert_never

from cachescope.present import (
    comparison,
    coverage,
    difference_page,
    package_text,
    spec_text,
    to_json,
    to_text,
    urls,
    virtual,
)
from cachescope.present.api_page import ApiPage
from cachescope.present.comparison_page import ComparisonPage
from cachescope.present.coverage_page import CoverageFormPage, CoveragePage
from cachescope.present.difference_page import DifferencePage
from cachescope.present.figures_page import FiguresPage
from cachescope.present.home_page import HomePage
from cachescope.present.mirror_page import MirrorPage
from cachescope.present.package_page import PackagePage
from cachescope.present.pages import CachesPage, ErrorPage, PackagesPage, SearchPage, SuggestionsPage
from cachescope.present.spec_page import SpecPage
from cachescope.present.virtual_page import VirtualPage
from cachescope.query.grammar import empty_query

if TYPE_CHECKING:
    from cachescope.present import lock_shapes, shapes

__all__ = ["Page", "json_of", "next_part", "text_of"]

Page = (
    HomePage
    | PackagesPage
    | PackagePage
    | SpecPage
    | ComparisonPage
    | DifferencePage
    | CachesPage
    | MirrorPage
    | FiguresPage
    | SuggestionsPage
    | SearchPage
    | ErrorPage
    | CoverageFormPage
    | CoveragePage
    | VirtualPage
    | ApiPage
)


def json_of(page: Page, *, base_path: str = "") -> bytes:  # noqa: C901, PLR0911, PLR0912 - one arm a page
    """Write the page's facts as JSON: the bytes that ``--json`` prints for the same question.

    Where a list goes on, its address is added, below the path at which the site stands.
    """
    match page:
        case HomePage():
            return to_json.render_home(page.refs, page.sources)
        case PackagesPage():
            return to_json.render_packages(page.result, _below(base_path, page))
        case PackagePage():
            return to_json.render_package(page.result, _below(base_path, page))
        case SpecPage():
            return to_json.render_spec(page.result)
        case CachesPage():
            return to_json.render_caches(page.result)
        case ComparisonPage():
            return comparison.render_json(page.result)
        case DifferencePage():
            return difference_page.render_json(page)
        case MirrorPage():
            return to_json.render_mirror(page.result)
        case FiguresPage():
            return to_json.render_figures([(one.name, one.definition, one.caution) for one in page.figures])
        case SuggestionsPage():
            suggestions: shapes.Suggestions = {"query": page.typed, "packages": list(page.names)}
            return to_json.document(suggestions)
        case SearchPage(asked=False):
            # A page with an empty box is for people; a program that asks nothing has made a mistake.
            raise empty_query()
        case SearchPage():
            return to_json.render_search(page.result, _below(base_path, page))
        case ErrorPage():
            return to_json.render_error(page.error)
        case CoverageFormPage():
            form: lock_shapes.CoverageForm = {
                "post": page.origin + "/api/v1/coverage",
                "largest_bytes": page.largest,
            }
            return to_json.document(form)
        case CoveragePage():
            return coverage.render_json(page.result.coverage)
        case VirtualPage():
            return virtual.render_json(page.result)
        case ApiPage():
            return to_json.document(page.document)
        case _:
            assert_never(page)


def _below(base_path: str, page: Page) -> str:
    following = next_part(page)
    return base_path + following if following else ""


def next_part(page: Page) -> str:
    """Return the address of the JSON of the next part of a list; empty where there is none."""
    match page:
        case PackagesPage() | SearchPage():
            return page.following
        case PackagePage() if page.result.page < page.result.pages:
            return urls.api(
                urls.package(
                    page.result.name, page.frame.scope, page=page.result.page + 1, query=page.result.query
                )
            )
        case DifferencePage() if page.pager.after:
            return urls.api(urls.difference(page.first, page.second, page=page.pager.after))
        case _:
            return ""


def text_of(page: Page) -> bytes:  # noqa: C901, PLR0912 - one arm a page
    """Write the page's facts as plain text: what the command line prints into a pipe."""
    from rich.console import Console

    console = Console(file=io.StringIO(), force_terminal=False, color_system=None)
    with console.capture() as written:
        match page:
            case HomePage():
                to_text.home(console, page.refs, page.sources, now=page.frame.now)
            case PackagesPage():
                package_text.packages(console, page.result)
            case PackagePage():
                package_text.package(console, page.result)
            case SpecPage():
                spec_text.spec(console, page.result)
            case CachesPage():
                to_text.caches(console, page.result, now=page.frame.now)
            case ComparisonPage():
                comparison.render_text(console, page.result)
            case DifferencePage():
                difference_page.render_text(console, page)
            case MirrorPage():
                to_text.mirror(console, page.result, now=page.frame.now)
            case FiguresPage():
                to_text.figures(console, [(one.name, one.definition, one.caution) for one in page.figures])
            case SuggestionsPage():
                to_text.names(console, page.names)
            case SearchPage():
                to_text.search(console, page.result)
            case ErrorPage():
                to_text.error(console, page.error)
            case CoverageFormPage():
                console.print(
                    f"POST a lock file to {page.origin}/api/v1/coverage", markup=False, soft_wrap=True
                )
            case CoveragePage():
                coverage.render_text(console, page.result.coverage)
            case VirtualPage():
                virtual.render_text(console, page.result)
            case ApiPage():
                to_text.names(
                    console,
                    [
                        f"{one.method} {one.path}: {one.summary}"
                        for group in page.groups
                        for one in group.operations
                    ],
                )
            case _:
                assert_never(page)
    return written.get().encode("utf-8", "replace")
