"""Page models to HTML, with the templates and static files that belong to this package."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cachescope.model.mirror import mirror_add
from cachescope.model.spec import deptype_names
from cachescope.present import comparison, urls, wording
from cachescope.present.api_page import ApiPage
from cachescope.present.base_path import placed_below
from cachescope.present.comparison_page import ComparisonPage
from cachescope.present.coverage_page import CoverageFormPage, CoveragePage
from cachescope.present.difference_page import DifferencePage
from cachescope.present.figures_page import FiguresPage
from cachescope.present.home_page import HomePage
from cachescope.present.mirror_page import MirrorPage
from cachescope.present.package_page import PackagePage
from cachescope.present.pages import CachesPage, ErrorPage, Frame, PackagesPage, SearchPage, SuggestionsPage
from cachescope.present.spec_page import SpecPage
from cachescope.present.static_addresses import StaticAddresses
from cachescope.present.surfaces import Page
from cachescope.present.virtual import conditions, source_text
from cachescope.present.virtual_page import VirtualPage

__all__ = ["Framed", "HtmlWriter", "StaticFile", "static_files"]

_TEMPLATES: Mapping[type[Page], str] = {
    HomePage: "home.html",
    PackagesPage: "packages.html",
    PackagePage: "package.html",
    SpecPage: "spec.html",
    CachesPage: "caches.html",
    ComparisonPage: "compare.html",
    DifferencePage: "difference.html",
    MirrorPage: "cache.html",
    FiguresPage: "figures.html",
    SuggestionsPage: "suggestions.html",
    SearchPage: "search.html",
    ErrorPage: "error.html",
    CoverageFormPage: "coverage_form.html",
    CoveragePage: "coverage.html",
    VirtualPage: "virtual.html",
    ApiPage: "api.html",
}

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_DIGEST_LENGTH = 16


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file that pages refer to; the digest in its address changes with its content."""

    name: str
    content: bytes
    media_type: str
    digest: str


def static_files() -> Mapping[str, StaticFile]:
    """Read the static files of this package, by name."""
    found: dict[str, StaticFile] = {}
    for entry in resources.files("cachescope.present").joinpath("static").iterdir():
        suffix = "." + entry.name.rpartition(".")[2]
        if suffix in _MEDIA_TYPES:
            content = entry.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:_DIGEST_LENGTH]
            found[entry.name] = StaticFile(entry.name, content, _MEDIA_TYPES[suffix], digest)
    return found


_MISLEADING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of text: they make a page show what it does not say."""


def _shown(value: object) -> object:
    if isinstance(value, str) and _MISLEADING.search(value) is not None:
        shown = _MISLEADING.sub("\N{REPLACEMENT CHARACTER}", value)
        return Markup(shown) if isinstance(value, Markup) else shown  # noqa: S704 - it was markup before
    return value


def _moment(then: datetime, _: datetime) -> str:
    return wording.moment(then)


class Framed(Protocol):
    """What every page model has."""

    @property
    def frame(self) -> Frame:
        """What stands around the page."""
        ...


class HtmlWriter:
    """Writes page models as HTML; holds the compiled templates."""

    def __init__(
        self,
        files: Mapping[str, StaticFile],
        *,
        version: str,
        takes_lock_files: bool = False,
        base_path: str = "",
        static: StaticAddresses | None = None,
    ) -> None:
        """``takes_lock_files`` says whether there is a server behind the pages that answers about lock files.

        ``base_path`` is where the site stands: ``/cachescope``, or empty. With ``static`` there is no server at all:
        pages are written for files of that site.
        """
        self._files = files
        self._base_path = base_path
        self._environment = Environment(
            loader=PackageLoader("cachescope.present"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            finalize=_shown,
        )
        self._environment.filters["cut"] = wording.cut
        self._environment.filters["source_text"] = source_text
        self._environment.filters["virtual_conditions"] = conditions
        self._environment.globals.update(
            urls=urls,
            comparison=comparison,
            wording=wording,
            mirror_add=mirror_add,
            asset=self._asset,
            deptype_names=deptype_names,
            compiler_shown=wording.compiler_shown,
            version=version,
            takes_lock_files=takes_lock_files,
            served=static is None,
            static_scope=static.scope if static is not None else None,
            # Files are read at any time after they were written.
            age=wording.age if static is None else _moment,
            shown_address=(lambda address: address) if static is None else static.file_of,
        )

    def write(self, page: Page) -> bytes:
        """Write one page."""
        return self.write_with(_TEMPLATES[type(page)], page)

    def write_with(self, template: str, page: Framed) -> bytes:
        """Write a page by the template of this name."""
        text = self._environment.get_template(template).render(page=page, frame=page.frame)
        # A lone surrogate out of somebody's record has no UTF-8.
        return placed_below(text, self._base_path).encode("utf-8", "replace")

    def _asset(self, name: str) -> str:
        return urls.static(name, self._files[name].digest)
