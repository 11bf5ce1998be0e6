"""What axe-core finds on the pages by the rules of WCAG 2.2 up to AA: nothing; and what the keyboard reaches."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.catalogues import OpenCatalogue
from tests.web.conftest import axe_findings, served
from tests.web.site import ADDRESSES, FAILING

pytestmark = pytest.mark.browser

SAMPLE = (
    "/",
    "/packages?sort=-present",
    "/package/cr-zlib",
    "/package/cr-zlib?q=cr-zlib+%25gcc+target%3Dicelake",
    "/package/py-pdm-backend?ref=develop",
    "/cache/crafted/v3-signed",
    "/spec/vwxwg7qkuckhya3cnuqqgqyac65wpemu?os=debian12&target=zen4&glibc=2.28",
    "/compare/da3fdjq5eicfs23xogx5vid7vmsshmfy/qjef6oiidcrvr725qxrlnbatfkg4f74e",
    "/search?q=cr-zlib+target%3Dzen4",
)


@pytest.fixture(scope="module")
def sample_origin(sample: OpenCatalogue) -> Iterator[str]:
    with served(sample.reader) as address:
        yield address


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_axe_finds_nothing(browser: Browser, origin: str, axe: str, width: int, scheme: str) -> None:
    with browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
    ) as context:
        page = context.new_page()
        found = []
        for address in (*ADDRESSES, *FAILING, "/api"):
            page.goto(origin + address)
            found += axe_findings(page, axe)
        assert found == []


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_axe_finds_nothing_over_a_real_catalogue(
    browser: Browser, sample_origin: str, axe: str, width: int, scheme: str
) -> None:
    with browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
    ) as context:
        page = context.new_page()
        found = []
        for address in SAMPLE:
            page.goto(sample_origin + address)
            found += axe_findings(page, axe)
        assert found == []


def test_keyboard_reaches_all_that_can_be_used(browser: Browser, sample_origin: str) -> None:
    """As many stops of the Tab key as the page shows links, fields, buttons, folds and regions that scroll."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.goto(sample_origin + "/package/cr-zlib")
        wanted = page.evaluate(
            """[...document.querySelectorAll("a[href],input:not([type=hidden]),select,button,summary,[tabindex='0']")]
            .filter(one => one.checkVisibility()).length"""
        )
        reached = set()
        for _ in range(wanted + 5):
            page.keyboard.press("Tab")
            reached.add(
                page.evaluate(
                    """(() => { const all = [...document.querySelectorAll('*')];
                    return all.indexOf(document.activeElement) })()"""
                )
            )
        assert len(reached) >= wanted


def test_facets_narrow_without_scripts(browser: Browser, sample_origin: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(sample_origin + "/package/py-pdm-backend")
        with page.expect_navigation():
            page.get_by_role("link", name="ubuntu24.04 28").click()
        with page.expect_navigation():
            page.get_by_role("link", name="aarch64 14").click()
        assert page.get_by_label("Query in Spack's language").input_value() == (
            "py-pdm-backend os=ubuntu24.04 target=aarch64"
        )
        assert page.locator(".toks").first.inner_text().startswith("14 of 77 match")
        with page.expect_navigation():
            page.get_by_role("link", name="drop os=ubuntu24.04").click()
        assert page.locator(".toks").first.inner_text().startswith("28 of 77 match")


def test_query_above_the_list_is_the_truth(browser: Browser, sample_origin: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(sample_origin + "/package/py-pdm-backend")
        field = page.get_by_label("Query in Spack's language")
        field.fill("target=aarch64: os=sequoia")
        with page.expect_navigation():
            field.press("Enter")
        chosen = page.locator(".facets [aria-current] span").all_inner_texts()
        assert chosen == ["sequoia", "aarch64", "neoverse_v2"]


def test_names_are_suggested_as_one_types(browser: Browser, sample_origin: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(sample_origin + "/packages")
        page.locator("#q").fill(
            "zlib"
        )  # at once: between two slow keys, what begins like that is suggested, too
        options = page.locator("#q-names option")
        options.first.wait_for(state="attached")
        assert [one.get_attribute("value") for one in options.all()] == ["cr-zlib", "cr-zlib-ng"]


def test_rows_that_hold_what_is_typed_stay(browser: Browser, sample_origin: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(sample_origin + "/packages")
        page.get_by_label("Names that begin with").type("zlib")
        assert page.locator("#names tr:visible th").all_inner_texts() == ["cr-zlib", "cr-zlib-ng"]
