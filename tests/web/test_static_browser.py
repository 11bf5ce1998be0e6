"""The site of files in a real browser, below a path of a plain server: searched, walked through, judged by axe."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page

from tests.catalogues import OpenCatalogue
from tests.mirrors import Node
from tests.web.conftest import Heard, axe_findings
from tests.web.small_site import read_small
from tests.web.static_files import export, hosted

pytestmark = pytest.mark.browser

PAGES = (
    "index.html",
    "packages.html",
    "packages/letter/q.html",
    "packages/in/develop/e4s.html",
    "package/py-demo.html",
    "search.html?q=demo",
    "search.html?q=nothing-like-it",
    "caches.html",
    "cache/develop/root.html",
    "about/figures.html",
)


@dataclass(frozen=True)
class Hosted:
    root: str
    demo: Node


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    folder = tmp_path_factory.mktemp("site")
    with OpenCatalogue(folder / "catalogue.sqlite") as opened:
        demo = read_small(opened, folder)[2]
        files = export(opened)
    with hosted(files, folder / "hosted") as root:
        yield Hosted(root, demo)


def _found(page: Page) -> list[str]:
    page.locator("#found section").first.wait_for()
    return page.locator("#found li a").all_inner_texts()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_every_kind_of_page_fits_is_quiet_and_accessible(
    browser: Browser, site: Hosted, axe: str, width: int, scheme: str
) -> None:
    with browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
    ) as context:
        page, heard, found = context.new_page(), Heard(), list[str]()
        heard.listen(page)
        spec = f"spec/{site.demo['hash'][:2]}/{site.demo['hash']}.html"
        for address in (*PAGES, spec):
            page.goto(site.root + address)
            page.wait_for_load_state("networkidle")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address
            found += axe_findings(page, axe)
        assert found == []
        assert heard.console == []
        assert [one for one in heard.requests if not one.startswith(site.root)] == []


def test_search_finds_packages_by_a_part_of_their_name(browser: Browser, site: Hosted) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(site.root + "package/py-demo.html")
        page.keyboard.press("/")
        page.keyboard.type("dem")
        page.locator("#q-names option").first.wait_for(state="attached")
        page.keyboard.type("o@1.2")
        page.keyboard.press("Enter")
        assert _found(page) == ["py-demo"]
        assert page.get_by_role("status").first.inner_text() == "1 package; only the name was looked for"
        with page.expect_navigation():
            page.locator("#found li a").click()
        assert page.url == site.root + "package/py-demo.html"


def test_search_finds_a_binary_by_the_beginning_of_its_hash_and_loads_little(
    browser: Browser, site: Hosted
) -> None:
    with browser.new_context() as context:
        page, heard = context.new_page(), Heard()
        heard.listen(page)
        page.goto(site.root + "index.html")
        page.locator("#q").fill("/" + site.demo["hash"][:7])
        page.get_by_role("button", name="Search").click()
        assert _found(page) == ["/" + site.demo["hash"]]
        index = [one for one in heard.requests if "/search/" in one]
        assert index == [
            f"{site.root}search/names.json",
            f"{site.root}search/hashes/{site.demo['hash'][:2]}.json",
        ]
        with page.expect_navigation():
            page.locator("#found li a").click()
        assert page.locator("h1").inner_text() == "py-demo@1.2"
        assert heard.console == []


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("nothing-like-it", "Nothing here is named like that."),
        ("/abc1", "A hash has characters a-z and 2-7; give two of them at least."),
        ("/", "A hash has characters a-z and 2-7; give two of them at least."),
        ("<img src=x>", "Nothing here is named like that.; only the name was looked for"),
    ],
)
def test_search_says_what_it_did_not_find(browser: Browser, site: Hosted, question: str, answer: str) -> None:
    with browser.new_context() as context:
        page, heard = context.new_page(), Heard()
        heard.listen(page)
        page.goto(site.root + "search.html")
        page.locator("#q").fill(question)
        page.locator("#q").press("Enter")
        page.get_by_text(answer, exact=True).wait_for()
        assert heard.console == []


def test_without_scripts_lists_lead_to_a_binary(browser: Browser, site: Hosted) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(site.root + "index.html")
        page.locator("#q").fill("py-demo")
        page.locator("#q").press("Enter")
        page.get_by_text("Searching needs JavaScript here").wait_for()
        page.get_by_role("link", name="p", exact=True).click()
        page.locator("#names").get_by_role("link", name="py-demo").click()
        with page.expect_navigation():
            page.locator(f"a.h[href$='{site.demo['hash']}.html']").click()
        assert page.locator("h1").inner_text() == "py-demo@1.2"
