"""The site in a browser, and a real catalogue under it, for the tests of this folder."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, sync_playwright

from cachescope.catalogue.address import CatalogueAddress
from cachescope.model.services import CatalogueReader
from cachescope.web.app import create_app
from tests.catalogues import SEED_PAGE, V2, V3, OpenCatalogue
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
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}; install the package chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield started
        started.close()
