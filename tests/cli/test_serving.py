"""``cachescope serve`` as a process: workers, its end, what it may not write, what it says."""

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.commands import CommandLine

_PATIENCE = 60.0


class Server:
    """A running ``cachescope serve``."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: IO[bytes]) -> None:
        self.process = process
        self._output = output
        self.port = 0

    def wait_until_it_listens(self) -> None:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", self.said())
            if found is not None:
                self.port = int(found[1])
                return
            time.sleep(0.05)
        pytest.fail(f"it does not listen: {self.said()}")

    def said(self) -> str:
        return os.pread(self._output.fileno(), 1 << 20, 0).decode()

    def get(self, address: str, **headers: str) -> tuple[int, bytes]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", address, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def end(self, what: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(what)
        return self.process.wait(timeout=_PATIENCE)


@contextmanager
def serving(db: Path, folder: Path, *options: str, before_it: tuple[str, ...] = ()) -> Iterator[Server]:
    with (
        (folder / "output").open("w+b") as output,
        subprocess.Popen(
            [*before_it, sys.executable, "-m", "cachescope", "serve", "--port", "0", *options],
            stdout=output,
            stderr=output,
            env={**os.environ, "CACHESCOPE_DB": str(db)},
        ) as process,
    ):
        server = Server(process, output)
        try:
            server.wait_until_it_listens()
            yield server
        finally:
            if process.poll() is None:
                process.terminate()


def _workers(server: Server) -> dict[int, list[str]]:
    """Ask on many connections, which the kernel gives to the workers in turn; lines of the log by process."""
    for _ in range(24):
        with contextlib.suppress(ConnectionError):  # one that the killed worker had not taken yet
            assert server.get("/caches")[0] == 200
    lines = [line for line in server.said().splitlines() if line.startswith("{")]
    found: dict[int, list[str]] = {}
    for line in lines:
        found.setdefault(json.loads(line)["pid"], []).append(json.loads(line)["path"])
    return found


def _counted(server: Server) -> int:
    found = re.search(
        r'cachescope_requests_total\{page="/caches",status="200"\} (\d+)', server.get("/metrics")[1].decode()
    )
    assert found is not None
    return int(found[1])


def _wait_until_counted(server: Server, count: int) -> None:
    """A worker counts an answer when it has given it: a busy one later than the client asks another one for the sum."""
    end = time.monotonic() + _PATIENCE
    while _counted(server) < count:
        assert time.monotonic() < end, server.said()
    assert _counted(server) == count


def test_workers_answer_together_and_one_that_dies_is_replaced(sample_file: Path, tmp_path: Path) -> None:
    options = ("--workers", "2", "--access-log", "json", "--base-path", "/in")
    with serving(sample_file, tmp_path, *options) as server:
        assert f"http://127.0.0.1:{server.port}/in " in server.said()
        first = _workers(server)
        assert len(first) == 2
        _wait_until_counted(server, 24)
        killed = next(iter(first))
        os.kill(killed, signal.SIGKILL)
        end = time.monotonic() + _PATIENCE
        while len(set(_workers(server)) - {killed}) < 2:
            assert time.monotonic() < end, server.said()
        assert re.search(rf"worker \d \(process {killed}\) ended with -9; it is started again", server.said())
        assert _counted(server) > 24
        assert server.end() == 0
    assert not [one for one in first if Path(f"/proc/{one}").exists()]


def _wait_until_refused(port: int) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            return
        except ConnectionError:  # taken, and closed at once
            pass
        time.sleep(0.05)
    pytest.fail("new connections are taken for ever")


@pytest.mark.parametrize(("workers", "what"), [("1", signal.SIGTERM), ("2", signal.SIGINT)])
def test_running_request_is_finished_before_the_end(
    sample_file: Path, tmp_path: Path, workers: str, what: signal.Signals
) -> None:
    body = json.dumps(["da3fdjq5eicfs23xogx5vid7vmsshmfy"]).encode()
    with serving(sample_file, tmp_path, "--workers", workers) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as running:
            head = f"POST /api/v1/lookup HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
            running.sendall(head.encode())
            # It is told to go on by whoever reads its body: now the request runs.
            assert running.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
            running.sendall(body[:5])
            server.process.send_signal(what)
            _wait_until_refused(server.port)
            assert server.process.poll() is None
            running.sendall(body[5:])
            answer = b""
            while piece := running.recv(1 << 16):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert server.process.wait(timeout=_PATIENCE) == 0


def test_port_that_workers_hold_is_in_use(sample_file: Path, tmp_path: Path) -> None:
    with serving(sample_file, tmp_path, "--workers", "2") as server:
        for workers in ("1", "2"):
            second = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "cachescope",
                    "serve",
                    "--port",
                    str(server.port),
                    "--workers",
                    workers,
                ],
                env={**os.environ, "CACHESCOPE_DB": str(sample_file)},
                capture_output=True,
                timeout=_PATIENCE,
                check=False,
            )
            assert second.returncode == 2
            assert f"port {server.port} on 127.0.0.1 is in use".encode() in second.stderr


def test_file_that_may_only_be_read_is_served_and_stays_as_it_is(sample_file: Path, tmp_path: Path) -> None:
    before_it: tuple[str, ...] = ()
    if os.geteuid() == 0:
        # Root writes what it likes, unless this is taken from it.
        if shutil.which("setpriv") is None:
            pytest.skip("root may write anything, and there is no setpriv to take that away")
        before_it = ("setpriv", "--inh-caps=-dac_override", "--bounding-set=-dac_override")
    held = tmp_path / "held"
    held.mkdir()
    file = Path(shutil.copy(sample_file, held / "catalogue.sqlite"))
    before = hashlib.sha256(file.read_bytes()).digest()
    file.chmod(0o444)
    held.chmod(0o555)
    try:
        with serving(file, tmp_path, before_it=before_it) as server:
            for address in ("/", "/packages", "/package/cr-zlib", "/caches", "/search?q=cr-zlib"):
                assert server.get(address)[0] == 200, server.said()
            assert server.end() == 0
    finally:
        held.chmod(0o755)
    assert hashlib.sha256(file.read_bytes()).digest() == before
    assert [one.name for one in held.iterdir()] == ["catalogue.sqlite"]


def test_only_trusted_proxies_are_believed(sample_file: Path, tmp_path: Path) -> None:
    claims = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    for options, client in ((("--trusted-proxies", "127.0.0.0/8"), "203.0.113.9"), ((), "127.0.0.1")):
        with serving(sample_file, tmp_path, "--access-log", "text", *options) as server:
            server.get("/caches", **claims)
            page = server.get("/coverage", **{**claims, "Host": "cache.example.org"})[1].decode()
            scheme = "https" if options else "http"
            assert f"{scheme}://cache.example.org/api/v1/coverage" in page
            assert f" {client} GET /caches 200 " in server.said()


def test_store_that_cannot_be_made_or_written_is_refused_at_the_start(
    run_on_sample: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "notes").write_text("no folder")
    for store, reason in (
        (Path("/dev/null"), "it is no folder"),
        (tmp_path / "notes" / "store", "Not a directory"),
        (Path("/proc/store"), "No such file or directory"),
    ):
        # A port that cannot be listened on: where the store were taken, the command would still end.
        refused = run_on_sample("serve", "--store", store, "--host", "192.0.2.1")
        assert refused.code == 2
        for words in (str(store), f"blobs cannot be kept here: {reason}", "Hint: give a folder"):
            assert words in refused.err


def test_store_is_made_at_the_start(sample_file: Path, tmp_path: Path) -> None:
    store = tmp_path / "new" / "store"
    with serving(sample_file, tmp_path, "--store", str(store)):
        assert [one.name for one in store.iterdir()] == [".size"]
