"""Every address of the site is built here; pages and templates never put one together themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from cachescope.model.identity import MirrorName, Ref, Stack

__all__ = [
    "API",
    "EVERYWHERE",
    "Scope",
    "api",
    "api_page",
    "at",
    "badge",
    "cache",
    "caches",
    "compare",
    "comparing",
    "coverage",
    "difference",
    "feed",
    "figures",
    "health",
    "home",
    "lookup",
    "mirror_scope",
    "openapi",
    "package",
    "packages",
    "recipe",
    "robots",
    "search",
    "sitemap",
    "spec",
    "static",
    "suggestions",
    "table",
    "virtual",
    "virtual_list",
    "why",
]

API = "/api/v1"
"""What stands before a page's path to get the same page as JSON."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a reader has narrowed the site to: a ref, or one mirror of it; stays when moving between pages."""

    ref: Ref | None = None
    stack: Stack | None = None

    @property
    def words(self) -> str:
        """The scope for people: ``develop``, ``develop/e4s``, ``all refs``."""
        if self.ref is None:
            return f"stack {self.stack} of all refs" if self.stack else "all refs"
        return f"{self.ref}/{self.stack}" if self.stack else str(self.ref)

    @property
    def parameters(self) -> dict[str, str]:
        """The scope as query parameters; nothing for what is not narrowed."""
        named = {"ref": self.ref, "stack": self.stack}
        return {key: value for key, value in named.items() if value is not None}

    def only_ref(self) -> "Scope":
        """Widen to the whole ref."""
        return Scope(self.ref)


EVERYWHERE = Scope()


def mirror_scope(name: MirrorName) -> Scope:
    """Return the scope of one mirror."""
    return Scope(name.ref, name.stack)


def home(scope: Scope = EVERYWHERE) -> str:
    """Return the address of the first page."""
    return _with("/", scope.parameters)


def packages(
    scope: Scope = EVERYWHERE,
    *,
    prefix: str = "",
    page: int = 1,
    sort: str = "name",
    limit: int | None = None,
    cursor: str = "",
) -> str:
    """Return the address of the list of packages, or of a part of it: by its number, or behind a cursor."""
    more = {
        "prefix": prefix,
        "sort": "" if sort == "name" else sort,
        "page": _page(page),
        "limit": _limit(limit),
        "cursor": cursor,
    }
    return _with("/packages", {**scope.parameters, **more})


def package(
    name: str, scope: Scope = EVERYWHERE, *, page: int = 1, all_versions: bool = False, query: str = ""
) -> str:
    """Return the address of one package, narrowed by a query."""
    more = {"q": query, "versions": "all" if all_versions else "", "page": _page(page)}
    return _with(f"/package/{quote(name, safe='')}", {**scope.parameters, **more})


def badge(name: str, scope: Scope = EVERYWHERE) -> str:
    """Return the address of a package's badge, a picture."""
    return _with(f"/badge/{quote(name, safe='')}.svg", scope.parameters)


def table(name: str, scope: Scope = EVERYWHERE, *, query: str = "") -> str:
    """Return the address of a package's binaries as CSV."""
    return _with(f"/table/{quote(name, safe='')}.csv", {**scope.parameters, "q": query})


def recipe(name: str) -> str:
    """Return where Spack's own site describes the package; outside of this one."""
    return f"https://packages.spack.io/package.html?name={quote(name, safe='')}"


def compare(first: str, second: str, scope: Scope = EVERYWHERE) -> str:
    """Return the address of two specs side by side."""
    return _with(f"/compare/{quote(first, safe='')}/{quote(second, safe='')}", scope.parameters)


def comparing() -> str:
    """Return the address that takes two hashes as parameters and leads to their comparison."""
    return "/compare"


def difference(first: str = "", second: str = "", *, page: int = 1) -> str:
    """Return the address of what came and went between two parts of the catalogue, as ``diff`` takes them."""
    return _with("/diff", {"first": first, "second": second, "page": _page(page)})


def at(name: MirrorName, moment: datetime) -> str:
    """Return how a mirror at a point in time is typed, to the microsecond: a snapshot has such a time."""
    return f"{name}@{{{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}}}"


def cache(name: MirrorName) -> str:
    """Return the address of one mirror."""
    return f"/cache/{quote(name.ref, safe='')}/{quote(name.stack, safe='')}"


def figures() -> str:
    """Return the address of what each figure means."""
    return "/about/figures"


def suggestions(query: str = "", scope: Scope = EVERYWHERE) -> str:
    """Return the address of names that begin like what is typed."""
    return _with("/suggest", {"q": query, **scope.parameters})


def spec(prefix: str, scope: Scope = EVERYWHERE) -> str:
    """Return the address of one spec, by its hash or the beginning of it."""
    return _with(f"/spec/{quote(prefix.removeprefix('/'), safe='')}", scope.parameters)


def caches(scope: Scope = EVERYWHERE, *, page: int = 1) -> str:
    """Return the address of the list of mirrors and their sources."""
    return _with("/caches", {**scope.parameters, "page": _page(page)})


def search(query: str = "", scope: Scope = EVERYWHERE, *, limit: int | None = None, cursor: str = "") -> str:
    """Return the address of a search, or of what follows a cursor; ``limit`` None is the default of the page."""
    more = {"q": query, **scope.parameters, "limit": _limit(limit), "cursor": cursor}
    return _with("/search", more)


def coverage() -> str:
    """Return the address at which lock files are handed in."""
    return "/coverage"


def why() -> str:
    """Return the address, below the API alone, at which causes are asked for."""
    return "/why"


def lookup() -> str:
    """Return the address, below the API alone, at which many hashes are asked for."""
    return "/lookup"


def virtual(name: str) -> str:
    """Return the address of a virtual mirror, which ends in ``/``; what Spack reads is below it."""
    return f"/mirror/{quote(name, safe='/')}/"


def virtual_list() -> str:
    """Return the address, below the API alone, of the list of virtual mirrors."""
    return "/mirrors"


def api_page() -> str:
    """Return the address of the description of the API, for people."""
    return "/api"


def openapi() -> str:
    """Return the address, below the API alone, of its description for programs."""
    return "/openapi.json"


def health() -> str:
    """Return the address at which one asks whether the server answers."""
    return "/healthz"


def feed(scope: Scope = EVERYWHERE, *, package: str = "") -> str:
    """Return the address of the feed of what is new in a scope, or of one package there."""
    path = f"/feeds/package/{quote(package, safe='')}.atom" if package else "/feeds/new.atom"
    return _with(path, scope.parameters)


def robots() -> str:
    """Return the address at which programs that read the site are told what to leave alone."""
    return "/robots.txt"


def sitemap(part: str = "") -> str:
    """Return the address of the list of all addresses, or of a part of it."""
    return f"/sitemaps/{part}.xml" if part else "/sitemap.xml"


def static(name: str, digest: str) -> str:
    """Return the address of a static file; with the digest of its content it may be kept for ever."""
    return _with(f"/static/{quote(name)}", {"v": digest})


def api(page: str) -> str:
    """Return the address of the JSON of a page, from the address of the page."""
    return API + page


def _page(number: int) -> str:
    return "" if number == 1 else str(number)


def _limit(number: int | None) -> str:
    return "" if number is None else str(number)


def _with(path: str, parameters: Mapping[str, str]) -> str:
    stated = {key: value for key, value in parameters.items() if value}
    return f"{path}?{urlencode(stated)}" if stated else path
