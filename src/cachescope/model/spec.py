"""Concrete specs: what a binary is.

``ConcreteSpec`` and ``DependencyEdge`` are named tuples, not dataclasses: an index of 400,000 records makes millions of
them, and a named tuple is made in a third of the time of a frozen dataclass.
"""

import enum
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cachescope.model.identity import DagHash, PackageName

__all__ = [
    "FLAG_NAMES",
    "NO_COMPILER",
    "Architecture",
    "Compiler",
    "ConcreteSpec",
    "DependencyEdge",
    "Deptype",
    "EdgeKind",
    "Variant",
    "VariantSet",
    "compiler_text",
    "deptype_names",
    "variant_text",
]

FLAG_NAMES = ("cflags", "cppflags", "cxxflags", "fflags", "ldflags", "ldlibs")
"""Compiler flags stand among the parameters of a node, but are no variants (formats: node fields)."""

NO_COMPILER = "none"
"""What pages and JSON print for a spec without a compiler."""

_FORMAT_5 = (
    5  # spec format of Spack 1.0 and newer: compilers are dependencies, multi-valued variants print ':='
)


class Deptype(enum.IntFlag):
    """Dependency types as one number; the order of the bits is the order in which Spack writes them."""

    BUILD = 1
    LINK = 2
    RUN = 4
    TEST = 8


RUNTIME = Deptype.LINK | Deptype.RUN


def deptype_names(types: Deptype | int) -> tuple[str, ...]:
    """Return the names of the types in Spack's order, for example ``("build", "link")``."""
    return tuple(one.name.lower() for one in Deptype if one.name and types & one)


class EdgeKind(NamedTuple):
    """How a dependency is used: its types, and the virtual packages that it provides over this edge."""

    deptypes: Deptype
    virtuals: tuple[str, ...]


class DependencyEdge(NamedTuple):
    """From a spec to one of its dependencies. Two edges may have one name, never key them by it."""

    name: str
    hash: DagHash
    kind: EdgeKind


@dataclass(frozen=True, slots=True, order=True)
class Architecture:
    """Platform, operating system and microarchitecture, by name."""

    platform: str
    os: str
    target: str

    def __str__(self) -> str:
        return f"{self.platform}-{self.os}-{self.target}"


@dataclass(frozen=True, slots=True, order=True)
class Compiler:
    """Name and version; the version is empty where the record of the compiler itself is missing."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" if self.version else self.name


def compiler_text(compiler: Compiler | None, *, spec_format: int = _FORMAT_5) -> str:
    """Print a compiler as published pages do: ``name@=version`` before spec format 5, ``name@version`` since, or ``none``."""
    if compiler is None:
        return NO_COMPILER
    if spec_format < _FORMAT_5 and compiler.version:
        return f"{compiler.name}@={compiler.version}"
    return str(compiler)


class Variant(NamedTuple):
    """One build option; the kind is the type of the value: bool, single text, or several."""

    name: str
    value: bool | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VariantSet:
    """All variants and compiler flags of one spec, in the order of its record (by name).

    Thousands of specs share few sets: decoders and catalogue intern them by ``key``, the JSON text as it stood.
    """

    key: bytes
    variants: tuple[Variant, ...]
    flags: tuple[tuple[str, tuple[str, ...]], ...]
    """Only flags that are not empty."""


_BARE = re.compile(r"[A-Za-z0-9,/_.\-\[\]]+")
_PATCH_SHOWN = 7


def variant_text(variant: Variant, *, spec_format: int = _FORMAT_5) -> str:
    """Print a variant as Spack's ``str(variant)`` does for a concrete spec of that format.

    Multi-valued variants are ``name:=a,b`` since format 5 (Spack 1.0) and ``name=a,b`` before.
    """
    name, value = variant
    if isinstance(value, bool):
        return f"+{name}" if value else f"~{name}"
    if isinstance(value, str):
        return f"{name}={_quoted(value)}"
    sign = ":=" if spec_format >= _FORMAT_5 else "="
    if not value:
        return f"{name}{sign}'*'"
    shown = [one[:_PATCH_SHOWN] for one in value] if name == "patches" else value
    return f"{name}{sign}{_quoted(','.join(shown))}"


def _quoted(value: str) -> str:
    if _BARE.fullmatch(value):
        return value
    return f"'{value}'" if "'" not in value else json.dumps(value)


class ConcreteSpec(NamedTuple):
    """One fully resolved node, as an index record or a spec document gives it.

    ``compiler`` is resolved by the decoder: the node's attribute or annotation for formats before 5, else the first
    edge for c, cxx or fortran. ``spec_format`` is the format in which the spec was first written (1 to 5).
    """

    hash: DagHash
    name: PackageName
    version: str
    namespace: str
    architecture: Architecture
    compiler: Compiler | None
    variants: VariantSet
    package_hash: str
    external: bool
    build_spec: DagHash | None
    spec_format: int
    edges: Sequence[DependencyEdge]
