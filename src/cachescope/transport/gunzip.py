"""Undoes gzip (RFC 1952) piece by piece, so that neither a bomb nor a large document fills the memory."""

import zlib
from collections.abc import Iterator

from cachescope.model.errors import MalformedDocument

__all__ = ["Gunzip"]

_PIECE = 1024 * 1024
_GZIP_WINDOW = 31  # zlib: largest window, with a gzip header and trailer


class Gunzip:
    """One gzip stream of one or more members; zero bytes between and after members are padding.

    Raises ``MalformedDocument`` with ``where`` as its place.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._member = zlib.decompressobj(_GZIP_WINDOW)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what ``data`` unpacks to, in pieces of at most 1 MiB."""
        rest = data
        while rest:
            if self._member.eof:
                rest = rest.lstrip(b"\0")
                if not rest:
                    return
                self._member = zlib.decompressobj(_GZIP_WINDOW)
            yield from self._feed_member(rest)
            rest = self._member.unused_data

    def _feed_member(self, data: bytes) -> Iterator[bytes]:
        rest = data
        while True:
            try:
                piece = self._member.decompress(rest, _PIECE)
            except zlib.error as error:
                raise MalformedDocument(
                    f"the gzip data are corrupt ({error})",
                    where=self._where,
                    hint="try again; if it stays so, tell the maintainer of the mirror",
                ) from error
            if piece:
                yield piece
            rest = self._member.unconsumed_tail
            # A full piece may leave output inside zlib although all input is consumed.
            if self._member.eof or (not rest and len(piece) < _PIECE):
                return

    def finish(self) -> None:
        """Say that no more comes. Raises if a member is not complete."""
        if not self._member.eof:
            raise MalformedDocument(
                "the gzip data end too early",
                where=self._where,
                hint="the document is cut short: try again, or tell the maintainer of the mirror",
            )
