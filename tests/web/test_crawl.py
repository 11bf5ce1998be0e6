"""Every link of the served site answers, and nothing comes from elsewhere."""

import http.client
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urljoin, urlsplit

import pytest

from cachescope import compose
from cachescope.catalogue.virtual_definitions import define_virtual
from cachescope.jobs.lock_answers import CatalogueLockAnswers
from cachescope.jobs.virtual_definition import make_definition
from cachescope.web.lock_files import UploadLimits
from tests.catalogues import OpenCatalogue
from tests.web.conftest import served
from tests.web.crawling import OUTSIDE, fragment_holds, is_outside, links_of
from tests.web.small_site import read_small

FREE = ("q=", "sort=", "prefix=")
"""What can be combined without end: such pages have to answer, and are not followed."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """A served site, and addresses that no link of it leads to."""
    folder = tmp_path_factory.mktemp("small")
    with OpenCatalogue(folder / "catalogue.sqlite") as opened:
        specs = read_small(opened, folder)
        answers = CatalogueLockAnswers(opened.catalogue, most_specs=1000)
        compared = f"/compare/{specs[2]['hash']}/{specs[4]['hash']}?ref=develop"
        with opened.catalogue.writing() as connection:
            define_virtual(connection, make_definition("lab", ["ref:develop"]), now=opened.clock)
        chosen = compose.settings({"db": str(opened.file)})
        limits = UploadLimits(largest=10**6)
        with (
            compose.virtual_mirrors(opened.catalogue, chosen) as virtual,
            served(opened.reader, lock_answers=answers, limits=limits, virtual=virtual) as origin,
        ):
            yield (
                origin,
                [
                    "/",
                    compared,
                    "/search?q=py-demo&ref=develop",
                    "/search?q=py-demo+target=zen9",
                    "/suggest?q=py",
                ],
            )


def test_every_link_form_and_picture_answers(small: tuple[str, list[str]]) -> None:
    origin, starts = small
    seen: set[str] = set()
    waiting = deque(starts)
    while waiting:
        address = waiting.popleft()
        if address in seen:
            continue
        seen.add(address)
        # A connection of its own: a server closes one that a slow machine keeps waiting.
        with closing(http.client.HTTPConnection(urlsplit(origin).netloc, timeout=60)) as connection:
            connection.request("GET", address, headers={"Accept": "text/html"})
            answer = connection.getresponse()
            body = answer.read()
        if answer.status == http.client.FOUND:
            waiting.append(answer.headers["Location"])
            continue
        assert answer.status == http.client.OK, (address, body[:300])
        if not answer.headers["Content-Type"].startswith("text/html"):
            continue
        html = body.decode()
        for link in links_of(html):
            if is_outside(link.address):
                assert link.tag == "a", (address, link)
                assert link.address.startswith(OUTSIDE), (address, link)
                continue
            target, _, fragment = urljoin(address, link.address).partition("#")
            if target == address:
                assert fragment_holds(html, fragment), (address, link)
            elif not any(one in address for one in FREE) and not ("stack=" in address and "/api/" in target):
                waiting.append(target)
    kinds = {urlsplit(one).path.split("/")[1] for one in seen}
    assert kinds >= {
        "",
        "packages",
        "package",
        "spec",
        "compare",
        "caches",
        "cache",
        "mirror",
        "about",
        "search",
        "coverage",
        "badge",
        "table",
        "api",
        "static",
    }
    assert len(seen) > 100
