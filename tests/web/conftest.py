"""The site in a browser, and a real catalogue under it, for the tests of this folder."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from cachescope.catalogue.address import CatalogueAddress
from cachescope.model.services import CatalogueReader
from cachescope.web.app import create_app
from cachescope.web.slow_senders import PromptProtocol
from tests.catalogues import ROOT, SEED_PAGE, V2, V3, OpenCatalogue
from tests.fakes import NOW, filled_catalogue

CHROMIUM = Path("/usr/bin/chromium")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """The address of the site, served by a thread of this test."""
    with served(filled_catalogue()) as address:
        yield address


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenCatalogue]:
    """A catalogue of the bundled caches, read at several times."""
    with OpenCatalogue(tmp_path_factory.mktemp("sample") / "catalogue.sqlite") as opened:
        read_sample(opened)
        yield opened


@pytest.fixture(scope="module")
def sized(each_module_catalogue: CatalogueAddress) -> Iterator[OpenCatalogue]:
    """The same with sizes, in each database in turn."""
    with OpenCatalogue(each_module_catalogue) as opened:
        read_sample(opened)
        opened.sizes()
        yield opened


def read_sample(opened: OpenCatalogue) -> None:
    """Read the bundled caches, days apart."""
    opened.sync("crafted/v3-signed", V3)
    opened.pass_time(3)
    opened.sync("crafted/v2-signed", V2)
    opened.pass_time(4)
    opened.sync_page(SEED_PAGE)


@contextmanager
def served(reader: CatalogueReader, **options: Any) -> Iterator[str]:
    """Serve the site over a reader, and give its address; options are those of ``create_app``."""
    app = create_app(reader, now=lambda: NOW, version="0.1.0", on_error=str, **options)
    server = uvicorn.Server(uvicorn.Config(app, http=PromptProtocol, log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}; install the package chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield started
        started.close()


@dataclass
class Heard:
    """What a page said and asked for while it was shown."""

    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        """Take note of all that this page says and asks for."""
        page.on("console", lambda message: self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))


@pytest.fixture(scope="module")
def axe() -> str:
    """The text of axe-core."""
    found = sorted(Path(ROOT, ".venv", "axe").glob("*/axe.min.js"))
    if not found:
        pytest.skip("axe-core is not there; scripts/ensure-axe fetches it")
    return found[-1].read_text()


def axe_findings(page: Page, axe: str) -> list[str]:
    """Return what axe-core finds on a page."""
    # Past the policy of the page, which lets no script in but its own.
    page.evaluate(axe)
    result = page.evaluate(f"axe.run(document, {{runOnly: {_RULES}, resultTypes: ['violations']}})")
    return [
        f"{page.url}: {one['id']}: {node['target']}" for one in result["violations"] for node in one["nodes"]
    ]
