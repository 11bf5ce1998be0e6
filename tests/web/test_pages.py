"""What holds for the HTML of every page, whatever it shows."""

import contextlib
import html
import itertools
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.catalogues import OpenCatalogue
from tests.fakes import filled_catalogue
from tests.mirrors import index, installs, node, write_v3
from tests.web.site import ADDRESSES, EMPTY, FAILING, Document, client

READERS = {"filled": filled_catalogue(), "empty": EMPTY}
EVERY = [
    *(("filled", address) for address in (*ADDRESSES, *FAILING)),
    *(("empty", address) for address in ("/", "/packages", "/caches", "/search", "/search?q=zlib")),
]

every_page = pytest.mark.parametrize(("catalogue", "address"), EVERY, ids=[":".join(one) for one in EVERY])


class Sites:
    """The site over each catalogue; an address is asked once."""

    def __init__(self, clients: Mapping[str, TestClient[Litestar]]) -> None:
        self._clients = clients
        self._asked: dict[tuple[str, str], tuple[int, str]] = {}

    def ask(self, catalogue: str, address: str) -> tuple[int, str]:
        """Return status and text."""
        key = (catalogue, address)
        if key not in self._asked:
            answer = self._clients[catalogue].get(address)
            self._asked[key] = (answer.status_code, answer.text)
        return self._asked[key]

    def document(self, catalogue: str, address: str) -> Document:
        """Return the page, parsed."""
        return Document(self.ask(catalogue, address)[1])


@pytest.fixture(scope="module")
def sites() -> Iterator[Sites]:
    with contextlib.ExitStack() as stack:
        yield Sites({name: stack.enter_context(client(reader)) for name, reader in READERS.items()})


@every_page
def test_page_has_one_h1_and_headings_without_gaps(sites: Sites, catalogue: str, address: str) -> None:
    levels = [int(one.tag[1]) for one in sites.document(catalogue, address).all("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))


@every_page
def test_elements_are_closed_in_order(sites: Sites, catalogue: str, address: str) -> None:
    assert sites.document(catalogue, address).misnested == []


@every_page
def test_tables_have_caption_and_scopes(sites: Sites, catalogue: str, address: str) -> None:
    page = sites.document(catalogue, address)
    for table in page.all("table"):
        assert any(one.tag == "caption" and one.text.strip() for one in table.children)
    for head in page.all("th"):
        assert head.attributes.get("scope") in {"col", "row", "rowgroup"}


@every_page
def test_inputs_have_labels_and_ids_are_unique(sites: Sites, catalogue: str, address: str) -> None:
    page = sites.document(catalogue, address)
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    labelled = {one.attributes.get("for") for one in page.all("label")}
    for control in page.all("input", "select"):
        assert control.attributes.get("type") == "hidden" or control.attributes.get("id") in labelled


@every_page
def test_page_has_no_inline_style_or_script(sites: Sites, catalogue: str, address: str) -> None:
    page = sites.document(catalogue, address)
    assert not page.all("style")
    assert all(one.attributes.get("src") and not one.text for one in page.all("script"))
    for one in page.elements:
        assert not [name for name in one.attributes if name == "style" or name.startswith("on")]


@every_page
def test_links_lead_to_pages_of_this_site(sites: Sites, catalogue: str, address: str) -> None:
    """Every internal link answers, and every anchor stands on its page."""
    page = sites.document(catalogue, address)
    ids = {one.attributes.get("id") for one in page.elements}
    named = {
        one.attributes.get(name) or ""
        for one in page.elements
        for name in ("href", "src", "action")
        if name in one.attributes
    }
    assert "/static/app.js" in {urlsplit(one).path for one in named}
    for link in named:
        if link.startswith("https://packages.spack.io/"):
            continue  # the recipe of a package: a link that a reader may follow, and nothing that a page loads
        assert link.startswith(("/", "#"))
        assert not link.startswith("//")
        if link.startswith("#"):
            assert link[1:] in ids
        elif link != address:
            assert sites.ask(catalogue, link.partition("#")[0])[0] == 200, link


@every_page
def test_nothing_is_loaded_from_elsewhere(sites: Sites, catalogue: str, address: str) -> None:
    page = sites.document(catalogue, address)
    loaded = [
        one.attributes[name]
        for one in page.elements
        for name in ("src", "srcset", "data")
        if name in one.attributes
    ]
    loaded += [one.attributes["href"] for one in page.all("link", "use", "image")]
    assert all((one or "").startswith("/") for one in loaded)
    outside = [one for one in page.all("a") if (one.attributes["href"] or "").startswith("http")]
    assert all("noreferrer" in (one.attributes["rel"] or "") for one in outside)


@every_page
def test_page_weighs_less_than_100_kb_and_reads_in_order(sites: Sites, catalogue: str, address: str) -> None:
    html = sites.ask(catalogue, address)[1]
    assert len(html.encode()) < 100_000
    page = Document(html)
    assert page.elements[0].tag == "html"
    assert page.elements[0].attributes == {"lang": "en"}
    first = page.all("a")[0]
    assert first.attributes["href"] == "#main"
    assert [one.attributes["id"] for one in page.all("main")] == ["main"]


@pytest.mark.parametrize(
    "address", [one for one in (*ADDRESSES, "/search?q=py@@&ref=develop") if "ref=develop" in one]
)
def test_scope_stays_in_search_and_navigation(sites: Sites, address: str) -> None:
    page = sites.document("filled", address)
    searches = [one for one in page.all("form") if one.attributes.get("role") == "search"]
    assert len(searches) == 1
    kept = {(one.attributes.get("name"), one.attributes.get("value")) for one in searches[0].children}
    assert ("ref", "develop") in kept
    packages = next(one for one in page.all("a") if one.text == "Packages")
    assert "ref=develop" in (packages.attributes["href"] or "")


def test_the_address_in_a_command_is_one_word_of_a_shell(opened: OpenCatalogue, tmp_path: Path) -> None:
    mirror = tmp_path / "m;touch $HOME"
    write_v3(mirror, index(installs([node("zlib")])))
    opened.sync("site/root", mirror)
    with client(opened.reader) as site:
        page = site.get("/cache/site/root").text
    (command,) = re.findall("spack mirror add [^<\n]*", html.unescape(page))
    assert shlex.split(command)[4:] == [f"file://{tmp_path}/m;touch%20$HOME"]
