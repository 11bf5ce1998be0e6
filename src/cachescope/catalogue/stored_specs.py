"""What rows of the catalogue say of specs: the same, whatever reads the rows. Needs no database library."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cachescope.model.identity import DagHash, MirrorName, PackageName
from cachescope.model.record import Presence
from cachescope.model.results import SpecSummary
from cachescope.model.spec import Architecture, Compiler, Variant, VariantSet

__all__ = ["decode_variant_set", "page_variants", "spec_summaries"]

_NO_VARIANTS = VariantSet(b"{}", (), ())
_CONTENT = msgspec.msgpack.Decoder(
    tuple[tuple[tuple[str, bool | str | tuple[str, ...]], ...], tuple[tuple[str, tuple[str, ...]], ...]]
)


def decode_variant_set(key: bytes, content: bytes) -> VariantSet:
    """Read a stored variant set back."""
    variants, flags = _CONTENT.decode(content)
    return VariantSet(key, tuple(Variant(name, value) for name, value in variants), flags)


def spec_summaries(rows: Sequence[Any], places: Mapping[int, tuple[MirrorName, ...]]) -> list[SpecSummary]:
    """Make summaries of rows that have the names of ``summaries_of_specs.spec_columns``; ``places`` are where each is present."""
    sets: dict[bytes, VariantSet] = {}
    summaries = []
    for row in rows:
        variants = _NO_VARIANTS
        if row.variants_key is not None:
            known = sets.get(row.variants_key)
            variants = sets[row.variants_key] = known or decode_variant_set(
                row.variants_key, row.variants_content
            )
        state = getattr(row, "state", None)
        summaries.append(
            SpecSummary(
                hash=DagHash(row.hash),
                name=PackageName(row.name),
                version=row.version or "",
                compiler=Compiler(row.compiler_name, row.compiler_version)
                if row.compiler_name is not None
                else None,
                architecture=Architecture(row.platform or "", row.os or "", row.target or ""),
                variants=variants,
                spec_format=row.spec_format,
                presence=Presence(state) if state is not None else Presence.MENTIONED,
                mirrors=places.get(row.id, ()),
                page_variants=page_variants(row.variants_key),
            )
        )
    return summaries


def page_variants(key: bytes | None) -> tuple[str, ...] | None:
    """Return the variants as a published page printed them: they stand in the key of such a set."""
    if key is None or not key.startswith(b'{"page":'):
        return None
    return tuple(json.loads(key)["page"])
