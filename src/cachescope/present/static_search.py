"""The search of a site without a server: a page, and an index that the browser loads as far as a question needs it.

``search/names.json`` holds the packages and which files of hashes there are; ``search/hashes/ab.json`` the specs whose
hash begins with ``ab``. Of 400,000 specs each holds about 400, so no question loads more than some ten kilobytes of them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cachescope.model.identity import PackageName
from cachescope.model.results import PackageSummary
from cachescope.model.site import IndexedSpec
from cachescope.present.pages import Frame, PageRequest
from cachescope.present.static_addresses import LETTERS, package_file

__all__ = [
    "BEGINNING",
    "NAMES_FILE",
    "StaticSearchPage",
    "hashes_document",
    "hashes_file",
    "names_document",
    "search_page",
]

BEGINNING = 2
"""Characters of a hash that a file of the index is named after."""

NAMES_FILE = "search/names.json"
_LARGE = 60


def hashes_file(beginning: str) -> str:
    """Return the file of the hashes that begin so."""
    return f"search/hashes/{beginning}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticSearchPage:
    """A field that is answered in the browser, and lists for who has no scripts."""

    frame: Frame
    letters: tuple[str, ...]
    large: tuple[tuple[PackageName, int], ...]
    """Packages of most binaries, by name."""


def search_page(packages: Sequence[PackageSummary], request: PageRequest) -> StaticSearchPage:
    """Build the page of the search."""
    most = sorted(packages, key=lambda one: (-one.counts.present, one.name))[:_LARGE]
    return StaticSearchPage(
        frame=Frame(title="Search", section="", address="", scope=request.scope, now=request.now),
        letters=LETTERS,
        large=tuple(sorted((one.name, one.counts.present) for one in most if one.counts.present)),
    )


def names_document(
    packages: Sequence[PackageSummary], beginnings: Iterable[str], *, with_binaries: bool
) -> bytes:
    """Write the index of names: each with its present binaries, and its file where that is not named after it."""
    rows = _rows(
        [one.name, one.counts.present, *_unlike(one.name, package_file(one.name))] for one in packages
    )
    head = f'{{"hashes":"{"".join(sorted(beginnings))}","binaries":{json.dumps(with_binaries)},"packages":'
    return head.encode() + rows + b"}\n"


def _unlike(name: str, file: str) -> Sequence[str]:
    return () if file == f"package/{name}.html" else (file,)


def hashes_document(specs: Iterable[IndexedSpec]) -> bytes:
    """Write the specs of one beginning: hash, name, version, compiler, system, target, whether it is present."""
    rows = _rows(
        [one.hash, one.name, one.version, one.compiler, one.os, one.target, int(one.present)] for one in specs
    )
    return rows + b"\n"


def _rows(rows: Iterable[Sequence[object]]) -> bytes:
    """Write one row a line, without blanks: a reader may look at it, a browser loads it."""
    lines = ",\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in rows)
    # A lone surrogate out of somebody's record has no UTF-8; its backslash form is the JSON escape of the same.
    return f"[\n{lines}\n]".encode("utf-8", "backslashreplace")
