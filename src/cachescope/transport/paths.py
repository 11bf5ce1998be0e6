"""The paths of a mirror: relative, with ``/`` between parts, and never out of it."""

from urllib.parse import quote

__all__ = ["relative_parts", "url_path"]


def relative_parts(path: str) -> tuple[str, ...]:
    """Split a path below a mirror. Raises ``ValueError`` for anything that could lead elsewhere.

    That is an error of the program: names out of documents are parsed before paths are made from them.
    """
    parts = tuple(path.split("/"))
    if "\\" in path or "\0" in path or any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"{path!r} is not a plain path below a mirror")
    return parts


def url_path(parts: tuple[str, ...]) -> str:
    """Join parts for an address. All but unreserved characters are encoded: S3 reads a bare ``+`` as a space."""
    return "/".join(quote(part, safe="") for part in parts)
