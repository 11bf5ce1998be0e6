"""The site over HTTP: forms of a page, methods, copies that are current, errors, headers."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from cachescope.model.errors import CatalogueUnusable
from cachescope.model.identity import DagHash
from cachescope.model.sources import SourceStatus
from cachescope.present import urls
from cachescope.web.app import create_app
from cachescope.web.routes import OTHER, ROUTES, SUBJECT
from tests.fakes import DEMO, DEMO_GROUPS, NOW, FakeCatalogue, filled_catalogue, report, source, spec
from tests.web.site import ADDRESSES, ASKING, FAILING, LOG_ID, Document, client

AWAY = CatalogueUnusable("the database server went away", where="/secret/catalogue.sqlite", hint="try again")
JSON = {"Accept": "application/json"}
TEXT = {"Accept": "text/plain"}


@pytest.fixture
def site() -> Iterator[TestClient[Litestar]]:
    with client(filled_catalogue()) as made:
        yield made


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
        ("text/html;q=0.5, application/json;q=0.9", "application/json"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/plain;q=x, application/json;q=0.1", "application/json"),
        ("image/png", "text/html; charset=utf-8"),
    ],
)
def test_accept_chooses_the_form_of_a_page(
    site: TestClient[Litestar], accept: str, content_type: str
) -> None:
    answer = site.get("/caches", headers={"Accept": accept})
    assert answer.headers["content-type"] == content_type
    assert answer.headers["vary"].startswith("Accept")


@pytest.mark.parametrize("address", ASKING)
def test_api_gives_the_bytes_of_the_page_as_json(site: TestClient[Litestar], address: str) -> None:
    api = site.get(urls.api(address), headers={"Accept": "text/html"})
    assert api.status_code == 200
    assert api.headers["content-type"] == "application/json"
    assert api.content == site.get(address, headers=JSON).content
    assert api.content.endswith(b"\n")
    json.loads(api.content)


@pytest.mark.parametrize("question", ["", "?q=", "?q=%20", "?q=&ref=develop"])
def test_search_that_asks_nothing_is_a_form_for_people_and_an_error_for_programs(
    site: TestClient[Litestar], question: str
) -> None:
    assert site.get(f"/search{question}", headers={"Accept": "text/html"}).status_code == 200
    for answer in (
        site.get(f"/api/v1/search{question}"),
        site.get(f"/search{question}", headers=JSON),
    ):
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert (error["code"], error["message"]) == ("bad_query", "the query is empty")
        assert error["hint"].startswith("for example: ")


@pytest.mark.parametrize("address", ADDRESSES)
def test_text_says_the_subject_without_html(site: TestClient[Litestar], address: str) -> None:
    answer = site.get(address, headers=TEXT)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.strip()
    assert "<" not in answer.text


@pytest.mark.parametrize("address", [*ADDRESSES, *FAILING, "/healthz", "/static/style.css"])
def test_head_gives_the_headers_of_get_without_body(site: TestClient[Litestar], address: str) -> None:
    plain = {"Accept-Encoding": "identity"}
    get, head = site.get(address, headers=plain), site.head(address, headers=plain)
    assert head.content == b""
    assert head.status_code == get.status_code
    assert dict(head.headers) == dict(get.headers)
    assert get.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize("address", ["/", "/api/v1/caches", "/static/app.js"])
def test_current_copy_is_answered_with_304(site: TestClient[Litestar], address: str) -> None:
    tag = site.get(address).headers["etag"]
    for held in (tag, f'"other", W/{tag}', "*"):
        answer = site.get(address, headers={"If-None-Match": held})
        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["etag"] == tag
    assert site.get(address, headers={"If-None-Match": '"other"'}).status_code == 200


def test_forms_of_a_page_have_tags_of_their_own(site: TestClient[Litestar]) -> None:
    tag = site.get("/caches", headers=JSON).headers["etag"]
    assert site.get("/caches", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("address", [*ADDRESSES, *FAILING, "/healthz", "/static/icon.svg", "/api/v1/"])
def test_every_answer_carries_the_security_headers(site: TestClient[Litestar], address: str) -> None:
    headers = site.get(address).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_static_file_with_its_digest_is_kept_for_ever(site: TestClient[Litestar]) -> None:
    page = Document(site.get("/").text)
    sheet = next(one for one in page.all("link") if one.attributes["rel"] == "stylesheet")
    address = sheet.attributes["href"] or ""
    assert "immutable" in site.get(address).headers["cache-control"]
    assert "immutable" not in site.get("/static/style.css?v=old").headers["cache-control"]
    assert site.get("/static/secret.txt").status_code == 404
    assert site.get("/static/..%2fpages.py").status_code == 404


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_page_may_be_kept_for_its_lifetime(site: TestClient[Litestar], route: object) -> None:
    row = next(one for one in ROUTES if one is route)
    subject, other = {
        "spec": (DEMO[0].hash, ""),
        "compare": (DEMO[0].hash, DEMO[1].hash),
        "cache": ("develop", "e4s"),
    }.get(row.name, ("py-demo", ""))
    address = row.path.replace(SUBJECT, subject).replace(OTHER, other)
    answer = site.get(address, follow_redirects=False)
    assert answer.headers["cache-control"] == f"public, max-age={row.lifetime}"


def test_beginning_of_a_hash_leads_to_the_whole_hash(site: TestClient[Litestar]) -> None:
    whole = DEMO[0].hash
    page = site.get(f"/spec/{whole[:9]}?ref=develop", follow_redirects=False)
    assert page.status_code == 302
    assert page.headers["location"] == f"/spec/{whole}?ref=develop"
    api = site.get(f"/api/v1/spec/{whole[:9]}", follow_redirects=False)
    assert api.headers["location"] == f"/api/v1/spec/{whole}"


def test_ambiguous_beginning_lists_the_matches() -> None:
    hashes = ("aaaa2222222222222222222222222222", "aaaa3333333333333333333333333333")
    twins = [replace(spec("twin"), hash=DagHash(one)) for one in hashes]
    with client(FakeCatalogue(reports=tuple(report(one) for one in twins))) as site:
        answer = site.get("/spec/aaaa")
    links = {one.attributes["href"] for one in Document(answer.text).all("a")}
    assert answer.status_code == 400
    assert {f"/spec/{one}" for one in hashes} <= links


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/nowhere", 404, "unknown_address"),
        ("/api/v1/nowhere", 404, "unknown_address"),
        ("/package/unknown", 404, "not_in_catalogue"),
        ("/packages?ref=unknown", 404, "not_in_catalogue"),
        ("/packages?ref=develop&stack=unknown", 404, "not_in_catalogue"),
        ("/caches?ref=unknown", 404, "not_in_catalogue"),
        ("/packages?page=9", 404, "not_in_catalogue"),
        ("/spec/abcdefg", 404, "not_in_catalogue"),
        ("/spec/0", 400, "bad_input"),
        ("/package/a%20b", 400, "bad_input"),
        ("/packages?ref=../x", 400, "bad_input"),
        ("/packages?stack=a/b", 400, "bad_input"),
        ("/packages?page=-1", 400, "bad_input"),
        ("/packages?page=99999999999999999999", 400, "bad_input"),
        ("/search?q=a&limit=x", 400, "bad_input"),
        ("/package/py-demo?versions=none", 400, "bad_input"),
        (f"/search?q={'a' * 3000}", 400, "bad_input"),
        ("/search?q=py@@demo", 400, "bad_query"),
    ],
)
def test_error_has_the_one_shape(site: TestClient[Litestar], address: str, status: int, code: str) -> None:
    answer = site.get(address, headers=JSON)
    error = answer.json()["error"]
    assert answer.status_code == status
    assert error["code"] == code
    assert error["message"]
    assert {"code", "message", "where", "hint"} <= set(error)
    assert "etag" not in answer.headers
    page = site.get(address)
    assert page.status_code == status
    if not address.startswith(urls.API):
        assert error["message"] in Document(page.text).text_of("main")


def test_bad_query_is_marked_at_its_place(site: TestClient[Litestar]) -> None:
    error = site.get("/api/v1/search?q=py@@demo").json()["error"]
    assert (error["start"], error["end"]) == (3, 4)
    page = Document(site.get("/search?q=py@@demo").text)
    query, caret = page.all("pre")[0].text.splitlines()
    assert query.index("@@") + 1 == caret.index("^")
    assert next(one for one in page.all("input")).attributes["value"] == "py@@demo"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused_in_the_same_shape(site: TestClient[Litestar], method: str) -> None:
    answer = site.request(method, "/packages", headers=JSON)
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert method in answer.json()["error"]["message"]


@dataclass(frozen=True)
class _BrokenCatalogue(FakeCatalogue):
    """Fails as a programming error would, or with an error of ours."""

    problem: Exception = field(default_factory=lambda: ZeroDivisionError("the password is swordfish"))

    def sources(self) -> Sequence[SourceStatus]:
        raise self.problem


@pytest.mark.parametrize("accept", ["text/html", "application/json", "text/plain"])
def test_unexpected_error_gives_an_id_and_never_its_text(accept: str) -> None:
    logged: list[Exception] = []
    reader = _BrokenCatalogue()
    with client(reader, logged) as site:
        answer = site.get("/caches", headers={"Accept": accept})
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith(accept)
    assert LOG_ID in answer.text
    assert "swordfish" not in answer.text
    assert logged == [reader.problem]


def test_unusable_catalogue_is_said_and_logged() -> None:
    logged: list[Exception] = []
    problem = CatalogueUnusable("the database is locked", hint="try again")
    with client(_BrokenCatalogue(problem=problem), logged) as site:
        answer = site.get("/api/v1/caches")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "catalogue_unusable"
    assert logged == [problem]


def test_hostile_texts_are_shown_and_never_markup() -> None:
    hostile = "<script>alert(1)</script>\"'&"
    bad = replace(
        DEMO[0], version=hostile, architecture=replace(DEMO[0].architecture, os=hostile, target=hostile)
    )
    status = source(DEMO[0].mirrors[0], present=1)
    reader = replace(
        filled_catalogue(),
        all_sources=(
            replace(
                status,
                warnings=(hostile,),
                last_attempt=replace(status.last_attempt, outcome="failed", reason=hostile),
            ),
        ),
        reports=(replace(report(bad), namespace=hostile, record=json.dumps(hostile)),),
        groups=(replace(DEMO_GROUPS[0], specs=(bad,), differences=()),),
    )
    addresses = ("/", "/caches", "/package/py-demo", f"/spec/{bad.hash}", "/search?q=py-demo", "/packages")
    with client(reader) as site:
        for address in (*addresses, "/search?q=%3Cscript%3Ealert(1)%3C/script%3E", "/%3Cscript%3E"):
            html = site.get(address).text
            assert "<script>" not in html, address
            assert "&lt;script&gt;" in html, address


def test_text_makes_control_characters_visible() -> None:
    bad = replace(DEMO[0], version="1\x1b[2J\x07")
    with client(FakeCatalogue(reports=(report(bad),))) as site:
        text = site.get(f"/spec/{bad.hash}", headers=TEXT).text
    assert "\x1b" not in text
    assert "1\\x1b[2J\\x07" in text


def test_health_names_the_age_of_the_data(site: TestClient[Litestar]) -> None:
    found = site.get("/healthz", headers=JSON)
    assert found.status_code == 200
    assert found.headers["cache-control"] == "no-store"
    assert found.json()["status"] == "ok"
    age = found.json()["age_seconds"]
    assert age >= 0
    assert site.get("/healthz").text == f"ok: data read {age} s ago\n"


def test_health_is_bad_where_the_catalogue_cannot_be_asked() -> None:
    with client(_BrokenCatalogue(problem=AWAY)) as site:
        found = site.get("/healthz", headers=JSON)
        assert (found.status_code, found.json()["status"]) == (503, "unreachable")
        assert found.json()["problem"] == "the database server went away"
        assert "/secret" not in found.text


def test_health_is_bad_where_the_data_is_older_than_it_may_be() -> None:
    def app(oldest: float) -> Litestar:
        return create_app(filled_catalogue(), now=lambda: NOW, version="0", on_error=str, oldest=oldest)

    with TestClient(app(1)) as site:
        assert site.get("/healthz").status_code == 503
        assert site.get("/healthz").text.startswith("stale: data read ")
    with TestClient(app(10**9)) as site:
        assert site.get("/healthz").status_code == 200


def test_place_of_the_database_is_told_to_nobody() -> None:
    with client(_BrokenCatalogue(problem=AWAY)) as site:
        for accept in ("text/html", "application/json", "text/plain"):
            found = site.get("/caches", headers={"Accept": accept})
            assert found.status_code == 500
            assert "the database server went away" in found.text
            assert "/secret" not in found.text
