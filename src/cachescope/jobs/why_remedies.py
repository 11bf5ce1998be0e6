"""What to do about a cause, in Spack's words, and the cause as one sentence. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from cachescope.jobs.why_causes import Draft
from cachescope.model.identity import MirrorName
from cachescope.model.mirror import MirrorUrl, mirror_add
from cachescope.model.spec import FLAG_NAMES
from cachescope.model.why import CauseKind, Difference
from cachescope.query.versions import version_key

__all__ = ["note_of", "remedy_of"]

_REUSE = "concretizer:\n  reuse: true"
_NAMES_SHOWN = 4
_FEW = 3
"""Packages that are named one by one, where more are meant by 'all'."""

_OF_ALL = "all"


def remedy_of(  # noqa: PLR0911 - one row a kind
    draft: Draft, urls: Mapping[MirrorName, MirrorUrl | None], packages: Sequence[str]
) -> str:
    """Say what to do; what belongs into ``spack.yaml`` stands as YAML."""
    name = draft.about.name if draft.about is not None else _OF_ALL
    match draft.kind:
        case CauseKind.SHARED_DIFFERENCE:
            return _for_difference(draft.differences[0], packages)
        case CauseKind.OWN_FIELD:
            return _for_fields(name, draft.differences)
        case CauseKind.DEPENDENCY_UNUSED:
            return _require(name, [f"@{_most_used(draft)}"])
        case CauseKind.COMBINATION:
            versions = [one.cached for one in draft.differences]
            wants = "".join(
                f" ^{one.field.partition(':')[2]}@{version}"
                for one, version in zip(draft.differences, versions, strict=True)
                if version is not None and " " not in version
            )
            return f"{_REUSE}\nor build on what the cached ones have:{wants}" if wants else _REUSE
        case CauseKind.ELSEWHERE:
            return "\n".join(_add_mirror(one, urls.get(one)) for one in draft.places[:1])
        case CauseKind.VANISHED:
            return f"build it and push it again: spack buildcache push MIRROR /{next(iter(draft.subjects))}"
        case CauseKind.MENTIONED:
            return (
                "build it, and push what only building needs too: "
                f"spack buildcache push --with-build-dependencies MIRROR /{next(iter(draft.subjects))}"
            )
        case CauseKind.ABSENT:
            return (
                "sync further mirrors, or build it once and push it: "
                f"spack buildcache push MIRROR /{next(iter(draft.subjects))}"
            )


def _for_difference(one: Difference, packages: Sequence[str]) -> str:  # noqa: PLR0911 - one row a field
    constraint = _constraint(one)
    if len(packages) <= _FEW and constraint and one.field not in {"os", "platform"}:
        lines = [f"  {name}:\n    require: '{constraint}'" for name in packages]
        return "\n".join(["packages:", *lines])
    if one.field == "compiler" and one.cached:
        return f"packages:\n  all:\n    prefer: ['%{one.cached}']"
    if one.field == "target" and one.cached:
        return f"packages:\n  all:\n    require: target={one.cached}"
    if one.field in {"os", "platform"}:
        return f"use a mirror that was built for {one.field}={one.wanted}, or concretize for {one.field}={one.cached}"
    if one.field == "recipe":
        return f"use the package recipes that the mirrors were built from (repos:), or\n{_REUSE}"
    if one.field == "namespace":
        return f"take the packages from the repository {one.cached} (repos:)"
    if one.field.startswith("flags:"):
        flag = one.field.partition(":")[2]
        return f"concretize without {flag}={one.wanted!r}" if one.wanted else f"set {flag}={one.cached!r}"
    return f"packages:\n  all:\n    prefer: ['{constraint}']" if constraint else _REUSE


def _for_fields(name: str, differences: Sequence[Difference]) -> str:
    fields = {one.field: one for one in differences}
    external = fields.get("external")
    if external is not None:
        if external.cached is None:
            return f"let Spack build {name}: remove its 'externals' from packages.yaml"
        return f"use {name} at {external.cached} as external (packages.yaml), as the cached binaries do"
    wants = [text for one in differences if (text := _constraint(one))]
    if wants:
        return _require(name, wants)
    if "recipe" in fields:
        return f"use the recipe of {name} that the mirrors were built from (repos:), or\n{_REUSE}"
    return _REUSE


def _require(name: str, wants: Sequence[str]) -> str:
    return f"packages:\n  {name}:\n    require: '{' '.join(wants)}'"


def _constraint(one: Difference) -> str:  # noqa: PLR0911 - one row a field
    """Write what is cached as a constraint of Spack's language; empty where the language has no word for it."""
    kind, _, name = one.field.partition(":")
    if one.cached is None:
        return ""
    if kind == "version":
        return f"@{one.cached}"
    if kind == "compiler":
        return f"%{one.cached}"
    if kind in {"os", "target", "platform"}:
        return f"{kind}={one.cached}"
    if kind == "variant" and name != "patches":
        if one.cached in {"true", "false"}:
            return f"{'+' if one.cached == 'true' else '~'}{name}"
        return f"{name}={one.cached}"
    if kind == "flags" and name in FLAG_NAMES:
        return f'{name}="{one.cached}"'
    return ""


def _most_used(draft: Draft) -> str:
    return max(draft.alternatives, key=lambda one: (draft.alternatives[one], version_key(one)))


def _add_mirror(name: MirrorName, url: MirrorUrl | None) -> str:
    return mirror_add(name, url) if url is not None else f"add the mirror {name}"


def note_of(draft: Draft, packages: Sequence[str]) -> str:  # noqa: PLR0911 - one row a kind
    """Say a cause as one sentence."""
    name = draft.about.name if draft.about is not None else ""
    title = f"{name}@{draft.about.version}" if draft.about is not None else "this hash"
    match draft.kind:
        case CauseKind.SHARED_DIFFERENCE | CauseKind.OWN_FIELD:
            told = "; ".join(map(_told, draft.differences))
            if draft.kind is CauseKind.SHARED_DIFFERENCE:
                return f"{told}: the same for {_listed(packages)}"
            return f"{name}: {told}"
        case CauseKind.DEPENDENCY_UNUSED:
            return (
                f"{title} is there, but cached {_listed(packages)} are built on "
                f"{' and '.join(sorted(draft.alternatives, key=version_key))}"
            )
        case CauseKind.COMBINATION:
            told = "; ".join(map(_told, draft.differences))
            return f"{title}: own fields and all dependencies are cached, no cached binary has them together ({told})"
        case CauseKind.ABSENT:
            return f"no mirror that was asked has a binary of {name or 'this hash'}"
        case CauseKind.ELSEWHERE:
            return f"{_listed(packages)}: in {', '.join(map(str, draft.places))}, which was not asked"
        case CauseKind.MENTIONED:
            return f"{_listed(packages)}: only mentioned as a dependency, there is no binary"
        case CauseKind.VANISHED:
            return f"{_listed(packages)}: no longer in {draft.places[0]}"


def _told(one: Difference) -> str:
    kind, _, name = one.field.partition(":")
    label = one.field if kind in {"flags", "deptypes", "virtuals"} else name or one.field
    if one.field == "recipe" and one.wanted and " " not in one.wanted:
        return "the recipe is another one"
    if kind == "dependency":
        if one.wanted is None:
            return f"depends not on {name}, which cached ones do"
        if one.cached is None:
            return f"depends on {name}, which no cached one does"
    if kind == "external" and one.cached is None:
        return f"is an external ({one.wanted}), which nothing cached was built with"
    return f"{label} {one.wanted or 'none'}, cached is {one.cached or 'none'}"


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    if len(found) <= _NAMES_SHOWN:
        return " and ".join([", ".join(found[:-1]), found[-1]]) if len(found) > 1 else "".join(found)
    return f"{', '.join(found[:_NAMES_SHOWN])} and {len(found) - _NAMES_SHOWN} more"
