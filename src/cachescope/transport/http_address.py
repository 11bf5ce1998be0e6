"""Addresses of documents on web servers, with their credentials kept apart."""

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

from cachescope.model.mirror import MirrorUrl
from cachescope.transport.paths import relative_parts, url_path

__all__ = ["HttpAddress", "basic_credentials", "document_address"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """Where one document is asked for. Only ``shown`` is for people, only ``authorization`` is secret."""

    url: str
    """Without user and password, so that no error of a library can repeat them."""

    shown: str
    """For display: the user stays, the password is masked."""

    authorization: str = field(default="", repr=False)
    """Value of the header, or empty."""

    def redirected(self, location: str) -> "HttpAddress":
        """Follow a ``Location``, which may be relative. Raises ``ValueError`` if it cannot be read.

        Credentials go along only to the same host: same port, or from http to https at the usual ports. Those that a
        ``Location`` holds itself are dropped.
        """
        parts = urlsplit(urldefrag(urljoin(self.url, location)).url)
        url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        here, there = _origin(self.url), _origin(url)
        upgraded = here == ("http", there[1], 80) and there == ("https", here[1], 443)
        return HttpAddress(url, url, self.authorization if here == there or upgraded else "")


def document_address(mirror: MirrorUrl, path: str) -> HttpAddress:
    """Return the address of ``path`` below ``mirror``. Raises ``ValueError`` as ``relative_parts`` does."""
    text = f"{mirror.text.rstrip('/')}/{url_path(relative_parts(path))}"
    parts = urlsplit(text)
    user_info, _, host = parts.netloc.rpartition("@")
    return HttpAddress(
        urlunsplit(parts._replace(netloc=host)), str(MirrorUrl(text)), basic_credentials(user_info)
    )


def basic_credentials(user_info: str) -> str:
    """Make the value of an ``Authorization`` header (RFC 7617) from ``user:password`` of an address; empty stays empty."""
    if not user_info:
        return ""
    user, _, password = user_info.partition(":")
    return "Basic " + b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode("ascii")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)
