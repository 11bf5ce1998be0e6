"""Where visitors find the site, for addresses that must be whole: a setting, else what they asked."""

import re
from typing import Any

from litestar import Request

from cachescope.model.errors import UserInputError

__all__ = ["Origin", "parse_site_address"]

_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{0,5})?"
"""Of a request, or of the setting. Commands to copy begin with it: nothing in it may mean something to a shell."""

_ASKED = re.compile(_HOST)
_SITE = re.compile(rf"https?://{_HOST}(?:/[A-Za-z0-9._~/-]*)?")


def parse_site_address(text: str) -> str:
    """Read where visitors find the site, without a slash at its end; empty for what they asked. Raises ``UserInputError``."""
    if text and _SITE.fullmatch(text) is None:
        raise UserInputError(
            f"{text[:100]!r} is no address of a site", hint="for example https://cache.example.org/cachescope"
        )
    return text.rstrip("/")


class Origin:
    """Tells it of a request."""

    def __init__(self, *, site_address: str, base_path: str) -> None:
        self._site_address = parse_site_address(site_address)
        self._base_path = base_path

    def of(self, request: Request[Any, Any, Any]) -> str:
        """Return the address of the site, without a slash at its end. Raises ``UserInputError`` for a host that is none."""
        if self._site_address:
            return self._site_address
        host = request.headers.get("host", "")
        if not host:
            # HTTP/1.0 need not say which.
            host = request.url.netloc
        elif _ASKED.fullmatch(host) is None:
            raise UserInputError("the host that was asked is no name or address", where=host[:100])
        return f"{request.scope['scheme']}://{host}{self._base_path}"
