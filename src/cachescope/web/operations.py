"""What each address of the API is called, takes and answers: the words of the OpenAPI document.

Addresses and methods themselves come from the application's own routes; an address without an operation here, or an
operation without an address, fails a test. Answers name the type that mypy holds the writer of the JSON to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from cachescope.model.identity import PATTERNS
from cachescope.model.results import PACKAGE_SORTS
from cachescope.present import lock_shapes, shapes, urls, virtual_shapes
from cachescope.present.pages import DEFAULT_LIMIT, LARGEST_PART, PACKAGES_PER_PAGE
from cachescope.web.parameters import HIGHEST_PAGE, LONGEST_NAME, LONGEST_QUERY

__all__ = ["OPERATIONS", "PARAMETERS", "PATH_PARAMETERS", "Health", "Operation", "Parameter"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """What stands in an address."""

    kind: Any
    """Its type, with bounds."""

    text: str
    example: str = ""
    many: bool = False
    """Whether it may be given more than once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One address with one method."""

    name: str
    """Stable; what generated clients call their function."""

    group: str
    summary: str
    text: str = ""
    path: tuple[str, ...] = ()
    """Names of the parts of the path that vary, in their order."""

    query: tuple[str, ...] = ()
    answer: Any = None
    """Type of the JSON, or several in a tuple; None where it is no JSON of ours."""

    media: tuple[str, ...] = ("application/json",)
    statuses: tuple[int, ...] = (400,)
    """With which it may refuse, beside those of any address."""

    also: tuple[int, ...] = ()
    """Other statuses with which the answer itself may come."""

    moved: bool = False
    """Whether it may answer with another address (302)."""

    body: str = ""
    """What is to be posted; empty for nothing."""

    suffix: str = ""
    """What stands behind the last of them."""

    kept: bool = True
    """Whether a copy may be kept, and asked for by its entity tag."""


class Health(TypedDict):
    """Whether the server answers, and how old what it answers with is."""

    status: Literal["ok", "stale", "unreachable"]
    problem: str
    sources: shapes.Number
    read_at: shapes.Time | None
    age_seconds: int | None


def _text(pattern: str = "", longest: int = LONGEST_NAME) -> Any:
    """An empty value is as good as none."""
    if pattern:
        return Annotated[str, Meta(pattern=f"^({pattern})?$", max_length=longest)]
    return Annotated[str, Meta(max_length=longest)]


_HOST_PART = r"[^,=\x00]*"

PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "ref": Parameter(_text(PATTERNS["label"]), "Narrow to a ref (release label).", "crafted"),
        "stack": Parameter(_text(PATTERNS["label"]), "Narrow to a stack.", "v3-signed"),
        "q": Parameter(
            Annotated[str, Meta(max_length=LONGEST_QUERY)],
            "Query in Spack's language, a name with * and ?, or /hash.",
            "cr-zlib +shared",
        ),
        "prefix": Parameter(_text(), "Names that begin so.", "cr-"),
        "sort": Parameter(
            Literal[*PACKAGE_SORTS, *(f"-{one}" for one in PACKAGE_SORTS)],
            "Column of the order; with - before it the largest first.",
            "-present",
        ),
        "page": Parameter(
            Annotated[int, Meta(ge=1, le=HIGHEST_PAGE)], "Part of the list, by its number; not with cursor."
        ),
        "limit": Parameter(
            Annotated[int, Meta(ge=1, le=LARGEST_PART)],
            f"Most items of one answer; {PACKAGES_PER_PAGE} packages or {DEFAULT_LIMIT} specs unless given.",
            "20",
        ),
        "cursor": Parameter(
            str, "Where the list goes on: out of next of the answer before, with the same parameters."
        ),
        "os": Parameter(
            _text(_HOST_PART), "Operating system of a host, to be told what runs there.", "ubuntu22.04"
        ),
        "target": Parameter(_text(_HOST_PART), "Microarchitecture of the host.", "zen3"),
        "platform": Parameter(_text(_HOST_PART), "Platform of the host: linux, darwin, freebsd, windows."),
        "glibc": Parameter(_text(_HOST_PART), "Version of the host's glibc.", "2.35"),
        "musl": Parameter(_text(_HOST_PART), "Version of the host's musl."),
        "first": Parameter(
            _text(), "Hash of a spec, or its beginning; for diff a cache, ref:REF, or either at a time."
        ),
        "second": Parameter(_text(), "Another such one."),
        "against": Parameter(
            str,
            "Mirrors (ref/stack), refs (ref:develop) to judge by; all unless given.",
            "crafted/v3-signed",
            many=True,
        ),
        "deptypes": Parameter(Literal["run", "build", "all"], "Which specs count.", "all"),
        "for": Parameter(
            str, "Host that binaries must run on, in parts.", "os=ubuntu22.04,target=zen3,glibc=2.35"
        ),
        "fail-under": Parameter(
            Annotated[float, Meta(ge=0, le=100)], "Per cent below which X-Cachescope-Exit is 1.", "95"
        ),
        "installable": Parameter(Literal["0", "1"], "Judge by whether the run closure is whole.", "1"),
        "markdown": Parameter(Literal["0", "1"], "Write text as Markdown."),
        "spec": Parameter(str, "Explain only what matches this query.", "cr-hdf"),
        "if": Parameter(str, "Estimate coverage under this constraint.", "target=x86_64_v3"),
        "name": Parameter(str, "What answers call the document.", "spack.lock"),
    }
)
"""Parameters behind the question mark; an address takes those that its operation names, and ignores others."""

PATH_PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "package": Parameter(
            Annotated[str, Meta(pattern=f"^{PATTERNS['package']}$")], "Name of a package.", "cr-zlib"
        ),
        "hash": Parameter(
            Annotated[str, Meta(pattern=f"^{PATTERNS['hash']}$")],
            "DAG hash, or its beginning.",
            "vwxwg7qkuckhya3cnuqqgqyac65wpemu",
        ),
        "other_hash": Parameter(
            Annotated[str, Meta(pattern=f"^{PATTERNS['hash']}$")],
            "DAG hash of another spec.",
            "twqesijiyme5pr47r3mprtcgqdjvvegj",
        ),
        "ref": Parameter(
            Annotated[str, Meta(pattern=f"^{PATTERNS['label']}$")], "Ref of a mirror.", "crafted"
        ),
        "stack": Parameter(
            Annotated[str, Meta(pattern=f"^{PATTERNS['label']}$")], "Stack of a mirror.", "v3-signed"
        ),
        "virtual": Parameter(
            Annotated[str, Meta(pattern=f"^({PATTERNS['label']})(/({PATTERNS['label']}))?$")],
            "Name of a virtual mirror, or REF/STACK for what a mirror itself is served as.",
            "lab",
        ),
    }
)

_SCOPE = ("ref", "stack")
_HOST = ("os", "target", "platform", "glibc", "musl")
_UPLOAD = (400, 413, 503)
_DOCUMENT = "A spack.lock, spec documents or a list of hashes, as the body, or as the field lock of a form. At most max_upload_bytes."
_POSTED = ("application/json", "text/plain")

_LIST = (
    Operation(
        name="home",
        group="Mirrors",
        summary="Refs and caches",
        text="What there is: refs with their stacks, and all sources with their freshness.",
        answer=shapes.Home,
        query=_SCOPE,
    ),
    Operation(
        name="packages",
        group="Packages",
        summary="Packages of a scope",
        text="A package stands here that has at least one record. An unknown ref or stack is refused, not empty.",
        query=(*_SCOPE, "prefix", "sort", "limit", "cursor", "page"),
        answer=shapes.Packages,
        statuses=(400, 404),
    ),
    Operation(
        name="package",
        group="Packages",
        summary="One package",
        text="Counts, facets with what each choice would leave, history, and look-alikes with what separates them, "
        "narrowed by a query.",
        path=("package",),
        query=(*_SCOPE, "q", "page"),
        answer=shapes.Package,
        statuses=(400, 404),
    ),
    Operation(
        name="spec",
        group="Specs",
        summary="Everything known of one spec",
        text="By its DAG hash; a beginning that is unique leads to the whole hash.",
        path=("hash",),
        query=(*_SCOPE, *_HOST),
        answer=shapes.SpecReport,
        statuses=(400, 404),
        moved=True,
    ),
    Operation(
        name="search",
        group="Specs",
        summary="Specs that match a query",
        text="Present specs by name, newest version first. Where nothing matches, no_match says why and what would. "
        "An empty q, or none, is refused as bad_query.",
        query=("q", *_SCOPE, "limit", "cursor"),
        answer=shapes.Search,
        statuses=(400, 404),
    ),
    Operation(
        name="suggest",
        group="Packages",
        summary="Names as one types",
        query=("q", *_SCOPE),
        answer=shapes.Suggestions,
        statuses=(400, 404),
    ),
    Operation(
        name="compare",
        group="Specs",
        summary="Two specs side by side",
        text="What differs, with the nodes of both DAGs that differ by themselves and those that follow.",
        path=("hash", "other_hash"),
        query=_SCOPE,
        answer=lock_shapes.Comparison,
        statuses=(400, 404),
    ),
    Operation(
        name="comparing",
        group="Specs",
        summary="Leads to a comparison",
        text="Takes two hashes as a form sends them, and leads to the address of their comparison.",
        query=("first", "second", *_SCOPE),
        moved=True,
    ),
    Operation(
        name="diff",
        group="Mirrors",
        summary="What came and went between two parts of the catalogue",
        text="Sides as the command diff takes them: caches, refs, points in time. Two hashes lead to their comparison.",
        query=("first", "second", "page"),
        answer=(lock_shapes.DifferencePart, lock_shapes.DifferenceForm),
        statuses=(400, 404),
        moved=True,
    ),
    Operation(
        name="caches",
        group="Mirrors",
        summary="All sources",
        text="With counts, freshness, and what the last attempt came to.",
        query=(*_SCOPE, "page"),
        answer=list[shapes.Source],
        statuses=(400, 404),
    ),
    Operation(
        name="cache",
        group="Mirrors",
        summary="One mirror",
        text="Its sources, largest packages, compilers by packages, and what each snapshot changed.",
        path=("ref", "stack"),
        answer=shapes.Mirror,
        statuses=(400, 404),
    ),
    Operation(
        name="figures",
        group="Mirrors",
        summary="What each figure means",
        answer=list[shapes.Figure],
    ),
)

OPERATIONS: Mapping[tuple[str, str], Operation] = MappingProxyType(
    {
        **{("GET", one.name): one for one in _LIST},
        ("GET", urls.api(urls.coverage())): Operation(
            name="coverage_form",
            group="Lock files",
            summary="Where lock files are handed in",
            answer=lock_shapes.CoverageForm,
            kept=False,
        ),
        ("POST", urls.api(urls.coverage())): Operation(
            name="coverage",
            group="Lock files",
            summary="How much of a lock file is present",
            text="By cache and together, with the run closure apart. X-Cachescope-Exit is what the command would end with.",
            query=("against", "deptypes", "for", "fail-under", "installable", "markdown", "name"),
            answer=lock_shapes.Coverage,
            media=_POSTED,
            statuses=(*_UPLOAD, 404),
            body=_DOCUMENT,
            kept=False,
        ),
        ("POST", urls.api(urls.why())): Operation(
            name="why",
            group="Lock files",
            summary="Why specs of a lock file are missing",
            text="The causes, those that explain most first, with what follows from each and what to do.",
            query=("against", "spec", "if", "markdown", "name"),
            answer=lock_shapes.Why,
            media=_POSTED,
            statuses=(*_UPLOAD, 404),
            body=_DOCUMENT,
            kept=False,
        ),
        ("POST", urls.api(urls.lookup())): Operation(
            name="lookup",
            group="Lock files",
            summary="Where many specs are",
            text="Batch look-up: one item for each hash, in the order in which they were asked for; at most max_upload_specs.",
            query=("against", "name"),
            answer=lock_shapes.Lookup,
            media=_POSTED,
            statuses=(*_UPLOAD, 404),
            body=_DOCUMENT,
            kept=False,
        ),
        ("GET", urls.api(urls.virtual_list())): Operation(
            name="virtual_mirrors",
            group="Virtual mirrors",
            summary="Virtual mirrors that are defined",
            text="Below /mirror/NAME/ each is served as Spack reads mirrors.",
            answer=list[virtual_shapes.VirtualMirror],
            statuses=(),
            kept=False,
        ),
        ("GET", urls.api("/mirror/{}")): Operation(
            name="virtual_mirror",
            group="Virtual mirrors",
            summary="What is in a virtual mirror",
            text="Its definition, what each source gives, and what is left out for lack of what.",
            path=("virtual",),
            answer=virtual_shapes.VirtualReport,
            statuses=(404,),
            kept=False,
        ),
        ("GET", urls.api(urls.openapi())): Operation(
            name="openapi",
            group="The API itself",
            summary="This document",
            answer=dict[str, Any],
            statuses=(),
        ),
        ("GET", urls.health()): Operation(
            name="health",
            group="The API itself",
            summary="Whether the server answers",
            answer=Health,
            media=("application/json", "text/plain"),
            also=(503,),
            statuses=(),
            kept=False,
        ),
        ("GET", urls.feed()): Operation(
            name="feed",
            group="Feeds",
            summary="New packages and versions of a scope",
            text="Atom, newest first. What a mirror had when it was read for the first time is one entry.",
            query=_SCOPE,
            media=("application/atom+xml",),
            statuses=(400, 404),
        ),
        ("GET", "/feeds/package/{}"): Operation(
            name="package_feed",
            group="Feeds",
            summary="Versions of a package as they come",
            path=("package",),
            suffix=".atom",
            query=_SCOPE,
            media=("application/atom+xml",),
            statuses=(400, 404),
        ),
        ("GET", "/badge/{}"): Operation(
            name="badge",
            group="Packages",
            summary="Badge of a package, for a README",
            path=("package",),
            suffix=".svg",
            query=_SCOPE,
            media=("image/svg+xml",),
            statuses=(400, 404),
        ),
        ("GET", "/table/{}"): Operation(
            name="table",
            group="Packages",
            summary="Present binaries of a package as CSV",
            path=("package",),
            suffix=".csv",
            query=(*_SCOPE, "q"),
            media=("text/csv",),
            statuses=(400, 404),
        ),
    }
)
"""By method, and the name of a page's row or a path."""
