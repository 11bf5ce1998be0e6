"""Which redirects are followed, and what goes along."""

from base64 import b64encode
from pathlib import Path

import pytest

from cachescope.model.errors import MirrorUnavailable
from cachescope.model.record import Validator
from cachescope.transport.source import Fetched, Missing, Unchanged
from tests.servers import Answer, MirrorServer, Seen, redirect
from tests.transport.conftest import OpenUrl

CREDENTIALS = "Basic " + b64encode(b"ann:pa:ss w\xc3\xb6rd").decode()
USER_INFO = "ann:pa%3Ass%20w%C3%B6rd"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["/there", "../there", "{url}/there", "//127.0.0.1:{port}/there#part"])
def test_redirect_is_followed(server: MirrorServer, open_url: OpenUrl, status: int, location: str) -> None:
    server.routes["/m/a"] = redirect(location.format(url=server.url, port=server.port), status)
    server.routes["/there"] = Answer(b"found", etag='"1"')
    source = open_url(f"{server.url}/m")

    outcome = source.read("a")

    assert isinstance(outcome, Fetched)
    assert bytes(outcome.body.data) == b"found"
    assert source.read("a", known=Validator(etag='"1"')) == Unchanged()


def test_redirect_to_what_is_not_there_is_missing(server: MirrorServer, open_url: OpenUrl) -> None:
    server.routes["/a"] = redirect("/gone")

    assert open_url(server.url).read("a") == Missing()


def test_credentials_of_the_address_go_to_its_host(server: MirrorServer, open_url: OpenUrl) -> None:
    server.routes |= {"/a": redirect("/b"), "/b": Answer(b"x")}

    open_url(server.url_at(f"{USER_INFO}@127.0.0.1")).read("a")

    assert [one.headers.get("authorization") for one in server.requests] == [CREDENTIALS, CREDENTIALS]


def test_credentials_of_the_address_go_to_no_other_host(server: MirrorServer, open_url: OpenUrl) -> None:
    server.routes |= {"/a": redirect(f"{server.url_at('localhost')}/b"), "/b": redirect(f"{server.url}/c")}

    open_url(server.url_at(f"{USER_INFO}@127.0.0.1")).read("a")

    sent = [(one.path, "authorization" in one.headers) for one in server.requests]
    assert sent == [("/a", True), ("/b", False), ("/c", False)]


def test_credentials_of_the_address_go_to_no_other_port(server: MirrorServer, open_url: OpenUrl) -> None:
    with MirrorServer({"/b": Answer(b"x")}) as other:
        server.routes["/a"] = redirect(f"{other.url}/b")
        open_url(server.url_at("ann:secret@127.0.0.1")).read("a")

        [request] = other.requests
        assert "authorization" not in request.headers


def test_credentials_of_a_location_are_not_used(server: MirrorServer, open_url: OpenUrl) -> None:
    server.routes["/a"] = redirect(f"{server.url_at('eve:trap@127.0.0.1')}/b")

    open_url(server.url).read("a")

    assert all("authorization" not in one.headers for one in server.requests)


def test_redirect_from_http_to_https_is_followed(
    server: MirrorServer, tls_server: MirrorServer, open_url: OpenUrl, ca_file: Path
) -> None:
    server.routes["/a"] = redirect(f"{tls_server.url}/a")
    tls_server.routes["/a"] = Answer(b"safe")

    outcome = open_url(server.url, ca_file=ca_file).read("a")

    assert isinstance(outcome, Fetched)
    assert bytes(outcome.body.data) == b"safe"


def test_redirect_from_https_to_http_is_refused(
    server: MirrorServer, tls_server: MirrorServer, open_url: OpenUrl, ca_file: Path
) -> None:
    tls_server.routes["/a"] = redirect(f"{server.url}/a")

    with pytest.raises(MirrorUnavailable, match="from https to http://") as caught:
        open_url(tls_server.url, ca_file=ca_file).read("a")

    assert caught.value.where == f"{tls_server.url}/a"
    assert not server.requests


def test_redirect_in_a_circle_is_told_at_once(server: MirrorServer, open_url: OpenUrl) -> None:
    server.routes |= {"/a": redirect("/b"), "/b": redirect("/a")}

    with pytest.raises(MirrorUnavailable, match="in a circle, back to http://") as caught:
        open_url(server.url).read("a")

    assert caught.value.where == f"{server.url}/a"
    assert len(server.requests) == 2


@pytest.mark.parametrize("steps", [3, 4])
def test_redirects_are_followed_up_to_the_limit(server: MirrorServer, open_url: OpenUrl, steps: int) -> None:
    def onward(request: Seen) -> Answer:
        done = len(request.path) - 1
        return Answer(b"arrived") if done == steps + 1 else redirect(request.path + "a")

    server.routes |= dict.fromkeys(("/" + "a" * count for count in range(1, 10)), onward)
    source = open_url(server.url, max_redirects=3)

    if steps == 3:
        assert isinstance(source.read("a"), Fetched)
    else:
        with pytest.raises(MirrorUnavailable, match="more than 3 times"):
            source.read("a")
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "location", ["", "ftp://127.0.0.1/a", "file:///etc/passwd", "http://[1/", "javascript:1"]
)
def test_redirect_to_nothing_that_can_be_read_is_told(
    server: MirrorServer, open_url: OpenUrl, location: str
) -> None:
    server.routes["/a"] = redirect(location)

    with pytest.raises(MirrorUnavailable, match="no address that can be read"):
        open_url(server.url).read("a")
