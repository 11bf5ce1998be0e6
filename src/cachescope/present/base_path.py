"""A site that stands below a path, ``/cachescope/`` for example: its pages are written as if at ``/``, then moved."""

import re

from cachescope.model.errors import UserInputError

__all__ = ["parse_base_path", "placed_below"]

_ADDRESS = re.compile(r'( (?:href|src|action|formaction|data-suggest)=")/(?!/)')
"""An address of this site in an attribute. Text never holds one: its quotation marks are escaped."""

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def parse_base_path(text: str) -> str:
    """Read where a site stands: ``/cachescope``; empty for ``/``. Raises ``UserInputError``."""
    path = "/" + text.strip("/") if text.strip("/") else ""
    if path and (_PATH.fullmatch(path) is None or {".", ".."} & set(path.split("/"))):
        raise UserInputError(
            f"{text[:100]!r} is no path that a site can stand below",
            hint="letters, digits and . _ ~ - between slashes, for example /cachescope",
        )
    return path


def placed_below(html: str, base_path: str) -> str:
    """Return a page whose addresses of this site begin with the path; others stay as they are."""
    return _ADDRESS.sub(rf"\1{base_path}/", html) if base_path else html
