"""Published pages of the public build-cache site: one Markdown page for each ref and package.

::

    ---
    title: "zlib"
    layout: cache
    categories: [package, develop]
    meta: {"compilers": ["gcc@11.4.0"], "num_specs": 1, "num_specs_by_stack": {"root": 1}, ...}
    spec_details: [{"compiler": "gcc@11.4.0", "hash": "...", "os": "ubuntu22.04", "size": "-", "stacks": ["root"], ...}]
    ---

There is no newline after the last ``---``; values are JSON as Python writes it, keys and lists sorted. Pages up to
early 2025 hold a ``tarball`` address in each row and are not sorted: they are read, never written.
A row stands for a spec that is present in ``root``; the other stacks that it names mention it in some way, which the
page does not tell.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from cachescope.formats.decoding import decoding, describe
from cachescope.model.errors import CachescopeError, MalformedDocument, MalformedRecord, UserInputError
from cachescope.model.identity import (
    ROOT,
    DagHash,
    PackageName,
    Ref,
    Stack,
    is_hash_text,
    parse_mirror_name,
    parse_package_name,
    parse_ref,
)
from cachescope.model.record import IndexHeader, Presence, Verification
from cachescope.model.spec import NO_COMPILER, Architecture, Compiler, ConcreteSpec, Variant, VariantSet
from cachescope.model.spec_records import Compress, SpecBatch, batch_of, batches

__all__ = ["PageRow", "PublishedPage", "decode_page", "encode_page", "printed_row"]

_LINE = re.compile(r"(\w+):[ \t]*(.*)")
_FENCE = "---"
_FORMAT_UNKNOWN = 4  # 'name@=version' was printed for formats before 5; which of them a page does not tell
_FORMAT_5 = 5


class _RowWire(msgspec.Struct):
    compiler: str
    hash: str
    os: str
    platform: str
    stacks: list[str]
    target: str
    variants: list[str]
    versions: list[str]
    size: str | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRow:
    """One binary of a page, as the page prints it."""

    hash: DagHash
    version: str
    compiler: str
    os: str
    platform: str
    target: str
    variants: tuple[str, ...]
    stacks: tuple[Stack, ...]
    size: str = "-"


@dataclass(frozen=True, slots=True)
class PublishedPage:
    """A decoded page."""

    package: PackageName
    ref: Ref
    rows: Mapping[DagHash, PageRow]
    originals: Mapping[DagHash, bytes]
    rejected: tuple[MalformedRecord, ...]

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """``root``, then all stacks that the rows name, sorted."""
        return (ROOT, *sorted({stack for row in self.rows.values() for stack in row.stacks} - {ROOT}))

    def records(self, stack: Stack) -> "PageRecords":
        """Return what the page says of one mirror of its ref."""
        return PageRecords(self, stack)


class PageRecords:
    """The rows of a page that concern one stack; fulfils ``SpecRecords``."""

    def __init__(self, page: PublishedPage, stack: Stack) -> None:
        self._page = page
        self._presence = {
            row.hash: Presence.PRESENT if stack == ROOT else Presence.UNSTATED
            for row in page.rows.values()
            if stack == ROOT or stack in row.stacks
        }
        self.header = IndexHeader(version=None)
        self.rejected: Sequence[MalformedRecord] = page.rejected if stack == ROOT else ()

    @property
    def presence(self) -> Mapping[DagHash, Presence]:
        """Present in ``root``, unstated elsewhere."""
        return self._presence

    def spec(self, dag_hash: DagHash) -> ConcreteSpec:
        """Return what the row tells; there are no edges in it."""
        row = self._page.rows[dag_hash]
        return ConcreteSpec(
            hash=dag_hash,
            name=self._page.package,
            version=row.version,
            namespace="",
            architecture=Architecture(row.platform, row.os, row.target),
            compiler=_compiler(row.compiler),
            variants=_variant_set(row.variants),
            package_hash="",
            external=False,
            build_spec=None,
            spec_format=_FORMAT_UNKNOWN if "@=" in row.compiler else _FORMAT_5,
            edges=(),
        )

    def original(self, dag_hash: DagHash) -> bytes:
        """Return the row's JSON."""
        return self._page.originals[dag_hash]

    def verification(self, spec: ConcreteSpec) -> Verification | None:  # noqa: ARG002 - the protocol's signature
        """Return nothing: a row is not the text that was hashed."""
        return None

    def samples(self, wanted: Sequence[DagHash]) -> Sequence[bytes]:
        """Return the rows: none has a form."""
        return [self.original(one) for one in wanted]

    def batches(self, wanted: Sequence[DagHash], compress: Compress) -> Iterator[SpecBatch]:
        """Read rows by batches."""
        for some in batches(wanted):
            yield batch_of(
                [self.spec(one) for one in some],
                verdicts=[None] * len(some),
                originals=compress([self.original(one) for one in some]),
            )

    def __iter__(self) -> Iterator[DagHash]:
        return iter(self._presence)

    def __len__(self) -> int:
        return len(self._presence)


def decode_page(text: bytes) -> PublishedPage | None:
    """Decode a published page; None for Markdown that is no page of one package.

    Raises ``MalformedDocument`` for a page that cannot be read; rows that cannot be read are rejected one by one.
    """
    fields = _front_matter(text)
    if fields is None or fields.get("layout") != "cache":
        return None
    try:
        title = msgspec.json.decode(fields.get("title", '""'), type=str)
        package = parse_package_name(title)
        categories = [one.strip() for one in fields.get("categories", "").strip("[]").split(",")]
        ref = parse_ref(next((one for one in categories if one and one != "package"), ""))
    except (msgspec.MsgspecError, UserInputError) as error:
        raise MalformedDocument(f"the page does not say its package and ref: {error}") from error
    details = fields.get("spec_details")
    if details is None:
        raise MalformedDocument("the page has no 'spec_details'", hint="it may be truncated")
    with decoding("list 'spec_details' of the page", details.encode()):
        raw_rows = msgspec.json.decode(details, type=list[msgspec.Raw])
    rows: dict[DagHash, PageRow] = {}
    originals: dict[DagHash, bytes] = {}
    rejected: list[MalformedRecord] = []
    for position, raw in enumerate(raw_rows):
        try:
            row = _row(raw, f"spec_details[{position}]")
        except MalformedRecord as error:
            rejected.append(error)
            continue
        rows[row.hash] = row
        originals[row.hash] = bytes(raw)
    return PublishedPage(package, ref, rows, originals, tuple(rejected))


def _front_matter(text: bytes) -> dict[str, str] | None:
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise MalformedDocument("the page is not valid UTF-8") from error
    if not lines or lines[0].rstrip() != _FENCE:
        return None
    fields: dict[str, str] = {}
    for line in lines[1:]:
        if line.rstrip() == _FENCE:
            return fields
        if found := _LINE.fullmatch(line):
            fields[found[1]] = found[2].strip()
    if fields.get("layout") != "cache":
        return None
    raise MalformedDocument(
        "the page ends before the closing '---'", hint="it may be truncated: fetch it again"
    )


def _row(raw: msgspec.Raw, where: str) -> PageRow:
    try:
        wire = msgspec.json.decode(raw, type=_RowWire)
    except (msgspec.MsgspecError, RecursionError) as error:
        problem, path = describe(error)
        raise MalformedRecord(problem, where=f"{where}.{path}" if path else where) from error
    if any("\0" in text for text in _texts(wire)):
        # As in records of indexes: in databases, paths and terminals it ends a text or is refused.
        raise MalformedRecord("a text holds a NUL", where=where)
    if not is_hash_text(wire.hash):
        raise MalformedRecord(f"{wire.hash[:80]!r} is not a DAG hash", where=f"{where}.hash")
    if not wire.versions:
        raise MalformedRecord("the row has no version", where=f"{where}.versions")
    try:
        stacks = tuple(sorted({parse_mirror_name(f"ref/{one}").stack for one in wire.stacks}))
    except CachescopeError as error:
        raise MalformedRecord(error.message, where=f"{where}.stacks") from error
    return PageRow(
        hash=DagHash(wire.hash),
        version=wire.versions[0],
        compiler=wire.compiler,
        os=wire.os,
        platform=wire.platform,
        target=wire.target,
        variants=tuple(wire.variants),
        stacks=stacks,
        size="-" if wire.size is None else str(wire.size),
    )


def _texts(wire: _RowWire) -> Iterator[str]:
    yield from (wire.compiler, wire.os, wire.platform, wire.target, str(wire.size))
    yield from (*wire.variants, *wire.versions)


def _compiler(text: str) -> Compiler | None:
    if text in {NO_COMPILER, ""}:
        return None
    name, _, version = text.partition("@")
    return Compiler(name, version.removeprefix("="))


def _variant_set(texts: tuple[str, ...]) -> VariantSet:
    variants = tuple(_variant(one) for one in texts)
    key = json.dumps({"page": texts}, separators=(",", ":")).encode("ascii")
    return VariantSet(key, tuple(sorted(variants, key=lambda one: one.name)), ())


def _variant(text: str) -> Variant:
    """Read a printed variant back. A value with a comma was multi-valued; ``patches`` are only the first 7 characters."""
    if text.startswith(("+", "~")):
        return Variant(text[1:], text[0] == "+")
    name, sign, value = text.partition("=")
    multiple = name.endswith(":")
    name = name.removesuffix(":")
    if not sign:
        return Variant(name, value=True)
    value = _unquoted(value)
    if multiple and value == "*":
        return Variant(name, ())
    if multiple or "," in value or name == "patches":
        return Variant(name, tuple(value.split(",")))
    return Variant(name, value)


def _unquoted(value: str) -> str:
    """Undo the quotes of ``variant_text``: single ones, or JSON where the value holds a single quote."""
    if value[:1] == "'" and value[-1:] == "'":
        return value[1:-1]
    if value[:1] == '"':
        with suppress(msgspec.MsgspecError):
            return msgspec.json.decode(value, type=str)
    return value


def printed_row(original: bytes) -> PageRow:
    """Read one row of a page, as it was kept. Raises ``MalformedRecord``."""
    return _row(msgspec.Raw(original), "row")


def encode_page(package: PackageName, ref: Ref, rows: Iterable[PageRow]) -> bytes:
    """Write a page in the canonical form: rows by hash, stacks sorted, variants in their own order, no last newline."""
    ordered = sorted(rows, key=lambda row: row.hash)
    by_stack = Counter(stack for row in ordered for stack in row.stacks)
    meta = {
        "compilers": sorted({row.compiler for row in ordered}),
        "num_specs": len(ordered),
        "num_specs_by_stack": dict(by_stack),
        "oss": sorted({row.os for row in ordered}),
        "platforms": sorted({row.platform for row in ordered}),
        "stacks": sorted(by_stack),
        "targets": sorted({row.target for row in ordered}),
        "versions": sorted({row.version for row in ordered}),
    }
    lines = (
        _FENCE,
        f"title: {_json(package)}",
        "layout: cache",
        f"categories: [package, {ref}]",
        f"meta: {_json(meta)}",
        f"spec_details: {_json([_row_json(row) for row in ordered])}",
        _FENCE,
    )
    return "\n".join(lines).encode("ascii")


def _row_json(row: PageRow) -> dict[str, Any]:
    return {
        "compiler": row.compiler,
        "hash": row.hash,
        "os": row.os,
        "platform": row.platform,
        "size": row.size,
        "stacks": sorted(row.stacks),
        "target": row.target,
        "variants": list(row.variants),
        "versions": [row.version],
    }


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)
