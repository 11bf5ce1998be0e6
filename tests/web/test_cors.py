"""Whether pages of other sites may read the API: nobody's unless named, and never with credentials."""

import pytest

from cachescope.model.errors import UserInputError
from cachescope.web.cors import parse_origins
from tests.fakes import filled_catalogue
from tests.web.api_examples import ORIGIN
from tests.web.site import client

PAGE = "https://docs.example"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}


def test_nobody_may_read_unless_named() -> None:
    with client(filled_catalogue()) as site:
        for answer in (
            site.get("/api/v1/caches", headers={"Origin": PAGE}),
            site.options("/api/v1/caches", headers=PREFLIGHT),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "address", ["/api/v1/caches", "/api/v1/nowhere", "/api/v1/packages?page=x", "/healthz"]
)
def test_anybody_may_read_answers_and_refusals_where_all_are_named(address: str) -> None:
    with client(filled_catalogue(), readers=("*",)) as site:
        answer = site.get(address, headers={"Origin": PAGE})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Link" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers


def test_named_origin_may_read_and_copies_are_kept_apart() -> None:
    with client(filled_catalogue(), readers=(f"{PAGE}/", "https://other.example")) as site:
        named = site.get("/caches", headers={"Origin": PAGE})
        other = site.get("/caches", headers={"Origin": "https://evil.example"})
        none = site.get("/caches")
        current = site.get("/caches", headers={"Origin": PAGE, "If-None-Match": named.headers["etag"]})
    assert named.headers["access-control-allow-origin"] == PAGE
    for answer in (other, none):
        assert "access-control-allow-origin" not in answer.headers
    for answer in (named, other, none, current):
        assert {one.strip() for one in answer.headers["vary"].split(",")} == {
            "Accept",
            "Accept-Encoding",
            "Origin",
        }
    assert current.status_code == 304
    assert current.headers["access-control-allow-origin"] == PAGE


def test_preflight_tells_methods_and_headers() -> None:
    with client(filled_catalogue(), readers=(PAGE,)) as site:
        answer = site.options("/api/v1/caches", headers=PREFLIGHT)
        refused = site.options("/api/v1/caches", headers={**PREFLIGHT, "Origin": ORIGIN})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert "If-None-Match" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-methods" not in refused.headers


def test_options_tells_all_methods_of_an_address() -> None:
    with client(filled_catalogue()) as site:
        answer = site.options("/packages")
        assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert site.options("/nowhere").status_code == 404


@pytest.mark.parametrize(
    "text", ["docs.example.org", "https://a/b", "ftp://a", "https://", "null", "https://u@a"]
)
def test_what_no_browser_calls_an_origin_is_refused(text: str) -> None:
    with pytest.raises(UserInputError):
        parse_origins(f"https://right.example, {text}")


def test_origins_are_parted_by_commas_or_blanks() -> None:
    assert parse_origins("https://a:81, *  http://b") == ("https://a:81", "*", "http://b")
