"""Puts the attributes of a node together, and two nodes of one name into one. ``ValueError`` says what does not go together."""

from cachescope.model.spec import FLAG_NAMES
from cachescope.query.constraints import VersionList, parse_version_list
from cachescope.query.spec_query import FlagQuery, NodeQuery, VariantQuery
from cachescope.query.targets import intersect_targets

__all__ = ["NodeBuilder", "merge_nodes"]

_ARCHITECTURE_PARTS = 3
_RESERVED = frozenset({"arch", "architecture", "platform", "os", "operating_system", "target", "namespace"})
_NOT_PROPAGATED = _RESERVED | {"branch", "commit", "dev_path", "patches", "ref", "tag"}
"""Source: Spack 1.2 ``variant``, ``RESERVED_NAMES``."""


class NodeBuilder:
    """A node while its attributes are read."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.namespace: str | None = None
        self.hash: str | None = None
        self._version: VersionList | None = None
        self._variants: dict[str, VariantQuery] = {}
        self._flags: dict[str, list[str]] = {}
        self._architecture: dict[str, str] = {}

    def build(self) -> NodeQuery:
        """Return the finished node."""
        return NodeQuery(
            name=self.name,
            namespace=self.namespace,
            version=self._version,
            variants=tuple(self._variants[name] for name in sorted(self._variants)),
            flags=tuple(
                FlagQuery(name=name, items=tuple(self._flags[name]))
                for name in FLAG_NAMES
                if self._flags.get(name)
            ),
            platform=self._architecture.get("platform"),
            os=self._architecture.get("os"),
            target=self._architecture.get("target"),
            hash=self.hash,
        )

    def add_version(self, text: str) -> None:
        """Add what stands behind ``@``; a node has one."""
        if self._version is not None:
            raise ValueError("a node has one version; write alternatives as a list: @1.2,1.4")
        self._version = parse_version_list(text)

    def add_variant(self, name: str, *, value: bool, propagate: bool = False) -> None:
        """Add ``+name`` or ``~name``."""
        if propagate and name in _NOT_PROPAGATED:
            raise ValueError(f"{name} cannot be propagated")
        if name in _RESERVED or name in FLAG_NAMES:
            raise ValueError(f"{name} takes a value: {name}=...")
        self._set(VariantQuery(name=name, value=value, propagate=propagate))

    def add_variant_text(self, name: str, value: str, *, exact: bool, propagate: bool) -> None:
        """Add ``name=value``; true and false in any case are booleans, ``*`` is any value."""
        if propagate and name in _NOT_PROPAGATED:
            raise ValueError(f"{name} cannot be propagated with '=='")
        if value.upper() in {"TRUE", "FALSE"}:
            self._set(VariantQuery(name=name, value=value.upper() == "TRUE", propagate=propagate))
            return
        if value == "*":
            self._set(VariantQuery(name=name, value=(), propagate=propagate))
            return
        values = tuple(sorted(set(value.split(","))))
        if "*" in values:
            raise ValueError("'*' stands for any value and cannot be one of a list")
        self._set(VariantQuery(name=name, value=values, exact=exact, propagate=propagate))

    def _set(self, variant: VariantQuery) -> None:
        if variant.name in self._variants:
            raise ValueError(f"the variant {variant.name} is given twice")
        self._variants[variant.name] = variant

    def add_flags(self, name: str, value: str) -> None:
        """Add compiler flags; an item that does not begin with ``-`` belongs to the one before. Repeated flags add up."""
        items = self._flags.setdefault(name, [])
        new: list[str] = []
        for word in value.split():
            if new and not word.startswith("-"):
                new[-1] += f" {word}"
            else:
                new.append(word)
        items.extend(one for one in new if one not in items)

    def add_reserved(self, name: str, value: str, *, propagate: bool) -> bool:
        """Take ``arch``, ``platform``, ``os``, ``target`` or ``namespace``; False for any other name."""
        if name not in _RESERVED:
            return False
        if propagate:
            raise ValueError(f"{name} cannot be propagated with '=='")
        if name == "namespace":
            self.namespace = value
        elif name in {"arch", "architecture"}:
            if self._architecture:
                raise ValueError(
                    "an architecture is given already; name its parts once: platform=, os=, target="
                )
            parts = value.split("-")
            if len(parts) == _ARCHITECTURE_PARTS:
                for key, part in zip(("platform", "os", "target"), parts, strict=True):
                    self._set_architecture(key, part)
            else:
                self._set_architecture("target", value)
        else:
            self._set_architecture("os" if name == "operating_system" else name, value)
        return True

    def _set_architecture(self, key: str, value: str) -> None:
        if key in self._architecture:
            raise ValueError(f"{key} is given twice")
        if value and value != "None":
            self._architecture[key] = value


def merge_nodes(one: NodeQuery, two: NodeQuery) -> NodeQuery:
    """Return what both ask of a node of one name. Raises ``ValueError`` if nothing could satisfy both."""
    variants = {variant.name: variant for variant in one.variants}
    for variant in two.variants:
        known = variants.get(variant.name)
        variants[variant.name] = variant if known is None else _merge_variants(known, variant)
    flags = {flag.name: flag for flag in one.flags}
    for flag in two.flags:
        former = flags[flag.name].items if flag.name in flags else ()
        flags[flag.name] = FlagQuery(name=flag.name, items=tuple(dict.fromkeys((*former, *flag.items))))
    return NodeQuery(
        name=one.name,
        namespace=_same("namespace", one.namespace, two.namespace),
        version=_merge_versions(one.version, two.version),
        variants=tuple(variants[name] for name in sorted(variants)),
        flags=tuple(flags[name] for name in FLAG_NAMES if name in flags),
        platform=_same("platform", one.platform, two.platform),
        os=_same("os", one.os, two.os),
        target=_merge_targets(one.target, two.target),
        hash=_merge_hashes(one.hash, two.hash),
    )


def _merge_versions(one: VersionList | None, two: VersionList | None) -> VersionList | None:
    if one is None or two is None:
        return one or two
    both = one.intersection(two)
    if not both.items:
        raise ValueError(f"no version is in both @{one} and @{two}")
    return both


def _merge_variants(one: VariantQuery, two: VariantQuery) -> VariantQuery:
    propagate = one.propagate and two.propagate
    if one.value == () or two.value in {(), one.value}:
        value = two.value if one.value == () else one.value
        return VariantQuery(name=one.name, value=value, exact=one.exact or two.exact, propagate=propagate)
    if not isinstance(one.value, bool) and not isinstance(two.value, bool):
        values = tuple(sorted({*one.value, *two.value}))
        limits = [set(side.value) for side in (one, two) if side.exact and not isinstance(side.value, bool)]
        if all(set(values) == limit for limit in limits):
            return VariantQuery(name=one.name, value=values, exact=bool(limits), propagate=propagate)
    raise ValueError(f"{one} and {two} exclude each other")


def _merge_hashes(one: str | None, two: str | None) -> str | None:
    if one is None or two is None:
        return one or two
    longer, shorter = sorted((one, two), key=len, reverse=True)
    if not longer.startswith(shorter):
        raise ValueError(f"/{one} and /{two} exclude each other")
    return longer


def _merge_targets(one: str | None, two: str | None) -> str | None:
    if one is None or two is None or one == two:
        return one or two
    both = "" if "*" in {one, two} else intersect_targets(one, two)
    if not both:
        raise ValueError(f"no target is in both {one} and {two}")
    return both


def _same(kind: str, one: str | None, two: str | None) -> str | None:
    if one is not None and two is not None and one != two:
        raise ValueError(f"{kind} is given twice: {one} and {two}")
    return one if one is not None else two
