"""Which form of a page is wanted, and whether the asker has it already (RFC 9110, 12.5.1 and 13.1.2)."""

import enum
import hashlib

__all__ = ["Surface", "entity_tag", "is_current", "wanted_surface"]


class Surface(enum.StrEnum):
    """The forms of a page, by their media type."""

    HTML = "text/html"
    JSON = "application/json"
    TEXT = "text/plain"

    @property
    def content_type(self) -> str:
        """The value of ``Content-Type``; JSON is UTF-8 by definition."""
        return self.value if self is Surface.JSON else f"{self.value}; charset=utf-8"


def wanted_surface(accept: str) -> Surface:
    """Choose by the ``Accept`` header; HTML where nothing fits or all are equal."""
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()]
    best, best_quality = Surface.HTML, 0.0
    for surface in Surface:
        quality = _quality(surface, ranges)
        if quality > best_quality:
            best, best_quality = surface, quality
    return best


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
    return name, quality


def _quality(surface: Surface, ranges: list[tuple[str, float]]) -> float:
    """The most specific range that fits decides."""
    family = surface.value.partition("/")[0] + "/*"
    for wanted in (surface.value, family, "*/*"):
        found = [quality for name, quality in ranges if name == wanted]
        if found:
            return max(found)
    return 0.0


def entity_tag(content: bytes) -> str:
    """Return the strong validator of these bytes."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def is_current(if_none_match: str, tag: str) -> bool:
    """Say whether the asker's copies include this one; compared weakly, as the header wants it."""
    held = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return "*" in held or tag in held
