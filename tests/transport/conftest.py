"""Servers and clients that the tests of this folder share."""

import dataclasses
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trustme

from cachescope.model.mirror import parse_mirror_url
from cachescope.transport.opening import HttpClient, TransportOptions, open_source
from cachescope.transport.source import ByteSource
from tests.servers import MirrorServer

_NOBODY = 65534

OpenUrl = Callable[..., ByteSource]


@pytest.fixture
def options() -> TransportOptions:
    """Patience for a busy machine; tests of time-outs set less. Retries follow at once."""
    return TransportOptions(connect_timeout=10, read_timeout=10, retries=2, backoff=0.001, longest_wait=0.1)


@pytest.fixture
def open_url(options: TransportOptions) -> Iterator[OpenUrl]:
    """Opens an address with a client of its own; keywords change the options."""
    with ExitStack() as closing:

        def opened(url: str, **changes: object) -> ByteSource:
            changed = dataclasses.replace(options, **changes)  # type: ignore[arg-type] # keywords of any option
            client = closing.enter_context(HttpClient(changed))
            return open_source(parse_mirror_url(url, cwd=Path("/")), changed, client)

        yield opened


@pytest.fixture
def server() -> Iterator[MirrorServer]:
    with MirrorServer() as running:
        yield running


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[MirrorServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with MirrorServer(tls=context) as running:
        yield running


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    return file


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that another user may enter, unlike ``tmp_path``."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def unprivileged() -> Callable[[], AbstractContextManager[None]]:
    """Permissions hold for nobody who is root: such a process lays its rights down for a while."""

    @contextmanager
    def lowered() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(_NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    return lowered


@pytest.fixture
def full_backlog() -> Iterator[int]:
    """A port whose queue of connections is full: a further one is neither taken nor refused (Linux)."""
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            connection = waiting.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
