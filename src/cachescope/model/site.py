"""What a site without a server is made from, besides pages: the hashes of a scope, and what a list shows of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cachescope.model.identity import DagHash, PackageName, Ref

__all__ = ["IndexedSpec", "SiteIndex"]


@dataclass(frozen=True, slots=True)
class IndexedSpec:
    """A spec as the search of a static site shows it."""

    hash: DagHash
    name: PackageName
    version: str
    compiler: str
    """``name@version``, empty where none is recorded."""

    os: str
    target: str
    present: bool


class SiteIndex(Protocol):
    """Hashes of the catalogue, or (``ref``) of what the mirrors of a ref speak of now."""

    def hashes(self, *, ref: Ref | None) -> Sequence[DagHash]:
        """All of them, sorted."""
        ...

    def beginning(self, characters: str, *, ref: Ref | None) -> Sequence[IndexedSpec]:
        """Those whose hash begins with these characters, by hash."""
        ...
