"""The files of a site, in memory and behind a plain server, for the tests of this folder."""

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cachescope.catalogue.site_index import CatalogueSiteIndex
from cachescope.model.identity import Ref
from cachescope.web.static_export import StaticSite
from tests.catalogues import OpenCatalogue

Files = dict[str, bytes]


def site_of(opened: OpenCatalogue, *, ref: str | None = None, with_binaries: bool = True) -> StaticSite:
    return StaticSite(
        opened.reader,
        CatalogueSiteIndex(opened.catalogue),
        ref=Ref(ref) if ref else None,
        with_binaries=with_binaries,
        version="0.1.0",
    )


def export(opened: OpenCatalogue, **options: Any) -> Files:
    """Return all files of the site."""
    site = site_of(opened, **options)
    files: Files = {}
    for task in site.tasks():
        pages = 0
        for one in site.write(task):
            assert one.name not in files, one.name
            files[one.name] = one.data
            pages += one.is_page
        if task.route == "spec":
            assert pages == task.pages == len(task.subjects)
    return files


@contextmanager
def hosted(files: Files, folder: Path) -> Iterator[str]:
    """Serve files below a path by a plain server, and give the address of their folder."""
    for name, data in files.items():
        file = folder / "below" / "a path" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Keep silent."""

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/below/a%20path/"
        finally:
            server.shutdown()
            thread.join()
