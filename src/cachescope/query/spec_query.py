"""A spec query as immutable values: what a person asks of a concrete spec, in Spack's language.

``str()`` gives the canonical text; parsing it gives an equal query.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from cachescope.model.spec import Deptype, deptype_names
from cachescope.query.constraints import VersionList

__all__ = ["DependencyQuery", "FlagQuery", "NodeQuery", "SpecQuery", "VariantQuery"]

Sigil = Literal["^", "%", "%%"]

_ANY_TYPE = Deptype(0)
_NO_QUOTES = re.compile(r"[a-zA-Z0-9,/_.\-]+")


def _quoted(value: str) -> str:
    """Quote what needs quotes. The language knows one escape: a backslash before the quote that encloses the value."""
    if _NO_QUOTES.fullmatch(value):
        return value
    quote = '"' if "'" in value and '"' not in value else "'"
    return quote + value.replace(quote, f"\\{quote}") + quote


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantQuery:
    """``+v``, ``v=x,y``, ``v:=x``, ``v=*`` and their propagated forms."""

    name: str
    value: bool | tuple[str, ...]
    """Bool, or texts, sorted and unique; no texts is ``*``, any value."""

    exact: bool = False
    """``:=``: these values and no more."""

    propagate: bool = False
    """Every node of the DAG that has the variant must satisfy this; the spec itself need not have it."""

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            sign = "+" if self.value else "~"
            return f"{sign * 2 if self.propagate else sign}{self.name}"
        sign = (":" if self.exact else "") + ("==" if self.propagate else "=")
        if not self.value:
            return f"{self.name}{sign}*"
        # One text 'true' is no boolean: only a list tells them apart.
        alone = len(self.value) == 1 and self.value[0].upper() in {"TRUE", "FALSE"}
        texts = self.value * 2 if alone else self.value
        return f"{self.name}{sign}{_quoted(','.join(texts))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagQuery:
    """``cflags="-O2 -g"``: each item must be among the node's."""

    name: str
    items: tuple[str, ...]

    def __str__(self) -> str:
        groups: list[str] = []
        for item in self.items:
            # An item without '-' would become part of the one before it.
            if groups and item.startswith("-"):
                groups[-1] += f" {item}"
            else:
                groups.append(item)
        return " ".join(f"{self.name}={_quoted(group)}" for group in groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeQuery:
    """What is asked of one node; everything may be missing."""

    name: str | None = None
    namespace: str | None = None
    version: VersionList | None = None
    variants: tuple[VariantQuery, ...] = ()
    """By name; each name once."""

    flags: tuple[FlagQuery, ...] = ()
    platform: str | None = None
    os: str | None = None
    target: str | None = None
    """Comma list of names and ranges, as it stood."""

    hash: str | None = None
    """Beginning of the DAG hash."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked."""
        return self == NodeQuery()

    def __str__(self) -> str:
        prefixed = self.name and self.namespace and _DOTTED.fullmatch(self.namespace)
        text = f"{self.namespace}.{self.name}" if prefixed else self.name or ""
        if self.version is not None:
            blank = " " if _LIKE_GIT.match(str(self.version)) else ""
            text += f"@{blank}{self.version}"
        booleans = [str(one) for one in self.variants if isinstance(one.value, bool)]
        text += "".join(booleans)
        parts = [str(one) for one in self.variants if not isinstance(one.value, bool)]
        parts += [str(one) for one in self.flags]
        if self.namespace and not prefixed:
            parts.append(f"namespace={_bare_or_quoted(self.namespace)}")
        for key, value in (("platform", self.platform), ("os", self.os), ("target", self.target)):
            if value is not None:
                parts.append(f"{key}={value if value == '*' else _bare_or_quoted(value)}")
        text = " ".join([text, *parts]).strip()
        if self.hash is not None:
            text += f" /{self.hash}" if text else f"/{self.hash}"
        return text


_DOTTED = re.compile(r"[a-zA-Z_0-9][a-zA-Z_0-9\-]*(?:\.[a-zA-Z_0-9][a-zA-Z_0-9\-]*)*")
_LIKE_GIT = re.compile(r"git\.[^,]*[,:]|[A-Fa-f0-9]{40}[^=]")
"""What is no git version but begins like one: a blank behind ``@`` tells them apart."""

_BARE_VALUE = re.compile(r"(?!=)[a-zA-Z_0-9\-+*.,:=%^~/\\]+")


def _bare_or_quoted(value: str) -> str:
    return value if _BARE_VALUE.fullmatch(value) else _quoted(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyQuery:
    """An edge that is asked for, and what is asked of its end."""

    sigil: Sigil
    node: NodeQuery
    deptypes: Deptype = _ANY_TYPE
    """All of these; none is any."""

    virtuals: tuple[str, ...] = ()
    when: "SpecQuery | None" = None
    """If the spec does not match this, the edge is not asked for."""

    direct: tuple["DependencyQuery", ...] = ()
    """``%`` edges of the end of a ``^`` edge."""

    def __str__(self) -> str:
        properties = []
        if self.deptypes:
            properties.append(f"deptypes={','.join(deptype_names(self.deptypes))}")
        if self.virtuals:
            properties.append(f"virtuals={_quoted(','.join(self.virtuals))}")
        if self.when is not None:
            properties.append(f"when={_quoted(str(self.when))}")
        bracket = f"[{' '.join(properties)}] " if properties else ""
        end = str(self.node) or "*"
        if self.node.name is None and end[0] not in "*@+~/":
            end = f"* {end}"  # '%os=...' would be a virtual and its provider
        return " ".join([f"{self.sigil}{bracket}{end}", *map(str, self.direct)])


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecQuery:
    """A node and the edges that are asked for below it."""

    node: NodeQuery
    dependencies: tuple[DependencyQuery, ...] = ()
    ignored: tuple[DependencyQuery, ...] = field(default=(), compare=False)
    """``%`` edges that were read and ask nothing: those behind the second mention of a dependency, as in Spack."""

    def edges(self) -> Iterator[DependencyQuery]:
        """Return all edges, also those below ``^`` edges."""
        for edge in self.dependencies:
            yield edge
            yield from edge.direct

    def __str__(self) -> str:
        # '%' edges first: written behind a '^' edge they would belong to its end.
        ordered = sorted(self.dependencies, key=lambda edge: edge.sigil == "^")
        return " ".join(part for part in (str(self.node), *map(str, ordered)) if part) or "*"
