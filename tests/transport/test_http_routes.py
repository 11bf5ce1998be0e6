"""Certificates and proxies: the way to a mirror."""

import ssl
from base64 import b64encode
from pathlib import Path

import pytest
import trustme

from cachescope.model.errors import MirrorUnavailable, UserInputError
from cachescope.transport.proxies import proxy_for
from cachescope.transport.source import Fetched
from tests.servers import Answer, ForwardingProxy, MirrorServer, unused_port
from tests.transport.conftest import OpenUrl

GOOD = Answer(b"good")


def text_at(open_url: OpenUrl, url: str, **changes: object) -> bytes:
    outcome = open_url(url, **changes).read("a")
    assert isinstance(outcome, Fetched)
    return bytes(outcome.body.data)


class TestCertificates:
    def test_authority_of_a_site_is_trusted_by_its_file(
        self, tls_server: MirrorServer, open_url: OpenUrl, ca_file: Path
    ) -> None:
        tls_server.routes["/a"] = GOOD

        assert text_at(open_url, tls_server.url, ca_file=ca_file) == b"good"

    def test_unknown_authority_is_refused_with_what_to_do(
        self, tls_server: MirrorServer, open_url: OpenUrl
    ) -> None:
        with pytest.raises(MirrorUnavailable, match="cannot be trusted") as caught:
            open_url(tls_server.url).read("a")

        assert "ca_file" in caught.value.hint
        assert caught.value.where == f"{tls_server.url}/a"
        assert not tls_server.requests

    def test_certificate_of_another_name_is_refused(
        self, authority: trustme.CA, open_url: OpenUrl, ca_file: Path
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("mirror.example").configure_cert(context)
        with MirrorServer(tls=context) as server:
            with pytest.raises(MirrorUnavailable, match=r"cannot be trusted: .*127\.0\.0\.1"):
                open_url(server.url, ca_file=ca_file).read("a")
            assert not server.requests

    @pytest.mark.parametrize("content", [None, b"no certificate"], ids=["missing", "malformed"])
    def test_file_of_authorities_that_cannot_be_read_is_told(
        self, tls_server: MirrorServer, open_url: OpenUrl, tmp_path: Path, content: bytes | None
    ) -> None:
        file = tmp_path / "ca.pem"
        if content is not None:
            file.write_bytes(content)

        with pytest.raises(UserInputError) as caught:
            open_url(tls_server.url, ca_file=file).read("a")

        assert caught.value.where == str(file)
        assert "ca_file" in caught.value.hint


class TestProxies:
    def test_http_goes_through_the_proxy(self, server: MirrorServer, open_url: OpenUrl) -> None:
        server.routes["/a"] = Answer(b"good", etag='"1"')
        with ForwardingProxy() as proxy:
            assert text_at(open_url, server.url, proxies={"http": proxy.url}) == b"good"

            assert [(one.method, one.path) for one in proxy.requests] == [("GET", f"{server.url}/a")]
        assert len(server.requests) == 1

    def test_https_goes_through_a_tunnel(
        self, tls_server: MirrorServer, open_url: OpenUrl, ca_file: Path
    ) -> None:
        tls_server.routes["/a"] = GOOD
        with ForwardingProxy() as proxy:
            url = tls_server.url_at("ann:s3cret@127.0.0.1")
            assert text_at(open_url, url, ca_file=ca_file, proxies={"https": proxy.url}) == b"good"

            [request] = proxy.requests
        assert (request.method, request.path) == ("CONNECT", f"127.0.0.1:{tls_server.port}")
        assert "authorization" not in request.headers
        assert "authorization" in tls_server.requests[0].headers

    def test_excepted_host_is_asked_directly(self, server: MirrorServer, open_url: OpenUrl) -> None:
        server.routes["/a"] = GOOD
        with ForwardingProxy() as proxy:
            proxies = {"http": proxy.url, "no": "localhost,127.0.0.0/8"}
            assert text_at(open_url, server.url, proxies=proxies) == b"good"

            assert not proxy.requests

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_proxy_gets_its_own_credentials_alone(
        self, server: MirrorServer, tls_server: MirrorServer, open_url: OpenUrl, ca_file: Path, *, scheme: str
    ) -> None:
        target = server if scheme == "http" else tls_server
        target.routes["/a"] = GOOD
        with ForwardingProxy("Basic " + b64encode(b"pat:pa:ss").decode()) as proxy:
            proxies = {"all": proxy.url_at("pat:pa%3Ass@127.0.0.1")}
            assert text_at(open_url, target.url, ca_file=ca_file, proxies=proxies) == b"good"

        assert "proxy-authorization" not in target.requests[0].headers

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_proxy_that_wants_credentials_is_told(
        self, server: MirrorServer, tls_server: MirrorServer, open_url: OpenUrl, *, scheme: str
    ) -> None:
        target = server if scheme == "http" else tls_server
        with ForwardingProxy("Basic eA==") as proxy, pytest.raises(MirrorUnavailable) as caught:
            open_url(target.url, proxies={"all": proxy.url_at("pat:s3cret@127.0.0.1")}).read("a")

        assert f"the proxy 127.0.0.1:{proxy.port}" in caught.value.message
        assert "407" in caught.value.message
        assert "prox" in caught.value.hint
        assert "s3cret" not in str(caught.value) + str(caught.value.__cause__)
        assert not target.requests

    def test_proxy_that_is_not_there_is_told(self, server: MirrorServer, open_url: OpenUrl) -> None:
        port = unused_port()

        with pytest.raises(MirrorUnavailable) as caught:
            open_url(server.url, proxies={"http": f"127.0.0.1:{port}"}).read("a")

        assert caught.value.message == (
            f"the proxy 127.0.0.1:{port} does not help: Connection refused; tried 3 times"
        )
        assert "http_proxy" in caught.value.hint
        assert not server.requests

    def test_proxy_of_another_kind_is_refused(self, server: MirrorServer, open_url: OpenUrl) -> None:
        with pytest.raises(UserInputError, match="socks5://") as caught:
            open_url(server.url, proxies={"all": "socks5://ann:s3cret@127.0.0.1:1"}).read("a")

        assert "s3cret" not in caught.value.where


@pytest.mark.parametrize(
    ("url", "exceptions", "direct"),
    [
        ("http://mirror.site.org/a", "", False),
        ("http://mirror.site.org/a", "other.org, ,", False),
        ("http://mirror.site.org/a", "mirror.site.org", True),
        ("http://mirror.site.org/a", "other.org, SITE.org", True),
        ("http://mirror.site.org/a", ".site.org", True),
        ("http://mirror.site.org/a", "*.site.org", True),
        ("http://mirrorsite.org/a", "site.org", False),
        ("http://mirror.site.org./a", "site.org", True),
        ("http://mirror.site.org:8080/a", "mirror.site.org:8080", True),
        ("http://mirror.site.org:8081/a", "mirror.site.org:8080", False),
        ("http://mirror.site.org/a", "*", True),
        ("http://10.1.2.3/a", "10.0.0.0/8", True),
        ("http://11.1.2.3/a", "10.0.0.0/8", False),
        ("http://mirror.site.org/a", "10.0.0.0/8", False),
        ("http://10.1.2.3/a", "site.org/8", False),
        ("http://[::1]:80/a", "::1", True),
        ("http://[::1]/a", "[::1]", True),
        ("http://[fd00::5]/a", "fd00::/8", True),
    ],
)
def test_exceptions_from_the_proxy(url: str, exceptions: str, *, direct: bool) -> None:
    proxy = proxy_for(url, {"http": "http://proxy:3128", "no": exceptions})

    assert proxy == (None if direct else "http://proxy:3128")


@pytest.mark.parametrize(
    ("proxies", "expected"),
    [
        ({}, None),
        ({"http": "http://p:1"}, None),
        ({"https": "http://p:1"}, "http://p:1"),
        ({"https": "p:1"}, "http://p:1"),
        ({"all": "http://p:1"}, "http://p:1"),
        ({"https": "http://p:1", "all": "http://q:1"}, "http://p:1"),
    ],
)
def test_proxy_is_chosen_by_scheme(proxies: dict[str, str], expected: str | None) -> None:
    assert proxy_for("https://mirror.site.org/a", proxies) == expected
