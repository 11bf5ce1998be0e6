"""The site over the hand-made catalogue, and a reader of its pages, for the tests of this folder."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

from cachescope.model.services import CatalogueReader
from cachescope.web.app import create_app
from tests.fakes import DEMO, GMAKE, NOW, PAGED, SPLICED, ZLIB, FakeCatalogue

LOG_ID = "log-4711"
EMPTY = FakeCatalogue()

ADDRESSES = (
    "/",
    "/?ref=site",
    "/packages",
    "/packages?ref=develop&stack=e4s",
    "/packages?prefix=zz",
    "/package/py-demo?ref=develop",
    "/package/py-demo?ref=develop&stack=e4s&versions=all",
    "/package/py-paged",
    "/package/zlib",
    "/package/gmake",
    f"/spec/{DEMO[0].hash}?ref=develop&stack=e4s",
    f"/spec/{GMAKE.hash}",
    f"/spec/{PAGED[0].hash}",
    f"/spec/{SPLICED.hash}",
    f"/spec/{ZLIB.hash}",
    f"/spec/{DEMO[0].hash}?os=ubuntu24.04&target=zen4&glibc=2.39",
    "/package/py-demo?ref=develop&q=py-demo+target%3Dzen4",
    "/packages?sort=-present",
    f"/compare/{DEMO[0].hash}/{ZLIB.hash}?ref=develop",
    f"/compare/{DEMO[0].hash}/{DEMO[0].hash}",
    "/diff",
    "/diff?first=develop/e4s&second=develop/ml@{2026-11-01}",
    "/diff?first=ref:develop&second=ref:develop",
    "/cache/develop/e4s",
    "/about/figures",
    "/suggest",
    "/suggest?q=py&ref=develop",
    "/caches",
    "/caches?ref=develop&stack=ml",
    "/search",
    "/search?q=py-*&ref=develop",
    "/search?q=pyx",
    "/search?q=nothing",
)
ASKING = tuple(one for one in ADDRESSES if one != "/search")
"""Those that ask something; a search without a query is a form, which JSON has not."""
"""Every page in every state that the catalogue has."""

FAILING = (
    "/nowhere",
    "/package/unknown",
    "/spec/0",
    "/search?q=py@@demo&ref=develop",
    "/packages?page=0",
    "/diff?first=develop/e4s&second=develop/ml&page=2",
    "/diff?first=develop/e4s&second=develop/e4s@{tomorrow}",
    "/packages?page=9",
)


def client(
    reader: CatalogueReader, logged: list[Exception] | None = None, **options: Any
) -> TestClient[Litestar]:
    """Return a client of the site over this reader; unexpected errors go to ``logged``, options to ``create_app``."""

    def log(error: Exception) -> str:
        if logged is not None:
            logged.append(error)
        return LOG_ID

    return TestClient(
        create_app(reader, now=lambda: NOW, version="0.1.0", on_error=log, **options),
        raise_server_exceptions=False,
    )


_CLOSE_THEMSELVES = {"th", "td", "tr"}
"""End tags that HTML lets one leave out, and long tables do."""


@dataclass
class Element:
    """A start tag: its name, its attributes, its place among open elements, its text."""

    tag: str
    attributes: dict[str, str | None]
    path: tuple[str, ...]
    text: str = ""
    children: list["Element"] = field(default_factory=list)


class Document(HTMLParser):
    """A page, parsed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.misnested: list[str] = []
        """End tags that meet another element than their own."""

        self._open: list[Element] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), tuple(one.tag for one in self._open))
        for one in self._open:
            one.children.append(element)
        self.elements.append(element)
        if tag not in {"meta", "link", "input", "br", "img"}:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        before = len(self._open)
        self.handle_starttag(tag, attrs)
        del self._open[before:]

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            closed = self._open.pop().tag
            if closed == tag:
                return
            if closed not in _CLOSE_THEMSELVES:
                self.misnested.append(f"</{tag}> meets <{closed}>")
        self.misnested.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        for one in self._open:
            one.text += data

    def all(self, *tags: str) -> list[Element]:
        """Return the elements of these names, in the order of the page."""
        return [one for one in self.elements if one.tag in tags]

    def text_of(self, tag: str) -> str:
        """Return the text of the first such element, its blanks made one."""
        return " ".join(self.all(tag)[0].text.split())
