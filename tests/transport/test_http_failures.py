"""What is told of a web server that does not answer as it should, and what is tried again."""

import time
import traceback

import pytest

from cachescope.model.errors import MirrorUnavailable
from cachescope.model.record import Validator
from cachescope.transport.source import Fetched
from tests.servers import HANGING, Answer, MirrorServer, Route, Seen, redirect, unused_port
from tests.transport.conftest import OpenUrl

GOOD = Answer(b"good")


def failure_of(open_url: OpenUrl, url: str, **changes: object) -> MirrorUnavailable:
    with pytest.raises(MirrorUnavailable) as caught:
        open_url(url, **changes).read("v3/a")
    return caught.value


@pytest.mark.parametrize(
    ("answer", "message", "hint", "asked"),
    [
        (Answer(status=401), "gives no access (401 Unauthorized)", "credentials in the address", 1),
        (Answer(status=403), "gives no access (403 Forbidden)", "ask the maintainer", 1),
        (Answer(status=429), "cannot answer now (429 Too Many Requests); tried 3 times", "later", 3),
        (Answer(status=500), "cannot answer now (500 Internal Server Error); tried 3 times", "later", 3),
        (Answer(status=503), "cannot answer now (503 Service Unavailable); tried 3 times", "later", 3),
        (Answer(status=501), "means nothing here (501 Not Implemented)", "address", 1),
        (Answer(status=206), "means nothing here (206 Partial Content)", "address", 1),
        (Answer(status=799), "means nothing here (799)", "address", 1),
        (Answer(status=304), "means nothing here (304 Not Modified)", "address", 1),
        (HANGING, "sent nothing for 0.2 s; tried 3 times", "read_timeout", 3),
        (Answer(b"12345", hangs_after=3), "sent nothing for 0.2 s; tried 3 times", "read_timeout", 3),
        (Answer(b"12345", cut_after=-1), "broke before the answer was whole; tried 3 times", "again", 3),
        (Answer(b"12345", cut_after=3), "broke before the answer was whole; tried 3 times", "again", 3),
        (
            Answer(b"12345", cut_after=3, chunked=True),
            "broke before the answer was whole; tried 3 times",
            "again",
            3,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_failure_is_told_with_what_to_do(
    server: MirrorServer, open_url: OpenUrl, answer: Answer, message: str, *, hint: str, asked: int
) -> None:
    server.routes["/m/v3/a"] = answer

    patience = 0.2 if "sent nothing" in message else 10
    error = failure_of(open_url, f"{server.url}/m", read_timeout=patience)

    assert error.message.startswith(f"127.0.0.1:{server.port} ") or error.message.startswith(
        "the connection to"
    )
    assert error.message.endswith(message)
    assert hint in error.hint
    assert error.where == f"{server.url}/m/v3/a"
    server.wait_for_requests(asked)  # who gives up soon may do so before the server has read the question
    assert len(server.requests) == asked


def test_refused_connection_is_told(open_url: OpenUrl) -> None:
    port = unused_port()

    error = failure_of(open_url, f"http://127.0.0.1:{port}")

    assert error.message == f"no connection to 127.0.0.1:{port}: Connection refused; tried 3 times"
    assert "port" in error.hint


def test_unknown_host_is_told_at_once(open_url: OpenUrl) -> None:
    error = failure_of(open_url, "http://no-such-host.invalid/m", backoff=5)

    assert error.message.startswith("there is no host of the name no-such-host.invalid")
    assert "spelling" in error.hint


def test_address_that_no_host_can_have_is_told(open_url: OpenUrl) -> None:
    error = failure_of(open_url, f"http://{'x' * 70}.example")

    assert "cannot be read" in error.message


def test_silent_connect_is_told_with_its_time(open_url: OpenUrl, full_backlog: int) -> None:
    error = failure_of(open_url, f"http://127.0.0.1:{full_backlog}", retries=0, connect_timeout=0.2)

    assert error.message == f"no connection to 127.0.0.1:{full_backlog} within 0.2 s"
    assert "connect_timeout" in error.hint


def test_answer_that_is_no_http_is_told(
    server: MirrorServer, tls_server: MirrorServer, open_url: OpenUrl
) -> None:
    assert "broke" in failure_of(open_url, tls_server.url.replace("https", "http")).message
    error = failure_of(open_url, server.url.replace("http", "https"))
    assert error.message.startswith(f"no encrypted connection to 127.0.0.1:{server.port}")
    assert "https" in error.hint


@pytest.mark.parametrize(
    "first",
    [
        Answer(status=500),
        Answer(status=502),
        Answer(status=503),
        Answer(status=504),
        Answer(status=429),
        HANGING,
        Answer(b"good", cut_after=2),
        Answer(b"good", cut_after=-1),
    ],
    ids=["500", "502", "503", "504", "429", "silent", "cut", "no status"],
)
def test_failure_that_passes_is_not_seen(server: MirrorServer, open_url: OpenUrl, first: Answer) -> None:
    server.routes["/a"] = [first, GOOD]

    # Patience enough for a busy machine, but where it is silence that passes.
    patience = 1 if first is HANGING else 10
    outcome = open_url(server.url, read_timeout=patience).read("a", known=Validator(etag='"0"'))

    assert isinstance(outcome, Fetched)
    assert bytes(outcome.body.data) == b"good"
    assert [one.headers["if-none-match"] for one in server.requests] == ['"0"', '"0"']


def test_retry_starts_at_the_address_of_the_mirror(server: MirrorServer, open_url: OpenUrl) -> None:
    server.routes |= {"/a": redirect("/b"), "/b": [Answer(status=503), GOOD]}

    assert isinstance(open_url(server.url).read("a"), Fetched)
    assert [one.path for one in server.requests] == ["/a", "/b", "/a", "/b"]


def test_waits_grow(server: MirrorServer, open_url: OpenUrl) -> None:
    times: list[float] = []

    def busy(_: Seen) -> Answer:
        times.append(time.monotonic())
        return Answer(status=503)

    server.routes["/v3/a"] = busy
    failure_of(open_url, server.url, retries=2, backoff=0.5, longest_wait=2.0)

    first, second, third = times
    # Half a second lies between the two waits: a busy machine makes the first one longer, too.
    assert 0.5 <= second - first < third - second
    assert third - second >= 1.0


def test_retry_after_is_honoured(server: MirrorServer, open_url: OpenUrl) -> None:
    server.routes["/a"] = [Answer(status=503, headers={"Retry-After": "1"}), GOOD]
    begun = time.monotonic()

    open_url(server.url, longest_wait=1.5).read("a")

    assert 1.0 <= time.monotonic() - begun < 5.0  # by itself it would wait for a thousandth of a second


DATE = {"Date": "Sat, 01 Nov 2025 10:00:00 GMT"}


@pytest.mark.parametrize(
    "headers",
    [{"Retry-After": "3600"}, DATE | {"Retry-After": "Sat, 01 Nov 2025 11:00:00 GMT"}],
    ids=["seconds", "date"],
)
def test_retry_after_beyond_patience_is_told_at_once(
    server: MirrorServer, open_url: OpenUrl, headers: dict[str, str]
) -> None:
    server.routes["/v3/a"] = Answer(status=429, headers=headers)

    error = failure_of(open_url, server.url)

    assert error.message.endswith("; it asks to come back after 3600 s")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "soon"},
        {"Retry-After": "-5"},
        {"Retry-After": "Sat, 01 Nov 2025 11:00:00 GMT"},
        DATE | {"Retry-After": "Sat, 01 Nov 2025 09:00:00 GMT"},
        DATE | {"Retry-After": "Sat, 01 Nov 2025 11:00:00"},
    ],
    ids=["nonsense", "negative", "date without a clock", "past", "date without a zone"],
)
def test_retry_after_that_says_nothing_is_passed_over(
    server: MirrorServer, open_url: OpenUrl, headers: dict[str, str]
) -> None:
    server.routes["/a"] = [Answer(status=503, headers=headers), GOOD]

    assert isinstance(open_url(server.url).read("a"), Fetched)


@pytest.mark.parametrize(
    "route",
    [Answer(status=401), Answer(status=503), HANGING, redirect("/v3/a"), Answer(b"x", cut_after=0)],
    ids=["401", "503", "silent", "circle", "cut"],
)
def test_password_is_never_told(server: MirrorServer, open_url: OpenUrl, route: Route) -> None:
    server.routes["/v3/a"] = route

    error = failure_of(open_url, server.url_at("ann:s3cret@127.0.0.1"), retries=0, read_timeout=1)

    told = "".join(traceback.format_exception(error)) + repr(error.__cause__) + str(error.as_json())
    assert "s3cret" not in told
    assert error.where == f"http://ann:***@127.0.0.1:{server.port}/v3/a"


def test_refused_credentials_are_told_apart_from_missing_ones(
    server: MirrorServer, open_url: OpenUrl
) -> None:
    server.routes["/v3/a"] = Answer(status=401)

    error = failure_of(open_url, server.url_at("ann:s3cret@127.0.0.1"))

    assert "does not accept the user or password" in error.message
