"""Where the pages of a site without a server stand as files, and which addresses of the server have one.

All links are relative, so the folder works wherever it is put: at the root of a host, below any path, on a disk. Pages
have names that end in ``.html`` rather than folders with an ``index.html``, so that no server has to know that.
"""

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable
from functools import lru_cache
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from cachescope.model.identity import DAG_HASH_LENGTH, MirrorName, PackageName, Ref, parse_mirror_name
from cachescope.present.urls import Scope

__all__ = [
    "LETTERS",
    "PY_PREFIX",
    "HashSet",
    "StaticAddresses",
    "badge_file",
    "package_file",
    "root_of",
    "spec_file",
]

PY_PREFIX = "py-"
LETTERS = (*"abcdefghijklmnopqrstuvwxyz", PY_PREFIX)
"""Beginnings of names that have a list of their own."""

_LONGEST_NAME = 150
_KEPT = 20_000
_BASE32 = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")
_COMPARED = 12


class HashSet:
    """Hashes that a site has pages of: 8 bytes each, by their first 12 characters."""

    def __init__(self, hashes: Iterable[str]) -> None:
        self._keys = array("Q", sorted(map(_key, hashes)))

    def __contains__(self, one: str) -> bool:
        if len(one) != DAG_HASH_LENGTH:
            return False
        place = bisect_left(self._keys, key := _key(one))
        return place < len(self._keys) and self._keys[place] == key


def _key(one: str) -> int:
    return int(one[:_COMPARED].translate(_BASE32), 32)


def root_of(file: str) -> str:
    """Return what leads from a file to the folder of the site: ``../`` for each folder that it is in."""
    return "../" * file.count("/")


def _numbered(stem: str, page: int) -> str:
    # No name of a package, ref or stack holds a comma.
    return f"{stem},{page}.html" if page > 1 else f"{stem}.html"


def package_file(name: str, *, page: int = 1, all_versions: bool = False) -> str:
    """Return the file of a package; a name that is longer than names of files may be is cut, and told by its digest."""
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]},{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return f"package/{name},all.html" if all_versions else _numbered(f"package/{name}", page)


def badge_file(name: str) -> str:
    """Return the file of a package's badge, beside its page."""
    return package_file(name).removesuffix(".html") + ".svg"


def spec_file(dag_hash: str) -> str:
    """Return the file of a spec; 1,024 folders share them."""
    return f"spec/{dag_hash[:2]}/{dag_hash}.html"


class StaticAddresses:
    """Leads from an address of the server to the file that stands for it, if one does.

    The pages are those of one scope: everything, or a ref. An address with a narrower scope is that of a list which is
    exported for each ref and mirror, or of a page of the site's own scope where that says the same of a package or spec.
    """

    def __init__(
        self,
        ref: Ref | None,
        *,
        packages: Collection[PackageName],
        hashes: HashSet,
        mirrors: Collection[MirrorName],
    ) -> None:
        self.scope = Scope(ref)
        self._packages = packages
        self._hashes = hashes
        self._mirrors = frozenset(map(str, mirrors))
        self._refs = {one.ref for one in mirrors}
        self.file_of = lru_cache(_KEPT)(self._file_of)

    def packages_file(self, scope: Scope, *, prefix: str = "", page: int = 1) -> str:
        """Return the file of a list of packages: of the whole site, of its names with a beginning, of a ref or a mirror."""
        if prefix:
            return _numbered(f"packages/letter/{prefix}", page)
        if scope == self.scope:
            return _numbered("packages", page)
        stem = f"packages/in/{scope.ref}/{scope.stack}" if scope.stack else f"packages/in/{scope.ref}"
        return _numbered(stem, page)

    def caches_file(self, scope: Scope, *, page: int = 1) -> str:
        """Return the file of a list of caches."""
        return _numbered("caches" if scope == self.scope else f"caches/in/{scope.ref}", page)

    def _file_of(self, address: str) -> str | None:  # noqa: C901, PLR0911 - one arm a page
        """Return the file that stands for an address of the server; None where nothing does."""
        parts = urlsplit(address)
        given = dict(parse_qsl(parts.query))
        page = int(given.pop("page", "1"))
        ref, stack = given.pop("ref", None), given.pop("stack", None)
        match [unquote(one) for one in parts.path.removeprefix("/").split("/")]:
            case [""] if not given:
                return "index.html"
            case ["packages"]:
                return self._packages_list(ref, stack, given, page)
            case ["package", name] if name in self._packages:
                everything = given.pop("versions", "") == "all"
                return None if given else package_file(name, page=page, all_versions=everything)
            case ["spec", dag_hash] if not given and dag_hash in self._hashes:
                return spec_file(dag_hash)
            case ["caches"] if not given:
                return self._caches_list(ref, stack, page)
            case ["cache", ref_, stack_]:
                return self._cache(ref_, stack_)
            case ["about", "figures"]:
                return "about/figures.html"
            case ["search"] if not given:
                return "search.html"
            case ["static", name]:
                return f"static/{name}"
            case ["badge", name] if name.removesuffix(".svg") in self._packages:
                return badge_file(name.removesuffix(".svg"))
            case _:
                return None

    def _packages_list(
        self, ref: str | None, stack: str | None, given: dict[str, str], page: int
    ) -> str | None:
        prefix = given.pop("prefix", "")
        # The list has one order here, and is the answer to "the largest first" all the same.
        given.pop("sort", "")
        if given:
            return None
        scope = self._known_scope(ref, stack)
        if scope is None or (prefix and (scope != self.scope or prefix not in LETTERS)):
            return None
        return self.packages_file(scope, prefix=prefix, page=page)

    def _caches_list(self, ref: str | None, stack: str | None, page: int) -> str | None:
        if ref is not None and stack is not None:
            return self._cache(ref, stack)
        scope = self._known_scope(ref, stack)
        return None if scope is None else self.caches_file(scope, page=page)

    def _cache(self, ref: str, stack: str) -> str | None:
        return f"cache/{ref}/{stack}.html" if f"{ref}/{stack}" in self._mirrors else None

    def _known_scope(self, ref: str | None, stack: str | None) -> Scope | None:
        if ref is None:
            return self.scope if stack is None else None
        if stack is None:
            return Scope(Ref(ref)) if ref in self._refs else None
        if f"{ref}/{stack}" not in self._mirrors:
            return None
        name = parse_mirror_name(f"{ref}/{stack}")
        return Scope(name.ref, name.stack)

    def _says_less(self, address: str) -> bool:
        """Say whether the page of a package or spec stands for a narrower one: a link from it would lead to itself."""
        given = dict(parse_qsl(urlsplit(address).query))
        scope = self.scope.parameters
        asked = {key: value for key, value in given.items() if key in {"ref", "stack"}}
        return address.startswith(("/package/", "/spec/")) and bool(asked) and asked != scope

    def link(self, address: str, *, at: str) -> str | None:
        """Return the relative link from a file to what stands for an address of the server."""
        plain, hash_, fragment = address.partition("#")
        file = self.file_of(plain)
        if file is None or (file == at and self._says_less(plain)):
            return None
        if "sort=" in plain and at.startswith("packages"):
            return None  # the heading of a column
        version = f"?{plain.partition('?')[2]}" if file.startswith("static/") else ""
        return f"{root_of(at)}{quote(file, safe='/,+')}{version}{hash_}{fragment}"
