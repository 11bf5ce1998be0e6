"""What stands around the pages: path of the site, sizes, codings, log, counts, proxies."""

import gzip
import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import zstandard
from litestar import Litestar
from litestar.testing import TestClient

from cachescope.model.errors import UserInputError
from cachescope.present.base_path import parse_base_path, placed_below
from cachescope.web.access_log import AccessLogForm, access_log, json_line, text_line
from cachescope.web.app import create_app
from cachescope.web.compression import chosen_coding
from cachescope.web.exchange import Exchange
from cachescope.web.limits import RequestLimits
from cachescope.web.metrics import Counts, Metrics
from cachescope.web.service import ServiceOptions, service
from cachescope.web.serving import parse_trusted_proxies
from tests.fakes import DEMO, NOW, filled_catalogue
from tests.web.site import ADDRESSES, Document

_JSON = {"Accept": "application/json"}
_PLAIN = {"Accept-Encoding": "identity"}


def _app(**options: Any) -> Litestar:
    return create_app(filled_catalogue(), now=lambda: NOW, version="0", on_error=str, **options)


@contextmanager
def _served(options: ServiceOptions, counts: Counts | None = None, **more: Any) -> Iterator[TestClient[Any]]:
    """A client of the whole service, as one worker has it."""
    counted: list[Metrics] = []
    app = _app(base_path=options.base_path, counted=lambda: counted[0].lines(), **more)  # noqa: PLW0108 - made below
    counted.append(Metrics([one.path_format for one in app.routes], counts or Counts(1), 0, started=1.5))
    around = service(app, options, now=lambda: NOW, metrics=counted[0])
    with TestClient(around, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def below() -> Iterator[TestClient[Any]]:
    with _served(ServiceOptions(base_path="/tools/caches")) as client:
        yield client


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_address_on_a_page_stays_below_the_path_of_the_site(
    below: TestClient[Any], address: str
) -> None:
    answer = below.get("/tools/caches" + address, headers={"Accept": "text/html"})
    assert answer.status_code == 200
    own = []
    for element in Document(answer.text).elements:
        for name in ("href", "src", "action", "formaction", "data-suggest"):
            value = element.attributes.get(name)
            if value is not None and value.startswith("/"):
                own.append(value)
    assert own
    assert [one for one in own if not one.startswith("/tools/caches/")] == []


@pytest.mark.parametrize("prefix", ["/tools/caches", ""])
def test_site_answers_with_its_path_and_without(below: TestClient[Any], prefix: str) -> None:
    """A proxy may take the path away, or leave it."""
    page = below.get(f"{prefix}/package/py-demo").text
    style = Document(page).all("link")[0].attributes["href"] or ""
    assert style.startswith("/tools/caches/static/style.css")
    assert below.get(style.removeprefix("/tools/caches")).status_code == 200
    assert below.get(style).status_code == 200


def test_redirects_stay_below_the_path_of_the_site(below: TestClient[Any]) -> None:
    first = below.get("/tools/caches", follow_redirects=False)
    assert (first.status_code, first.headers["location"]) == (308, "/tools/caches/")
    short = below.get(f"/tools/caches/spec/{DEMO[0].hash[:10]}", follow_redirects=False)
    assert short.status_code == 302
    assert short.headers["location"] == f"/tools/caches/spec/{DEMO[0].hash}"
    api = below.get(f"/tools/caches/api/v1/spec/{DEMO[0].hash[:10]}", follow_redirects=False)
    assert api.headers["location"] == f"/tools/caches/api/v1/spec/{DEMO[0].hash}"


@pytest.mark.parametrize("text", ["a b", "/a?b", "../up", "/a/./b", '/"onload', "/a#b", "/<b>"])
def test_path_that_a_site_cannot_stand_below_is_refused(text: str) -> None:
    with pytest.raises(UserInputError, match="is no path that a site can stand below"):
        parse_base_path(text)


@pytest.mark.parametrize(
    ("text", "path"), [("", ""), ("/", ""), ("caches/", "/caches"), ("/a/b-c_d.e/", "/a/b-c_d.e")]
)
def test_path_of_a_site_is_read(text: str, path: str) -> None:
    assert parse_base_path(text) == path


def test_text_that_looks_like_an_attribute_stays_as_it_is() -> None:
    page = '<a href="/x">a href=&#34;/y&#34;</a><a href="//elsewhere"></a><a href="#top"></a>'
    assert placed_below(page, "/in") == page.replace('"/x', '"/in/x')


@pytest.mark.parametrize(
    ("asked", "coding"),
    [
        ("", ""),
        ("identity", ""),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip;q=0.8", "gzip"),
        ("zstd;q=0, gzip", "gzip"),
        ("*", "zstd"),
        ("*;q=0", ""),
        ("GZIP;Q=1", "gzip"),
        ("gzip;q=none", ""),
        ("identity, gzip;q=0.5", ""),
    ],
)
def test_coding_is_what_the_asker_likes_best(asked: str, coding: str) -> None:
    assert chosen_coding(asked) == coding


@pytest.mark.parametrize("address", ["/package/py-demo", "/static/style.css", "/api/v1/package/py-demo"])
def test_coded_answer_is_the_same_answer_with_a_tag_of_its_own(address: str) -> None:
    tags = set()
    with TestClient(_app()) as site:
        plain = site.get(address, headers=_PLAIN)
        for coding in ("gzip", "zstd", "identity"):
            headers = {"Accept-Encoding": coding}
            with site.stream("GET", address, headers=headers) as answer:
                raw = b"".join(answer.iter_raw())
            assert answer.headers["vary"].endswith("Accept-Encoding")
            assert answer.headers["content-length"] == str(len(raw))
            assert answer.headers.get("content-encoding", "identity") == coding
            assert _decoded(raw, coding) == plain.content
            assert len(raw) < len(plain.content) / 2 or coding == "identity"
            tags.add(answer.headers["etag"])
            again = site.get(address, headers={**headers, "If-None-Match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == answer.headers["etag"]
            assert again.headers["vary"] == answer.headers["vary"]
        assert len(tags) == 3
        assert not [tag for tag in tags if tag.startswith("W/")]
        other = site.get(address, headers={"Accept-Encoding": "gzip", "If-None-Match": plain.headers["etag"]})
        assert other.status_code == 200


def _decoded(raw: bytes, coding: str) -> bytes:
    match coding:
        case "gzip":
            return gzip.decompress(raw)
        case "zstd":
            return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw)).read()
        case _:
            return raw


def test_small_answer_is_not_coded() -> None:
    with TestClient(_app()) as site:
        answer = site.get("/api/v1/suggest?q=py", headers={"Accept-Encoding": "zstd, gzip"})
    assert len(answer.content) < 1000
    assert "content-encoding" not in answer.headers
    assert "vary" not in answer.headers


@pytest.mark.parametrize(
    ("address", "headers", "status", "message"),
    [
        (f"/search?q={'a' * 300}", {}, 414, "the address is longer than this server takes"),
        (
            "/caches",
            {"X-Long": "a" * 3000},
            431,
            "the headers of the request are larger than this server takes",
        ),
        ("/caches", {"Content-Length": "5000"}, 413, "larger than this server takes"),
        ("/caches", {"Content-Length": "9" * 100}, 413, "larger than this server takes"),
    ],
)
def test_request_beyond_a_limit_is_refused_in_the_shape_of_errors(
    address: str, headers: dict[str, str], status: int, message: str
) -> None:
    limits = RequestLimits(address=200, headers=2000, body=1000)
    with TestClient(_app(request_limits=limits)) as site:
        answer = site.get(address, headers={**_JSON, **headers})
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]
    assert set(answer.json()["error"]) == {"code", "message", "where", "hint"}


def test_server_that_is_full_says_so_and_still_tells_of_its_health() -> None:
    with TestClient(_app(request_limits=RequestLimits(at_once=0))) as site:
        answer = site.get("/caches", headers=_JSON)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "busy"
        assert int(answer.headers["retry-after"]) > 0
        assert "<h1" in site.get("/caches", headers={"Accept": "text/html"}).text
        assert site.get("/healthz").status_code == 200


def test_https_is_demanded_by_option_and_over_https_alone() -> None:
    with _served(ServiceOptions(hsts_seconds=3600)) as site:
        assert "strict-transport-security" not in site.get("/caches").headers
        secure = site.get("https://testserver/caches")
        assert secure.headers["strict-transport-security"] == "max-age=3600"
    with _served(ServiceOptions()) as site:
        assert "strict-transport-security" not in site.get("https://testserver/caches").headers


def test_counts_of_all_workers_are_told_by_each() -> None:
    counts = Counts(2)
    other = Metrics(["/caches"], counts, 1, started=2.5)
    scope: Any = {}
    for status in (200, 200, 404, 418):
        other.began()
        other.ended(Exchange(scope, "/nowhere", status, 10, 0.3))
    other.began()
    with _served(ServiceOptions(), counts) as site:
        site.get("/caches", headers=_PLAIN)
        site.get("/package/py-demo")
        site.get("/package/zlib")
        text = site.get("/metrics").text
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert found['cachescope_requests_total{page="/caches",status="200"}'] == "1"
    assert found['cachescope_requests_total{page="/package/{subject}",status="200"}'] == "2"
    assert found['cachescope_requests_total{page="unknown",status="200"}'] == "2"
    assert found['cachescope_requests_total{page="unknown",status="other"}'] == "1"
    assert found['cachescope_request_duration_seconds_bucket{page="unknown",le="0.25"}'] == "0"
    assert found['cachescope_request_duration_seconds_bucket{page="unknown",le="0.5"}'] == "4"
    assert found['cachescope_request_duration_seconds_bucket{page="unknown",le="+Inf"}'] == "4"
    assert found['cachescope_request_duration_seconds_count{page="unknown"}'] == "4"
    assert float(found['cachescope_request_duration_seconds_sum{page="unknown"}']) == pytest.approx(1.2)
    assert found['cachescope_response_bytes_total{page="unknown"}'] == "40"
    assert found["cachescope_requests_running"] == "2"  # the other worker's, and this one itself
    assert found["cachescope_workers"] == "2"
    assert int(found['cachescope_worker_memory_bytes{worker="0"}']) > 10**6
    assert found["cachescope_catalogue_up"] == "1"


def test_metrics_keep_to_the_format() -> None:
    """Each family has its explanation and type once, before its samples; each sample is a name, labels and a number."""
    with _served(ServiceOptions()) as site:
        site.get("/caches")
        answer = site.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text.endswith("\n")
    typed: list[str] = []
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            typed.append(line.split()[2])
        elif not line.startswith("# HELP "):
            assert re.fullmatch(r"[a-z_]+(\{([a-z]+=\"[^\"\\]*\",?)+\})? -?[0-9.]+", line), line
            assert re.sub(r"_(bucket|sum|count)$", "", line.split("{")[0].split(" ")[0]) == typed[-1]
    assert len(typed) == len(set(typed))


def _exchange(path: str, query: str = "", **headers: str) -> Exchange:
    scope: Any = {
        "method": "GET",
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode(),
        "client": ("203.0.113.9", 4711),
        "headers": [
            (name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()
        ],
    }
    return Exchange(scope, "/package/{subject}", 200, 1234, 0.0567)


_AT = datetime(2026, 11, 1, 9, 30, 1, 5000, tzinfo=UTC)


def test_log_line_for_people() -> None:
    line = text_line(_exchange("/package/hdf5", "ref=develop", user_agent="curl/8"), _AT)
    assert line == (
        '2026-11-01T09:30:01.005Z 203.0.113.9 GET /package/hdf5?ref=develop 200 1234 56.7ms "curl/8"'
    )


def test_log_line_for_programs() -> None:
    line = json.loads(json_line(_exchange("/package/hdf5", "q=a+b&page=2"), _AT))
    assert line.pop("pid") == os.getpid()
    assert line == {
        "time": "2026-11-01T09:30:01.005Z",
        "client": "203.0.113.9",
        "method": "GET",
        "path": "/package/hdf5",
        "query": "q=a+b&page=2",
        "page": "/package/{subject}",
        "status": 200,
        "bytes": 1234,
        "ms": 56.7,
        "agent": "",
    }


@pytest.mark.parametrize("write", [text_line, json_line])
@pytest.mark.parametrize(
    "exchange",
    [
        _exchange("/caches", "token=swordfish&password=swordfish&ref=develop"),
        _exchange("/caches", authorization="Bearer swordfish", cookie="session=swordfish"),
        _exchange("/caches", referer="https://example.org/?key=swordfish"),
        _exchange("http://user:swordfish@example.org/caches"),
        _exchange("/caches", "&".join(f"a{one}=swordfish" for one in range(100))),
    ],
)
def test_log_holds_no_secret(write: Any, exchange: Exchange) -> None:
    assert "swordfish" not in write(exchange, _AT)


@pytest.mark.parametrize("form", [AccessLogForm.TEXT, AccessLogForm.JSON])
def test_what_comes_from_outside_can_neither_begin_a_line_nor_command_a_terminal(form: AccessLogForm) -> None:
    bad = 'a\x1b[2J\n\r\x00\x9b\xff" 200 '
    read, write = os.pipe()
    try:
        note = access_log(form, now=lambda: _AT, descriptor=write)
        exchange = _exchange("/package/" + bad * 50, "q=" + bad, user_agent=bad * 50)
        note(exchange)
        written = os.read(read, 100_000)
    finally:
        os.close(read)
        os.close(write)
    assert written.count(b"\n") == 1
    assert written.endswith(b"\n")
    assert len(written) < 4096
    assert not [one for one in written[:-1] if not 0x20 <= one < 0x7F]


def test_log_that_nobody_reads_any_more_is_no_reason_to_fail() -> None:
    read, write = os.pipe()
    os.close(read)
    os.close(write)
    access_log(AccessLogForm.TEXT, now=lambda: _AT, descriptor=write)(_exchange("/"))


@pytest.mark.parametrize("text", ["*", "proxy.example.org", "10.0.0.1/8", "10.0.0.0/99"])
def test_proxy_is_named_by_its_address(text: str) -> None:
    with pytest.raises(UserInputError, match="is no address or network of a proxy"):
        parse_trusted_proxies(text)
