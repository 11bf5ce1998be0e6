"""The site in a real browser, on a phone and on a desk."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from cachescope.jobs.lock_answers import CatalogueLockAnswers
from cachescope.web.lock_files import UploadLimits
from tests.catalogues import OpenCatalogue
from tests.fakes import DEMO
from tests.locks import lock_document
from tests.mirrors import index, installs, node, write_v3
from tests.web.conftest import Heard, served
from tests.web.site import ADDRESSES

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_and_is_quiet(browser: Browser, origin: str, width: int, scheme: str) -> None:
    """No message on the console, nothing from elsewhere, no sideways scroll, no text wider than the screen."""
    with browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
    ) as context:
        page, heard = context.new_page(), Heard()
        heard.listen(page)
        for address in ADDRESSES:
            page.goto(origin + address)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address
            for element in page.locator("details").all():
                element.evaluate("one => one.open = true")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        assert heard.console == []
        assert [one for one in heard.requests if not one.startswith(origin + "/")] == []


def test_long_text_in_a_table_makes_no_tall_rows_beside_the_screen(browser: Browser, origin: str) -> None:
    """Tables are scrolled sideways on a phone: a narrow column of words there would leave all that is seen blank."""
    with browser.new_context(viewport={"width": 390, "height": 800}) as context:
        page = context.new_page()
        page.goto(origin + "/caches")
        cells = page.locator("td.wrap")
        widths = cells.evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
        assert widths
        assert min(widths) > 300


@pytest.mark.parametrize("scripts", [True, False])
def test_search_leads_to_a_binary(browser: Browser, origin: str, *, scripts: bool) -> None:
    with browser.new_context(java_script_enabled=scripts) as context:
        page = context.new_page()
        page.goto(origin + "/packages?ref=develop")
        page.locator("#q").fill("py-demo")
        with page.expect_navigation():
            page.locator("#q").press("Enter")
        assert page.url == origin + "/search?q=py-demo&ref=develop"
        with page.expect_navigation():
            page.locator(f"a[href^='/spec/{DEMO[0].hash}']").click()
        assert page.locator("h1").inner_text() == "py-demo@2.4.3"
        assert page.url == f"{origin}/spec/{DEMO[0].hash}?ref=develop"


def test_slash_leads_into_the_search_box(browser: Browser, origin: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(origin + "/caches")
        page.keyboard.press("/")
        page.keyboard.type("zl")
        assert page.locator("#q").input_value() == "zl"


def test_copy_gives_whole_commands_without_prompts(browser: Browser, origin: str) -> None:
    with browser.new_context() as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.goto(f"{origin}/spec/{DEMO[0].hash}")
        # It is said for a second and a half, in which a busy machine may not come to look.
        page.evaluate(
            "() => { const say = document.querySelector('p.vh[role=status]'); window.said = new Promise(done =>"
            " new MutationObserver(() => done(say.textContent)).observe(say, {childList: true})); }"
        )
        page.get_by_role("button", name="Copy commands").click()
        assert page.evaluate("window.said") == "Copied"
        copied = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert copied[0].startswith("spack mirror add ")
    assert copied[-1] == f"spack install --cache-only /{DEMO[0].hash}"


def test_keyboard_reaches_the_content_first(browser: Browser, origin: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(origin + "/package/py-demo")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to content"


@pytest.fixture
def lock_site(opened: OpenCatalogue, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A served site that takes lock files, and a lock file of 300 specs of which half are missing."""
    base, other = node("base", target="x86_64_v3"), node("base", target="x86_64_v2")
    nodes = [node(f"pkg-{one}", needs=[(base if one % 2 else other, "link", "")]) for one in range(298)]
    write_v3(tmp_path / "mirror", index(installs([base, *nodes[1::2]])))
    opened.sync("develop/e4s", tmp_path / "mirror")
    file = tmp_path / "spack.lock"
    file.write_bytes(
        lock_document([one["hash"] for one in nodes], {one["hash"]: one for one in (base, other, *nodes)})
    )
    answers = CatalogueLockAnswers(opened.catalogue, most_specs=1000)
    with served(opened.reader, lock_answers=answers, limits=UploadLimits(largest=10**7)) as address:
        yield address, file


@pytest.mark.parametrize(("width", "scripts"), [(360, True), (768, False), (1280, True)])
def test_lock_file_leads_to_causes_by_keyboard(
    browser: Browser, lock_site: tuple[str, Path], width: int, *, scripts: bool
) -> None:
    """The form is walked through by keys alone; the answer fits, is quiet, and its picture holds every spec."""
    origin, file = lock_site
    with browser.new_context(
        viewport={"width": width, "height": 800}, java_script_enabled=scripts
    ) as context:
        page, heard = context.new_page(), Heard()
        heard.listen(page)
        page.goto(origin + "/caches")
        with page.expect_navigation():
            page.get_by_role("link", name="Coverage").press("Enter")
        page.locator("#lock").set_input_files(file)
        page.locator("#lock").focus()
        for _ in range(6):  # file, text, against, deptypes, host, button
            page.keyboard.press("Tab")
            if page.get_by_role("button", name="Show coverage").evaluate(
                "one => one === document.activeElement"
            ):
                break
        with page.expect_navigation():
            page.keyboard.press("Enter")
        page.get_by_text("Cause 1:").first.wait_for()
        assert page.locator("h1").inner_text() == "150 of 300 are in the caches; 150 would be built"
        assert page.locator("svg.dag circle, svg.dag path").count() == 300
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert heard.console == []
        assert [one for one in heard.requests if not one.startswith(origin + "/")] == []
