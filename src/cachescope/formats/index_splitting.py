"""Where the records of an index stand, found without keeping one of them.

Spack writes an index without spaces, ``spec`` first in each record. Such a document is cut at ``":{"spec":{``, which no
JSON text holds inside a string, and behind every node must stand what Spack writes behind one. The nodes themselves are
not looked at: each is decoded by itself later, or is known. This costs a third of decoding, needs memory for one
window, and can begin anywhere, so several processes may share the work. A document that is written in any other way is
told so (None), and is then read at once.
"""

import re
from array import array
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

__all__ = ["Installs", "RecordTable", "cut", "find_installs", "joined", "split_range"]

_MARK = b'":{"spec":{'
_QUOTE = ord('"')
_HASH = 32
_KEY = 1 + _HASH  # the opening quote and the hash before a mark
_TO_NODE = len(b'":{"spec":')
_BEGINNING = b'{"spec":{'
_BETWEEN = len(b',"') + _HASH  # from one record to the next mark
_END_OF_NODE = b'},"'
_STATED = b'"in_buildcache"'
_PRESENT = _STATED + b":true"
_TAIL_OF_RECORD = re.compile(
    rb'(?:,"(?!spec"|in_buildcache":(?!true|false))[a-z_]+":(?:true|false|null|-?[0-9][0-9.]*|"[^"\\]*"))*+\},"'
)
"""What Spack writes behind a node, and the beginning of the next key; in it stands no end of a node."""
_WINDOW = 2 * 1024 * 1024
_ALL_HASHES = re.compile(rb"[a-z2-7]*")
_HEAD = re.compile(
    rb'\s*\{\s*"database"\s*:\s*\{\s*"version"\s*:\s*"([0-9.]{1,12})"\s*,\s*"installs"\s*:\s*\{(?=")'
)
_TAIL = re.compile(rb"\}\s*\}\s*\}\s*\Z")
_LONGEST_HEAD, _LONGEST_TAIL = 256, 64


class _RecordWire(msgspec.Struct):
    spec: msgspec.Raw
    in_buildcache: bool = False


_decode = msgspec.json.Decoder(_RecordWire).decode


class Installs(NamedTuple):
    """Where the records are: from the first quote to behind the last record."""

    version: str
    start: int
    stop: int


class RecordTable(NamedTuple):
    """Records by columns, in the order of the document; a hash may stand twice, then its last record counts."""

    hashes: bytes
    """One after the other, 32 bytes each."""

    starts: "array[int]"
    """Byte in the document at which each node begins."""

    lengths: "array[int]"
    """Bytes of each node."""

    present: bytearray
    """1 where the record says ``in_buildcache``, else 0."""


def find_installs(data: memoryview) -> Installs | None:
    """Find the records of an index; None where it does not begin and end as Spack writes it."""
    head = _HEAD.match(bytes(data[:_LONGEST_HEAD]))
    tail = _TAIL.search(bytes(data[-_LONGEST_TAIL:]))
    if head is None or tail is None:
        return None
    # The first brace of the tail ends 'installs'.
    stop = len(data) - min(_LONGEST_TAIL, len(data)) + tail.start()
    return Installs(head[1].decode("ascii"), head.end(), stop)


def cut(data: memoryview, installs: Installs, parts: int) -> list[tuple[int, int]]:
    """Cut the records into about equal ranges; fewer where the document is short."""
    ranges = []
    start = installs.start
    for part in range(1, parts):
        about = installs.start + (installs.stop - installs.start) * part // parts
        found = bytes(data[about : min(about + _WINDOW, installs.stop)]).find(_MARK, _KEY)
        quote = about + found - _KEY
        if found >= 0 and quote > start + 1:
            ranges.append((start, quote - 1))
            start = quote
    return [*ranges, (start, installs.stop)]


def split_range(
    data: memoryview, start: int, stop: int, *, passed: Callable[[int], None] | None = None
) -> RecordTable | None:
    """Split a range that begins with a hash and ends behind a record; None where a piece is no record.

    ``passed`` is told the byte before which nothing is needed any more.
    """
    table = RecordTable(b"", array("Q"), array("I"), bytearray())
    hashes: list[bytes] = []
    size = _WINDOW
    while start < stop:
        window = bytes(data[start : min(start + size, stop)])
        try:
            done = _split_window(window, start, hashes, table, is_last=start + len(window) == stop)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return None
        if done is None:
            return None
        # No record ends in this window: it is longer.
        size = size * 2 if done == 0 else _WINDOW
        start += done
        if passed is not None:
            passed(start)
    joined = b"".join(hashes)
    return table._replace(hashes=joined) if _ALL_HASHES.fullmatch(joined) else None


def _split_window(
    window: bytes, offset: int, hashes: list[bytes], table: RecordTable, *, is_last: bool
) -> int | None:
    """Split all records that end in a window; returns how many bytes they take, None where something else is there."""
    key, *pieces = window.split(_MARK)
    if not pieces:
        return None if is_last else 0
    if len(key) != _KEY or key[0] != _QUOTE:
        return None
    # What follows the last mark ends in another window, or ends the range.
    rest = pieces.pop()
    keep_hash, keep_start = hashes.append, table.starts.append
    keep_length, keep_present = table.lengths.append, table.present.append
    tails: dict[bytes, bool] = {}
    dag_hash, node = key[1:], offset + _KEY + _TO_NODE
    for piece in pieces:
        end = piece.rfind(_END_OF_NODE, 0, -_BETWEEN) + 1
        tail = piece[end:-_HASH]
        present = tails.get(tail)
        if present is None:
            if end == 0 or tail.count(_STATED) > 1 or _TAIL_OF_RECORD.fullmatch(tail) is None:
                # Written in another way: where the node ends is left to a decoder of JSON.
                slow = _split_piece(piece[:-_BETWEEN])
                if slow is None or piece[-_BETWEEN:-_HASH] != b',"':
                    return None
                end, present = slow
            else:
                present = tails[tail] = _PRESENT in tail
        keep_hash(dag_hash)
        keep_start(node)
        keep_length(end + 1)
        keep_present(present)
        dag_hash = piece[-_HASH:]
        node += len(piece) + len(_MARK)
    if not is_last:
        return node - _TO_NODE - _KEY - offset
    last = _split_piece(rest)
    if last is None:
        return None
    keep_hash(dag_hash)
    keep_start(node)
    keep_length(last[0] + 1)
    keep_present(last[1])
    return len(window)


def _split_piece(piece: bytes) -> tuple[int, bool] | None:
    """Return where the node ends in a record that lacks its beginning, and what the record says; None for no record."""
    record = _decode(_BEGINNING + piece)
    text = bytes(record.spec)
    # Of two keys 'spec' the last one counts, and it is not the one that the cut was made at.
    if not piece.startswith(text[1:]):
        return None
    return len(text) - 1, record.in_buildcache


def joined(tables: Sequence[RecordTable]) -> RecordTable:
    """Put the tables of following ranges together."""
    whole = RecordTable(b"".join(one.hashes for one in tables), array("Q"), array("I"), bytearray())
    for one in tables:
        whole.starts.extend(one.starts)
        whole.lengths.extend(one.lengths)
        whole.present.extend(one.present)
    return whole
