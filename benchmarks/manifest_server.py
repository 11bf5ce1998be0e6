"""A web server on loopback for one generated mirror: its files, and a spec manifest for every binary that is asked for.

    python benchmarks/manifest_server.py FOLDER

prints its port and serves until it is ended. Manifests are made from the hash in their name, in Spack's form, half of
them in an OpenPGP envelope of Spack's size; so 100,000 of them need no file. Connections are kept alive.
"""

import asyncio
import hashlib
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_TAIL = ".spec.manifest.json"
_HASH_LENGTH = 32
_SIGNATURE = "\n".join(
    ["-----BEGIN PGP SIGNATURE-----", "", *["A" * 64] * 13, "-----END PGP SIGNATURE-----", ""]
)
_ENTRY = (
    '{{\n"contentLength":{size},\n"mediaType":"{media}",\n"compression":"gzip",\n'
    '"checksumAlgorithm":"sha256",\n"checksum":"{checksum}"\n}}'
)


def manifest(dag_hash: str) -> bytes:
    """Return the manifest of a binary; the same hash gives the same bytes."""
    checksum = hashlib.sha256(dag_hash.encode()).hexdigest()
    size = int(checksum[:6], 16)
    archive = _ENTRY.format(size=size, media="application/vnd.spack.install.v2.tar+gzip", checksum=checksum)
    document = _ENTRY.format(size=2345, media="application/vnd.spack.spec.v5+json", checksum=checksum[::-1])
    text = f'{{\n"version":3,\n"data":[\n{archive},\n{document}\n]\n}}'
    if size % 2:
        text = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{text}\n{_SIGNATURE}"
    return text.encode()


class _Connection(asyncio.Protocol):
    """One connection; answers GET and HEAD in turn."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a stream server is given
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head, self._received = self._received[:end], self._received[end + 4 :]
            method, path, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
            self._transport.write(self._answer(method, path.lstrip("/")))

    def _answer(self, method: str, path: str) -> bytes:
        body = self._body(path)
        status = "404 Not Found" if body is None else "200 OK"
        body = body or b""
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        return head if method == "HEAD" else head + body

    def _body(self, path: str) -> bytes | None:
        if path.endswith(_TAIL):
            return manifest(path.removesuffix(_TAIL)[-_HASH_LENGTH:])
        try:
            return (self._folder / path).read_bytes()
        except OSError:
            return None


async def serve(folder: Path) -> None:
    """Serve for ever; the port is printed once connections are accepted."""
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(folder), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main(arguments: Sequence[str]) -> int:
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(Path(arguments[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
