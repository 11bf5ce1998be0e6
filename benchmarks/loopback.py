"""Serves a folder over HTTP/1.1 on a free port of 127.0.0.1, for benchmarks: ``python benchmarks/loopback.py FOLDER``.

Prints the address, then serves until it is ended. Answers carry an entity tag (size and time of the file) and honour
``If-None-Match``.
"""

import shutil
import sys
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PIECE = 1 << 20


class Folder(BaseHTTPRequestHandler):
    """Answers GET and HEAD for the files of one folder; connections stay open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, folder: Path, *arguments: object) -> None:
        self.folder = folder
        super().__init__(*arguments)  # type: ignore[arg-type] # the server's own: socket, address, server

    def do_GET(self) -> None:
        """Answer with a file of the folder."""
        file = (self.folder / self.path.partition("?")[0].lstrip("/")).resolve()
        if not file.is_file() or not file.is_relative_to(self.folder):
            self._head(HTTPStatus.NOT_FOUND, 0)
            return
        with file.open("rb") as stream:
            status = file.stat()
            tag = f'"{status.st_size:x}-{status.st_mtime_ns:x}"'
            if self.headers.get("If-None-Match") == tag:
                self._head(HTTPStatus.NOT_MODIFIED, None, tag)
                return
            self._head(HTTPStatus.OK, status.st_size, tag)
            if self.command != "HEAD":
                shutil.copyfileobj(stream, self.wfile, PIECE)

    do_HEAD = do_GET  # noqa: N815 - the base class names it

    def _head(self, status: HTTPStatus, length: int | None, tag: str = "") -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if tag:
            self.send_header("ETag", tag)
        self.end_headers()

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing: standard error is not read."""


def main(folder: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Folder, folder.resolve())) as server:
        server.daemon_threads = True
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
