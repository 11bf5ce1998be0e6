"""Lock files over HTTP: the API gives what the commands give, the page shows causes, and nothing large or broken gets in."""

import http.client
import io
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from litestar import Litestar
from litestar.testing import TestClient

from cachescope.catalogue.engine import open_for_reading
from cachescope.catalogue.reader import Reader
from cachescope.formats.lock_json import read_lock
from cachescope.jobs.lock_answers import CatalogueLockAnswers, levels_of
from cachescope.web.app import create_app
from cachescope.web.lock_files import UploadLimits
from tests.commands import CommandLine
from tests.fakes import NOW
from tests.locks import lock_document
from tests.mirrors import as_json, index, installs, node, write_v3
from tests.web.site import Document

ZLIB = node("zlib", "1.3", target="x86_64_v2")
CACHED = node("zlib", "1.3", target="x86_64_v3")
APP = node("app", needs=[(CACHED, "build,link", "")])
WANTED = node("app", target="x86_64_v2", needs=[(ZLIB, "build,link", "")])
COVERED = lock_document([APP["hash"]], {one["hash"]: one for one in (APP, CACHED)})
LACKING = lock_document([WANTED["hash"]], {one["hash"]: one for one in (WANTED, ZLIB)})
HALF = lock_document([WANTED["hash"], APP["hash"]], {one["hash"]: one for one in (WANTED, ZLIB, APP, CACHED)})
LARGEST = 200_000
TEXT = {"Accept": "text/plain"}
HTML = {"Accept": "text/html"}


@pytest.fixture
def filled(run: CommandLine, catalogue_file: Path, tmp_path: Path) -> Path:
    """The file of a catalogue of one cache."""
    write_v3(tmp_path / "mirror", index(installs([CACHED, APP])))
    run.well("sync", tmp_path / "mirror", "--as", "develop/e4s")
    return catalogue_file


@contextmanager
def _app(file: Path, *, specs: int = 1000, **limits: Any) -> Iterator[Litestar]:
    with open_for_reading(file, busy_timeout=1) as catalogue:
        yield create_app(
            Reader(catalogue),
            now=lambda: NOW,
            version="0.1.0",
            on_error=str,
            lock_answers=CatalogueLockAnswers(catalogue, most_specs=specs),
            limits=UploadLimits(**{"largest": LARGEST, **limits}),
        )


@pytest.fixture
def site(filled: Path) -> Iterator[TestClient[Litestar]]:
    with _app(filled) as app, TestClient(app, raise_server_exceptions=False) as client:
        yield client


@dataclass(frozen=True)
class Case:
    """A command and the request that asks the same."""

    address: str
    options: tuple[str, ...]
    document: bytes = LACKING


SAME = [
    Case("coverage", ("coverage", "-")),
    Case("coverage", ("coverage", "-"), COVERED),
    Case("coverage?fail-under=50", ("coverage", "-", "--fail-under", "50"), HALF),
    Case("coverage?fail-under=50.5", ("coverage", "-", "--fail-under", "50.5"), HALF),
    Case("coverage?installable=1", ("coverage", "-", "--installable")),
    Case(
        "coverage?deptypes=run&against=develop/e4s",
        ("coverage", "-", "--deptypes", "run", "--against", "develop/e4s"),
    ),
    Case(
        "coverage?for=os%3Dubuntu22.04,target%3Dx86_64",
        ("coverage", "-", "--for", "os=ubuntu22.04,target=x86_64"),
    ),
    Case("coverage", ("coverage", "-"), f"/{APP['hash']}\n{ZLIB['hash']}\n".encode()),
    Case("why", ("why", "-")),
    Case("why?spec=zlib", ("why", "-", "--spec", "zlib")),
    Case("why?if=target%3Dx86_64_v3", ("why", "-", "--if", "target=x86_64_v3")),
    Case("why?against=ref:develop", ("why", "-", "--against", "ref:develop"), HALF),
]


@pytest.mark.parametrize("case", SAME, ids=lambda case: " ".join(case.options))
def test_api_gives_what_the_command_prints_and_its_exit_code(
    site: TestClient[Litestar], run: CommandLine, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    for headers, more in (({}, ("--json",)), (TEXT, ())):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(case.document)))
        printed = run(*case.options, *more)
        answer = site.post(f"/api/v1/{case.address}", content=case.document, headers=headers)
        assert answer.status_code == 200
        assert answer.content == printed.out
        assert answer.headers["x-cachescope-exit"] == str(printed.code)
        assert answer.headers["cache-control"] == "no-store"


def test_markdown_is_what_the_command_writes(
    site: TestClient[Litestar], run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in ("coverage", "why"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LACKING)))
        printed = run.well(command, "-", "--markdown").out
        assert site.post(f"/api/v1/{command}?markdown=1", content=LACKING, headers=TEXT).content == printed


def test_lookup_answers_many_hashes_in_their_order(site: TestClient[Litestar]) -> None:
    asked = [ZLIB["hash"], APP["hash"], CACHED["hash"]]
    found = site.post("/api/v1/lookup", content=as_json(asked)).json()
    assert (found["total"], found["present"]) == (3, 2)
    assert [one["hash"] for one in found["specs"]] == asked
    assert found["specs"][0] == {"hash": ZLIB["hash"], "presence": None}
    assert found["specs"][1]["presence"] == "present"
    assert (found["specs"][1]["name"], found["specs"][1]["mirrors"]) == ("app", ["develop/e4s"])
    text = site.post("/api/v1/lookup", content="\n".join(asked), headers=TEXT).text
    assert text.splitlines()[1] == f"{APP['hash']} present app@{APP['version']} develop/e4s"


BAD = [
    ("coverage", b"", 400, "bad_input", 2),
    ("coverage", b"{", 400, "malformed_upload", 5),
    ("why", b"spack:\n  specs: [zlib]\n", 400, "bad_input", 2),
    ("lookup", b"hello world", 400, "bad_input", 2),
    (
        "coverage",
        COVERED.replace(b'"lockfile-version":6', b'"lockfile-version":99'),
        400,
        "malformed_upload",
        5,
    ),
    ("coverage?against=nowhere", COVERED, 404, "not_in_catalogue", 3),
    ("coverage?against=develop/e4s@{2026-11-01}", COVERED, 400, "bad_input", 2),
    ("coverage?deptypes=link", COVERED, 400, "bad_input", 2),
    ("coverage?fail-under=101", COVERED, 400, "bad_input", 2),
    ("coverage?fail-under=nan", COVERED, 400, "bad_input", 2),
    ("coverage?installable=yes", COVERED, 400, "bad_input", 2),
    ("coverage?for=host", COVERED, 400, "bad_input", 2),
    ("why?spec=zlib@@", COVERED, 400, "bad_query", 2),
    ("why?if=^openmpi", COVERED, 400, "bad_input", 2),
    (f"why?spec={'a' * 2001}", COVERED, 400, "bad_input", 2),
]


@pytest.mark.parametrize(("address", "document", "status", "code", "exit_code"), BAD)
def test_refusals_have_the_one_shape_and_the_exit_code(
    site: TestClient[Litestar], address: str, document: bytes, status: int, code: str, exit_code: int
) -> None:
    answer = site.post(f"/api/v1/{address}", content=document)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert {"message", "where", "hint"} <= set(error)
    assert answer.headers["x-cachescope-exit"] == str(exit_code)
    text = site.post(f"/api/v1/{address}", content=document, headers=TEXT)
    assert text.status_code == status
    assert (
        f"Error: {error['where'] + ': ' if code != 'bad_query' and error['where'] else ''}{error['message']}"
        in text.text
    )


def test_too_many_specs_are_refused(filled: Path) -> None:
    with _app(filled, specs=3) as app, TestClient(app) as site:
        assert site.post("/api/v1/coverage", content=COVERED).status_code == 200
        answer = site.post("/api/v1/coverage", content=HALF)
    assert answer.status_code == 400
    assert "4 specs are more than are answered at once (3)" in answer.json()["error"]["message"]


def test_other_methods_name_what_is_possible(site: TestClient[Litestar]) -> None:
    answer = site.get("/api/v1/why")
    assert answer.status_code == 405
    assert "POST" in answer.json()["error"]["hint"]


def test_form_is_read_without_a_file_and_with_one(site: TestClient[Litestar]) -> None:
    uploaded = site.post("/coverage", files={"lock": ("my/spack.lock", LACKING)}, headers=HTML)
    pasted = site.post("/coverage", data={"text": LACKING.decode()}, headers=HTML)
    both = site.post("/coverage", files={"lock": ("", b""), "text": (None, LACKING.decode())}, headers=HTML)
    for answer, name in ((uploaded, "spack.lock"), (pasted, "pasted text"), (both, "pasted text")):
        assert answer.status_code == 200
        page = Document(answer.text)
        assert page.text_of("h1") == "0 of 2 are in the caches; 2 would be built"
        assert page.all("p")[0].text == f"Coverage / {name}"
    nothing = site.post("/coverage", files={"lock": ("", b"")}, data={"text": " "}, headers=HTML)
    assert nothing.status_code == 400
    assert "no lock file was given" in nothing.text


def test_form_narrows_and_counts_as_asked(site: TestClient[Litestar]) -> None:
    fields = {"text": HALF.decode(), "against": "ref:develop, develop/e4s", "deptypes": "run", "for": ""}
    found = site.post("/coverage", data=fields, headers={"Accept": "application/json"}).json()
    assert (found["against"], found["deptypes"], found["share"]) == (["develop/e4s"], "run", 0.5)


def test_page_shows_the_cause_its_remedy_its_nearest_binary_and_the_way_to_the_json(
    site: TestClient[Litestar],
) -> None:
    page = Document(site.post("/coverage", files={"lock": ("spack.lock", LACKING)}, headers=HTML).text)
    assert page.misnested == []
    text = " ".join(page.text_of("main").split())
    assert "Cause 1: target x86_64_v2, cached is x86_64_v3" in text
    assert "target=x86_64_v3" in text
    links = [one.attributes["href"] for one in page.all("a")]
    assert f"/spec/{CACHED['hash']}" in links
    assert "curl --data-binary @spack.lock http://testserver.local/api/v1/coverage" in text
    ids = {one.attributes["id"] for one in page.elements if "id" in one.attributes}
    assert {link[1:] for link in links if link and link.startswith("#")} <= ids


def test_picture_has_every_spec_once_with_its_name(site: TestClient[Litestar]) -> None:
    html = site.post("/coverage", data={"text": HALF.decode()}, headers=HTML).text
    titles = re.findall(r"<title>([^<]*)</title>", html[html.index('<svg class="dag"') :])
    assert sorted(titles) == ["app@1.0 (root)", "app@1.0 (root)", "zlib@1.3", "zlib@1.3"]
    assert html.count('<path class="cause" d="M') == 3  # two specs, and the sign in the key
    assert "4 specs on 2 levels: 2 present, 2 missing from 1 cause." in html


def test_page_of_what_is_covered_says_so(site: TestClient[Litestar]) -> None:
    html = site.post("/coverage", data={"text": COVERED.decode()}, headers=HTML).text
    assert "2 of 2 are in the caches" in html
    assert "Installable" in html
    assert "Cause 1" not in html


def test_page_of_thousands_of_missing_specs_stays_small(filled: Path) -> None:
    nodes = [ZLIB]
    for number in range(3000):
        nodes.append(node(f"made-{number}", needs=[(nodes[-1] if number % 3 else ZLIB, "link", "")]))
    lock = lock_document([nodes[-1]["hash"]], {one["hash"]: one for one in nodes})
    with _app(filled, specs=10_000, largest=10**8) as app, TestClient(app) as site:
        answer = site.post("/coverage", files={"lock": ("spack.lock", lock)}, headers=HTML)
    assert "0 of 3,001 are in the caches" in answer.text
    assert len(answer.content) < 100_000


def test_names_and_records_are_shown_and_never_markup(site: TestClient[Litestar]) -> None:
    evil = "<script>alert(1)</script>"
    hostile = node("app", "1<script>", target=evil, needs=[(ZLIB, "link", "")])
    lock = lock_document([hostile["hash"]], {one["hash"]: one for one in (hostile, ZLIB)})
    answer = site.post("/coverage", files={"lock": (f"{evil}.lock", lock)}, headers=HTML)
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


@pytest.mark.parametrize("scheme", ["content-length", "chunked", "multipart"])
def test_larger_bodies_are_refused(site: TestClient[Litestar], scheme: str) -> None:
    large = b"x" * (LARGEST + 1)
    if scheme == "multipart":
        answer = site.post("/api/v1/coverage", files={"lock": ("spack.lock", large)})
    else:
        pieces = (large[at : at + 10_000] for at in range(0, len(large), 10_000))
        answer = site.post("/api/v1/coverage", content=large if scheme == "content-length" else pieces)
    assert answer.status_code == 413
    assert "larger than this server takes" in answer.json()["error"]["message"]


@contextmanager
def _served(app: Litestar) -> Iterator[tuple[str, int]]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join(timeout=60)


def _head(length: int) -> bytes:
    return f"POST /api/v1/coverage HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


@dataclass(frozen=True)
class _Told:
    status: int
    retry_after: str | None
    body: bytes


def _told(line: socket.socket) -> _Told:
    """Read one whole answer."""
    with http.client.HTTPResponse(line) as answer:
        answer.begin()
        return _Told(answer.status, answer.getheader("Retry-After"), answer.read())


def test_a_body_that_says_it_is_too_large_is_refused_before_any_of_it_came(filled: Path) -> None:
    with (
        _app(filled) as app,
        _served(app) as address,
        socket.create_connection(address, timeout=60) as line,
    ):
        line.sendall(_head(LARGEST + 1))
        assert _told(line).status == 413


def test_who_sends_nothing_is_not_waited_for_long(filled: Path) -> None:
    with (
        _app(filled, received_at_once=1, patience=0.2) as app,
        _served(app) as address,
        socket.create_connection(address, timeout=60) as silent,
    ):
        silent.sendall(_head(100))
        told = _told(silent)
    assert told.status == 400
    assert b"did not come within" in told.body


def test_those_for_whom_there_is_no_place_are_told_to_come_again(filled: Path) -> None:
    with (
        _app(filled, received_at_once=1, queue_patience=0.5) as app,
        _served(app) as address,
        socket.create_connection(address, timeout=60) as silent,
    ):
        silent.sendall(_head(len(COVERED)).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        # It is told to go on when its body is read: now it has the only place.
        assert silent.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        with socket.create_connection(address, timeout=60) as other:
            other.sendall(_head(len(COVERED)) + COVERED)
            told = _told(other)
        assert (told.status, told.retry_after) == (503, "30")
        assert b"too many lock files" in told.body
        silent.sendall(COVERED)
        assert _told(silent).status == 200


def test_levels_are_longest_ways_down() -> None:
    top = node("top", needs=[(APP, "link", ""), (CACHED, "link", "")])
    lock = lock_document([top["hash"]], {one["hash"]: one for one in (top, APP, CACHED)})
    levels = levels_of(read_lock(lock, "spack.lock").specs)
    assert [levels[one["hash"]] for one in (CACHED, APP, top)] == [0, 1, 2]
    assert json.loads(lock)["roots"][0]["hash"] == top["hash"]
