"""The ten journeys that users make who are named in the field's research (field.md), in a real browser.

Each on a phone and on a desk, with scripts and without; nothing on the console, nothing asked from elsewhere, and no page
that is wider than the screen.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from cachescope.jobs.lock_answers import CatalogueLockAnswers
from cachescope.web.lock_files import UploadLimits
from tests import mirrors
from tests.catalogues import OpenCatalogue
from tests.locks import lock_document
from tests.web.conftest import read_sample, served

pytestmark = pytest.mark.browser


@dataclass(frozen=True, slots=True)
class Place:
    """Where the journeys begin."""

    origin: str
    lock: Path
    base: str
    """Hash of a binary whose only other build is for another target."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The bundled caches; one that lost a package a day ago; one that is gone since; a lock file that misses a third."""
    folder = tmp_path_factory.mktemp("journeys")
    base, other = mirrors.node("base", target="x86_64_v3"), mirrors.node("base", target="x86_64_v2")
    app, tool = mirrors.node("app", needs=[(other, "link", "")]), mirrors.node("tool")
    built = mirrors.node("app", needs=[(base, "link", "")])
    with OpenCatalogue(folder / "catalogue.sqlite") as opened:
        read_sample(opened)
        mirrors.write_v3(folder / "e4s", mirrors.index(mirrors.installs([base, built, tool])))
        opened.sync("develop/e4s", folder / "e4s")
        opened.pass_time(1)
        mirrors.write_v3(folder / "e4s", mirrors.index(mirrors.installs([base, built])))
        opened.sync("develop/e4s", folder / "e4s")
        mirrors.write_v3(folder / "gone", mirrors.index(mirrors.installs([base])))
        opened.sync("develop/gone", folder / "gone")
        (folder / "gone").rename(folder / "moved")
        opened.sync_again("develop/gone")
        lock = folder / "spack.lock"
        nodes = (base, other, app)
        lock.write_bytes(lock_document([base["hash"], app["hash"]], {one["hash"]: one for one in nodes}))
        answers = CatalogueLockAnswers(opened.catalogue, most_specs=1000)
        with served(opened.reader, lock_answers=answers, limits=UploadLimits(largest=10**6)) as origin:
            yield Place(origin, lock, str(base["hash"]))


def _find_a_binary_that_fits(page: Page, place: Place) -> None:
    """A1 1, A1 6: which binary would my abstract spec match? From the first page, in Spack's language."""
    page.goto(place.origin)
    box = page.locator("#q")
    box.fill("cr-zlib +shared target=x86_64_v3: %gcc")
    with page.expect_navigation():
        box.press("Enter")
    assert "cr-zlib" in page.locator("h1").inner_text() or page.locator(".h").count()
    with page.expect_navigation():
        page.locator("main a.h").first.click()
    assert page.locator("h1").inner_text().startswith("cr-zlib@")


def _tell_look_alikes_apart(page: Page, place: Place) -> None:
    """0.2, E 1: rows that look the same in every column; what separates them? Then two beside each other."""
    page.goto(f"{place.origin}/package/cr-zlib")
    assert page.get_by_text("look alike in every column").first.is_visible()
    hashes = page.locator("main a.h")
    page.goto(f"{place.origin}{hashes.first.get_attribute('href')}")
    page.locator("#second").fill("twqesijiyme5pr47r3mprtcgqdjvvegj")
    with page.expect_navigation():
        page.locator("#second").press("Enter")
    assert page.locator("h1").inner_text() == "Two binaries side by side"


def _see_coverage_before_installing(page: Page, place: Place) -> None:
    """A1 3, A4 47: what of my environment is in the caches, before anything is installed?"""
    page.goto(place.origin)
    with page.expect_navigation():
        page.get_by_role("link", name="Coverage").click()
    page.locator("#lock").set_input_files(place.lock)
    with page.expect_navigation():
        page.get_by_role("button", name="Show coverage").click()
    assert page.locator("h1").inner_text() == "1 of 3 are in the caches; 2 would be built"


def _learn_the_deepest_cause(page: Page, place: Place) -> None:
    """A1 1, A1 4: why is it rebuilt? The deepest spec that differs, the nearest binary, and the field."""
    page.goto(f"{place.origin}/coverage")
    page.locator("#lock").set_input_files(place.lock)
    with page.expect_navigation():
        page.get_by_role("button", name="Show coverage").click()
    assert "base" in (page.get_by_text("Cause 1:").first.text_content() or "")
    main = page.locator("main").inner_text()
    assert "x86_64_v2" in main
    assert "x86_64_v3" in main


def _ask_whether_it_runs_on_my_machine(page: Page, place: Place) -> None:
    """A2 14, A2 18: a binary for an older target runs here; one that needs a newer glibc does not. Before the download."""
    page.goto(f"{place.origin}/spec/{place.base}")
    for target, verdict in (("zen2", "runs"), ("x86_64", "does not run")):
        page.locator("#os").fill("debian12")
        page.locator("#target").fill(target)
        with page.expect_navigation():
            page.locator("#target").press("Enter")
        assert f"target={target}" in page.url
        assert verdict in page.locator("main").inner_text().lower()


def _see_the_compilers_of_a_cache(page: Page, place: Place) -> None:
    """A2 20, 0.3: which compilers does a cache hold, counted by packages and not by nodes?"""
    page.goto(place.origin)
    with page.expect_navigation():
        page.get_by_role("navigation").get_by_role("link", name="Caches").click()
    with page.expect_navigation():
        page.get_by_role("link", name="crafted/v3-signed").first.click()
    table = page.get_by_role("region", name="Compilers")
    assert "by packages that were built with them" in table.inner_text().lower()
    assert "gcc@" in table.inner_text()


def _find_the_cache_that_fails(page: Page, place: Place) -> None:
    """A3 32, A3 35: one mirror is gone; which, since when, and does the rest still answer?"""
    page.goto(f"{place.origin}/caches")
    rows = page.locator("tr").filter(has_text="v3, index")
    for name, fails in (("develop/gone", True), ("develop/e4s", False)):
        row = rows.filter(has=page.get_by_role("link", name=name, exact=True))
        assert ("failed" in row.inner_text()) == fails
    page.goto(f"{place.origin}/search?q=base&ref=develop&stack=gone")
    assert page.locator("main a.h").count() == 1


def _see_what_a_sync_took_away(page: Page, place: Place) -> None:
    """D1, A4 41: content is not monotone; what went between two snapshots?"""
    page.goto(f"{place.origin}/cache/develop/e4s")
    with page.expect_navigation():
        page.get_by_role("region", name="What changed").locator("th a").click()
    assert page.locator("h1").inner_text() == "What came and went"
    assert page.locator(".sum li").nth(1).inner_text() == "1 went"
    with page.expect_navigation():
        page.get_by_role("region", name="Packages that differ").locator("a.h").first.click()
    assert page.locator("h1").inner_text() == "tool@1.0"


def _follow_a_link_to_one_binary_and_take_its_commands(page: Page, place: Place) -> None:
    """A1 5, E 2, E 7: a colleague sends the beginning of a hash; how do I install exactly this, from its own cache?"""
    page.goto(f"{place.origin}/spec/{place.base[:9]}")
    assert page.url == f"{place.origin}/spec/{place.base}"
    commands = page.locator(".cmd").filter(has_text="spack install").inner_text()
    assert f"spack install --cache-only /{place.base}" in commands
    assert "spack mirror add develop-" in commands


def _combine_facets_and_take_the_list_along(page: Page, place: Place) -> None:
    """E 3, E 4, E 10: a system and a target together; the query that they amount to; the list as data, and by number."""
    page.goto(f"{place.origin}/package/py-pdm-backend")
    with page.expect_navigation():
        page.get_by_role("link", name="ubuntu24.04 28").click()
    with page.expect_navigation():
        page.get_by_role("link", name="aarch64 14").click()
    query = page.get_by_label("Query in Spack's language").input_value()
    assert query == "py-pdm-backend os=ubuntu24.04 target=aarch64"
    csv = page.get_by_role("link", name="CSV").first.get_attribute("href")
    answer = page.request.get(f"{place.origin}{csv}")
    assert answer.ok
    assert len(answer.text().splitlines()) == 1 + 14
    page.goto(f"{place.origin}/packages?sort=-present")
    assert page.locator("#names tr").first.locator("th").inner_text() == "py-pdm-backend"


_JOURNEYS: tuple[Callable[[Page, Place], None], ...] = (
    _find_a_binary_that_fits,
    _tell_look_alikes_apart,
    _see_coverage_before_installing,
    _learn_the_deepest_cause,
    _ask_whether_it_runs_on_my_machine,
    _see_the_compilers_of_a_cache,
    _find_the_cache_that_fails,
    _see_what_a_sync_took_away,
    _follow_a_link_to_one_binary_and_take_its_commands,
    _combine_facets_and_take_the_list_along,
)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("journey", _JOURNEYS, ids=lambda one: one.__name__.strip("_"))
def test_journey(
    browser: Browser, place: Place, journey: Callable[[Page, Place], None], width: int, *, scripts: bool
) -> None:
    said: list[str] = []
    with browser.new_context(
        viewport={"width": width, "height": 800}, java_script_enabled=scripts
    ) as context:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request", lambda request: said.append(request.url) if _is_outside(request.url, place) else None
        )
        journey(page, place)
        assert said == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def _is_outside(url: str, place: Place) -> bool:
    return not url.startswith(place.origin + "/")
