"""The JSON of results: one shape for the API, for pages asked as JSON, and for ``--json``.

Keys stand in the order of the design; two blanks of indentation, a newline at the end, text as UTF-8. Times are UTC in
RFC 3339, unknown values null.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from cachescope.model.archive import Archive, SizeSum
from cachescope.model.errors import CachescopeError
from cachescope.model.mirrors import MirrorReport
from cachescope.model.results import (
    Counts,
    Dependency,
    Dependent,
    LookAlikes,
    PackageList,
    PackageReport,
    Place,
    RefStacks,
    SearchResult,
    SpecReport,
    SpecSummary,
)
from cachescope.model.sources import Attempt, SourceStatus
from cachescope.model.spec import EdgeKind, deptype_names
from cachescope.present.wording import rfc3339, verdict_reason

if TYPE_CHECKING:
    from cachescope.present import shapes

__all__ = [
    "attempt_object",
    "counts_object",
    "document",
    "render_caches",
    "render_error",
    "render_error_line",
    "render_figures",
    "render_home",
    "render_mirror",
    "render_package",
    "render_packages",
    "render_refs",
    "render_search",
    "render_search_line",
    "render_spec",
    "spec_object",
]


def render_caches(sources: Sequence[SourceStatus]) -> bytes:
    """Write the list of sources."""
    return document([_source(one) for one in sources])


def render_refs(refs: Sequence[RefStacks]) -> bytes:
    """Write the list of refs with their stacks."""
    return document([_ref(one) for one in refs])


def render_home(refs: Sequence[RefStacks], sources: Sequence[SourceStatus]) -> bytes:
    """Write what the first page shows: refs and sources."""
    home: shapes.Home = {"refs": [_ref(one) for one in refs], "caches": [_source(one) for one in sources]}
    return document(home)


def render_search(result: SearchResult, following: str = "") -> bytes:
    """Write the specs that match; ``warnings``, ``suggestions``, ``no_match`` and ``next`` only where there are any.

    ``following`` is the address of the next part of the list.
    """
    return document(_search(result, following))


def render_search_line(result: SearchResult) -> bytes:
    """Write the same on one line, for answers to many queries."""
    return _line(_search(result))


def render_error_line(query: str, error: CachescopeError) -> bytes:
    """Write a refused query on one line."""
    return _line({"query": query, "error": error.as_json()})


def _search(result: SearchResult, following: str = "") -> "shapes.Search":
    found: shapes.Search = {
        "query": result.query,
        "total": result.total,
        "specs": [spec_object(one) for one in result.specs],
    }
    if result.warnings:
        found["warnings"] = list(result.warnings)
    if result.suggestions:
        found["suggestions"] = list(result.suggestions)
    if result.no_match is not None:
        found["no_match"] = {
            "notes": list(result.no_match.notes),
            "relaxations": [
                {
                    "dropped": list(one.dropped),
                    "query": one.query,
                    "total": one.total,
                    "instead": [{"constraint": text, "total": total} for text, total in one.instead],
                }
                for one in result.no_match.relaxations
            ],
            "nearest": [spec_object(one) for one in result.no_match.nearest],
        }
    if following:
        found["next"] = following
    return found


def render_packages(result: PackageList, following: str = "") -> bytes:
    """Write the packages of a scope; ``total`` is before paging, ``next`` stands where there is a next part."""
    found: shapes.Packages = {
        "ref": result.ref,
        "stack": result.stack,
        "total": result.total,
        "packages": [
            {
                "name": one.name,
                **counts_object(one.counts),
                "versions": one.versions,
                "compilers": one.compilers,
                "systems": one.systems,
                "targets": one.targets,
                "newest_version": one.newest_version,
            }
            for one in result.packages
        ],
    }
    if following:
        found["next"] = following
    return document(found)


def render_package(result: PackageReport, following: str = "") -> bytes:
    """Write one package with its look-alikes; ``next`` stands where there is a next page of them."""
    found: shapes.Package = {
        "name": result.name,
        "ref": result.ref,
        "stack": result.stack,
        "present": result.counts.present,
        "mentioned": result.counts.mentioned,
        "unstated": result.counts.unstated,
        "versions": list(result.versions),
        "compilers": _tallies(result.compilers),
        "systems": _tallies(result.systems),
        "targets": _tallies(result.targets),
        "stacks": [
            {"name": str(name), "present": present, "unstated": unstated}
            for name, present, unstated in result.stacks
        ],
        "sizes": _size_sum(result.sizes),
        "groups": [_group(one) for one in result.groups],
        "query": result.query,
        "matching": result.matching,
        "page": result.page,
        "pages": result.pages,
        "groups_total": result.groups_total,
        "facets": [
            {
                "field": one.field,
                "name": one.name,
                "values": [
                    {"value": each.text, "specs": each.specs, "chosen": each.chosen, "query": each.query}
                    for each in one.values
                ],
            }
            for one in result.facets
        ],
        "history": [
            {"at": rfc3339(one.at), "came": one.came, "gone": one.gone, "present": one.present}
            for one in result.history
        ],
    }
    if following:
        found["next"] = following
    return document(found)


def render_spec(result: SpecReport) -> bytes:
    """Write everything known of one spec."""
    spec = result.spec
    verdict = result.verification
    found: shapes.SpecReport = {
        **_sized_object(spec),
        "closure": _size_sum(spec.closure),
        "presence": spec.presence.word,
        "namespace": result.namespace or None,
        "package_hash": result.package_hash or None,
        "external": result.external,
        "build_spec": result.build_spec,
        "format": spec.spec_format,
        "flags": {name: list(values) for name, values in spec.variants.flags},
        "verification": {
            "verdict": verdict.verdict.word if verdict is not None else None,
            "reason": verdict_reason(result) or None,
        },
        "places": [_place(one) for one in result.places],
        "dependencies_known": result.dependencies_known,
        "dependencies": [_dependency(one) for one in result.dependencies],
        "dependents": [_dependent(one) for one in result.dependents],
        "dependents_total": result.dependents_total,
        "commands": list(result.commands),
        "record": json.loads(result.record) if result.record else None,
    }
    return document(found)


def render_mirror(result: MirrorReport) -> bytes:
    """Write one mirror: sources, largest packages, compilers by packages, what snapshots changed."""
    found: shapes.Mirror = {
        "name": str(result.name),
        **counts_object(result.counts),
        "packages": result.packages,
        "sources": [_source(one) for one in result.sources],
        "biggest": [
            {"name": one.name, **counts_object(one.counts), "versions": one.versions}
            for one in result.biggest
        ],
        "compilers": [
            {"name": one.name, "packages": one.packages, "specs": one.specs} for one in result.compilers
        ],
        "systems": [{"name": one.name, "specs": one.specs} for one in result.systems],
        "targets": [{"name": one.name, "specs": one.specs} for one in result.targets],
        "changes": [
            {
                "source": str(one.source),
                "layout": one.layout.value,
                "at": rfc3339(one.at),
                "came": one.came,
                "gone": one.gone,
                "present": one.present,
                "first": one.first,
            }
            for one in result.changes
        ],
    }
    return document(found)


def render_figures(figures: Sequence[tuple[str, str, str]]) -> bytes:
    """Write what each figure means: its name, definition, and what it does not say."""
    found: list[shapes.Figure] = [
        {"name": name, "definition": text, "caution": caution or None} for name, text, caution in figures
    ]
    return document(found)


def render_error(error: CachescopeError) -> bytes:
    """Write the one error shape."""
    return document({"error": error.as_json()})


def _line(value: object) -> bytes:
    return _encoded(json.dumps(value, ensure_ascii=False))


def document(value: object) -> bytes:
    """Write a value as a whole JSON document, for people to read too."""
    return _encoded(json.dumps(value, indent=2, ensure_ascii=False))


_UNSEEN = re.compile("[\\x7f-\\x9f\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff]")
"""What drives a terminal, or turns or hides text there: DEL, C1, marks of direction and of no width."""


def _encoded(text: str) -> bytes:
    if not text.isascii() or "\x7f" in text:
        # Outside of strings JSON is ASCII, so each stands in a string and has an escape there.
        text = _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    # A lone surrogate out of somebody's record has no UTF-8; its backslash form is the JSON escape of the same.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _source(one: SourceStatus) -> "shapes.Source":
    return {
        "name": str(one.name),
        "url": str(one.url) if one.url is not None else None,
        "layout": one.layout.value if one.layout is not None else None,
        "view": one.view,
        "index_version": one.index_version,
        **counts_object(one.counts),
        "snapshot_at": _time(one.snapshot_at),
        "last_attempt": attempt_object(one.last_attempt),
        "rejected": one.rejected,
        "warnings": list(one.warnings),
    }


def attempt_object(attempt: Attempt) -> "shapes.Attempt":
    """Make the object of a try to read a source."""
    return {"at": _time(attempt.at), "outcome": attempt.outcome, "reason": attempt.reason}


def _ref(one: RefStacks) -> "shapes.Ref":
    return {
        "ref": one.ref,
        "stacks": list(one.stacks),
        **counts_object(one.counts),
        "packages": one.packages,
        "stale": one.stale,
        "notes": list(one.notes),
    }


def spec_object(spec: SpecSummary) -> "shapes.Spec":
    """Write a spec as every list does."""
    found: shapes.Spec = {
        "hash": spec.hash,
        "name": spec.name,
        "version": spec.version,
        "compiler": spec.compiler_name,
        "os": spec.architecture.os,
        "platform": spec.architecture.platform,
        "target": spec.architecture.target,
        "variants": list(spec.variant_texts),
        "mirrors": [str(name) for name in spec.mirrors],
    }
    if spec.verdict is not None:
        verdict = spec.verdict
        found["verdict"] = {
            "kind": verdict.kind.value,
            "runnable": verdict.runnable,
            "reason": verdict.sentence,
        }
    return found


def _group(group: LookAlikes) -> "shapes.Group":
    columns = spec_object(group.specs[0])
    return {
        "version": columns["version"],
        "compiler": columns["compiler"],
        "os": columns["os"],
        "platform": columns["platform"],
        "target": columns["target"],
        "variants": columns["variants"],
        "dependencies_known": group.dependencies_known,
        "explained": group.explained,
        "differences": [
            {"path": list(one.path), "field": one.field, "values": list(one.values)}
            for one in group.differences
        ],
        "total": group.size,
        "specs": [{**_sized_object(one), "closure": _size_sum(one.closure)} for one in group.specs],
    }


def _sized_object(spec: SpecSummary) -> "shapes.SizedSpec":
    """Write a spec with its bytes, null where they are not known."""
    return {**spec_object(spec), "size": spec.size}


def _size_sum(found: SizeSum | None) -> "shapes.SizeSum | None":
    if found is None:
        return None
    return {
        "bytes": found.bytes,
        "known": found.known,
        "specs": found.total,
        "without_binary": found.without_binary,
    }


def _archive(one: Archive | None) -> "shapes.Archive | None":
    if one is None:
        return None
    return {
        "state": one.state.word,
        "size": one.size,
        "digest": str(one.digest) if one.digest is not None else None,
        "media_type": one.media_type or None,
        "compression": one.compression or None,
        "signed": one.signed,
        "asked_at": rfc3339(one.asked_at),
        "reason": one.reason or None,
    }


def _place(place: Place) -> "shapes.Place":
    return {
        "name": str(place.source.mirror),
        "view": place.source.view,
        "layout": place.layout.value,
        "url": str(place.url) if place.url is not None else None,
        "presence": place.presence.word,
        "since": rfc3339(place.since),
        "until": _time(place.until),
        "archive": _archive(place.archive),
    }


def _dependency(one: Dependency) -> "shapes.Dependency":
    return {
        **_sized_object(one.spec),
        **_edge(one.kind),
        "depth": one.depth,
        "repeated": one.repeated,
        "needed_at_run": one.needed_at_run,
    }


def _dependent(one: Dependent) -> "shapes.Dependent":
    return {**spec_object(one.spec), **_edge(one.kind)}


def _edge(kind: EdgeKind) -> "shapes.Edge":
    return {"deptypes": list(deptype_names(kind.deptypes)), "virtuals": list(kind.virtuals)}


def _tallies(pairs: Sequence[tuple[str, int]]) -> "list[shapes.Tally]":
    return [{"name": name, "specs": specs} for name, specs in pairs]


def counts_object(counts: Counts) -> "shapes.Counts":
    """Make the object of counts by presence; others stand beside it."""
    return {"present": counts.present, "mentioned": counts.mentioned, "unstated": counts.unstated}


def _time(time: datetime | None) -> str | None:
    return rfc3339(time) if time is not None else None
