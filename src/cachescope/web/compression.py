"""Answers made smaller on the way: zstd or gzip, whichever the asker takes (RFC 9110, 12.5.3)."""

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import zstandard

__all__ = ["CODINGS", "Coded", "Precoded", "chosen_coding", "coded", "is_worthwhile", "tag_of_coding"]

CODINGS = ("zstd", "gzip")
"""The better one first: it is taken where both are wanted alike."""

_SMALLEST = 1000
"""Bytes below which an answer fits a packet in any case."""

_COMPRESSIBLE = ("text/", "application/json", "application/xml", "application/atom+xml", "image/svg+xml")
_ZSTD_LEVEL, _GZIP_LEVEL = 3, 5
_BEST_ZSTD, _BEST_GZIP = 19, 9


@dataclass(frozen=True, slots=True)
class Coded:
    """A body as it goes out; ``coding`` is empty for the bytes themselves."""

    body: bytes
    coding: str


class Precoded:
    """A body that never changes, in all codings, made once as small as they can."""

    def __init__(self, body: bytes) -> None:
        self._forms: Mapping[str, bytes] = {
            "zstd": zstandard.ZstdCompressor(level=_BEST_ZSTD).compress(body),
            "gzip": gzip.compress(body, _BEST_GZIP, mtime=0),
        }

    def form(self, coding: str) -> bytes:
        """Return it in one coding."""
        return self._forms[coding]


def is_worthwhile(body: bytes, content_type: str) -> bool:
    """Say whether an answer of this size and kind is coded at all."""
    kind = content_type.partition(";")[0].strip()
    return len(body) >= _SMALLEST and (kind.startswith(_COMPRESSIBLE) or kind.endswith(("+json", "+xml")))


def chosen_coding(accept_encoding: str) -> str:
    """Return the coding that the asker likes best, empty for none; what is not named is not wanted."""
    wanted: dict[str, float] = {}
    for part in accept_encoding.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        wanted[name] = min([_quality(one) for one in parameters if one.startswith("q=")], default=1.0)
    best, best_quality = "", 0.0
    for coding in CODINGS:
        quality = wanted.get(coding, wanted.get("*", 0.0))
        if quality > best_quality:
            best, best_quality = coding, quality
    return "" if wanted.get("identity", 0.0) > best_quality else best


def _quality(parameter: str) -> float:
    try:
        return float(parameter.removeprefix("q="))
    except ValueError:
        return 0.0


def coded(body: bytes, coding: str) -> bytes:
    """Code a body that was made for this answer: the quick level."""
    if coding == "zstd":
        # One for each answer: they may not be shared by threads.
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return packer.compress(body) + packer.flush()


def tag_of_coding(tag: str, coding: str) -> str:
    """Return the strong validator of the coded bytes, from that of the bytes themselves: no two forms share one."""
    return f'{tag[:-1]}-{coding}"' if coding else tag
