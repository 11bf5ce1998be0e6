"""Serving on a real port."""

import contextlib
import http.client
import os
import queue
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from cachescope.model.errors import UserInputError
from cachescope.web.app import create_app
from cachescope.web.serving import serve
from tests.fakes import NOW, FakeCatalogue

_PROGRAM = """
    from contextlib import nullcontext
    from datetime import UTC, datetime
    from cachescope.web.app import create_app
    from cachescope.web.serving import serve
    from tests.fakes import FakeCatalogue

    app = create_app(FakeCatalogue(), now=lambda: datetime.now(UTC), version="0", on_error=str)
    serve(lambda _: nullcontext(app), "127.0.0.1", 0, announce=lambda url: print(url, flush=True))
    print("ended", flush=True)
"""
_ROOT = Path(__file__).resolve().parents[2]


def _refused(host: str, port: int) -> UserInputError:
    app = create_app(FakeCatalogue(), now=lambda: NOW, version="0", on_error=str)
    with pytest.raises(UserInputError) as caught:
        serve(
            lambda _: contextlib.nullcontext(app),
            host,
            port,
            announce=lambda url: pytest.fail(f"announced {url}"),
        )
    return caught.value


def test_port_in_use_is_said_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        error = _refused("127.0.0.1", port)
    assert error.message == f"port {port} on 127.0.0.1 is in use"
    assert error.hint == "choose another with --port, or end the program that holds it"


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a" * 70 + ".example"])
def test_host_of_another_machine_is_refused(host: str) -> None:
    assert f"{host} is no address of this machine" in _refused(host, 0).message


@pytest.mark.parametrize("port", [-1, 65536])
def test_number_that_is_no_port_is_refused(port: int) -> None:
    assert _refused("127.0.0.1", port).message == f"{port} is no port"


def test_interrupt_ends_in_order_even_with_an_open_connection() -> None:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_PROGRAM)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        url = _first_line(server)
        host, port = url.removeprefix("http://").rstrip("/").split(":")
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=60)) as connection:
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b"ok: no data yet\n"
        with socket.create_connection((host, int(port))) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\n")
            server.send_signal(signal.SIGINT)
            assert server.wait(timeout=60) == 0
        assert server.stdout.read() == "ended\n"
        assert server.stderr.read() == ""


def _first_line(server: subprocess.Popen[str]) -> str:
    """Wait for the address, but not for ever."""
    assert server.stdout is not None
    read = server.stdout.readline
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: lines.put(read()), daemon=True).start()
    line = lines.get(timeout=60).strip()
    assert line.startswith("http://127.0.0.1:")
    return line
