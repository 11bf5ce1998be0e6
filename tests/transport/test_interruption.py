"""Ctrl-C while a server is silent, and what a killed read leaves: real processes, real signals."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import HANGING, Answer, MirrorServer

READER = """
import sys
from pathlib import Path
from cachescope.model.mirror import parse_mirror_url
from cachescope.transport.opening import HttpClient, TransportOptions, open_source

options = TransportOptions(temporary_folder=Path(sys.argv[2]))
try:
    with HttpClient(options) as client:
        open_source(parse_mirror_url(sys.argv[1], cwd=Path("/")), options, client).read("a", progress=print)
except KeyboardInterrupt:
    sys.exit(130)
"""


def reader(server: MirrorServer, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-u", "-c", READER, server.url, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "answer",
    [
        HANGING,
        Answer(bytes(2_000_000), hangs_after=1_500_000),
        Answer(status=503, headers={"Retry-After": "30"}),
    ],
    ids=["before the answer", "within the document", "before the next attempt"],
)
def test_ctrl_c_ends_a_wait_at_once(server: MirrorServer, tmp_path: Path, answer: Answer) -> None:
    server.routes["/a"] = answer
    with reader(server, tmp_path) as process:
        server.wait_for_requests(1)
        time.sleep(0.2)  # mostly enough for it to wait for the answer; before that, it ends the same way
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert time.monotonic() - begun < 5  # not the 30 s and more that it would have waited
    assert process.returncode == 130, errors
    assert errors == ""
    assert list(tmp_path.iterdir()) == []


def test_killed_read_leaves_no_file(server: MirrorServer, tmp_path: Path) -> None:
    server.routes["/a"] = Answer(bytes(3_000_000), piece=1_500_000, pause=0.2, hangs_after=3_000_000)
    with reader(server, tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()  # so much has come that it is in the temporary file
        process.kill()
        process.communicate(timeout=60)

    assert process.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []
