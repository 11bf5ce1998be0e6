"""A reader of a small catalogue in memory, for what presents results; it answers by the contract of the protocol.

Its content is made by hand: one package with look-alikes that dependencies separate, one that only a published page
names, one that is only mentioned, a mirror that fails and one that was never read. ``FakeCatalogue()`` without content
is the empty catalogue.
"""

import base64
import fnmatch
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cachescope.model.comparison import Comparison
from cachescope.model.contents import (
    ChangedSpec,
    ChangeKind,
    ContentsPage,
    PackageTotals,
    Part,
    SideTotal,
)
from cachescope.model.errors import AmbiguousHash, NotInCatalogue, QuerySyntaxError
from cachescope.model.facets import BuiltCell, HistoryPoint
from cachescope.model.hosts import Host
from cachescope.model.identity import (
    DagHash,
    MirrorName,
    PackageName,
    Ref,
    SourceName,
    Stack,
    ViewName,
    parse_hash_prefix,
    parse_mirror_name,
)
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.mirrors import CompilerUse, MirrorReport, SnapshotChange, Tally
from cachescope.model.news import NewMirror, News, NewVersion
from cachescope.model.record import Presence, Verdict, Verification
from cachescope.model.results import (
    Counts,
    Dependency,
    DependencyDifference,
    Dependent,
    LookAlikes,
    NoMatch,
    PackageList,
    PackagePosition,
    PackageReport,
    PackageSummary,
    Place,
    RefStacks,
    SearchResult,
    SpecReport,
    SpecSummary,
)
from cachescope.model.sources import Attempt, AttemptOutcome, SourceStatus
from cachescope.model.spec import Architecture, Compiler, Deptype, EdgeKind, Variant, VariantSet

NOW = datetime(2026, 11, 21, 0, 56, tzinfo=UTC)
SYNCED = NOW - timedelta(minutes=44)
E4S, ML = parse_mirror_name("develop/e4s"), parse_mirror_name("develop/ml")
ROOT, SITE = parse_mirror_name("develop/root"), parse_mirror_name("site")
LINUX = Architecture("linux", "ubuntu24.04", "x86_64_v3")
ARM = Architecture("linux", "ubuntu24.04", "aarch64")
MAC = Architecture("darwin", "sequoia", "aarch64")
GCC = Compiler("gcc", "13.2.0")
BUILD_RUN = EdgeKind(Deptype.BUILD | Deptype.RUN, ())
LINK = EdgeKind(Deptype.LINK, ())
BUILD = EdgeKind(Deptype.BUILD, ())


def hash_of(text: str) -> DagHash:
    """Return a hash that stands for this text, always the same."""
    return DagHash(
        base64.b32encode(hashlib.sha1(text.encode(), usedforsecurity=False).digest()).decode().lower()
    )


def variants(*flags: tuple[str, tuple[str, ...]], **values: bool | str | tuple[str, ...]) -> VariantSet:
    """Return a variant set of these values."""
    return VariantSet(repr((flags, values)).encode(), tuple(Variant(*pair) for pair in values.items()), flags)


def spec(
    name: str,
    version: str = "1.0",
    *,
    label: str = "",
    mirrors: Sequence[MirrorName] = (E4S,),
    presence: Presence = Presence.PRESENT,
    architecture: Architecture = LINUX,
    compiler: Compiler | None = GCC,
    variant_set: VariantSet | None = None,
) -> SpecSummary:
    """Return a spec; ``label`` makes the hashes of look-alikes differ."""
    return SpecSummary(
        hash=hash_of(f"{name}{version}{label}"),
        name=PackageName(name),
        version=version,
        compiler=compiler,
        architecture=architecture,
        variants=variant_set or variants(build_system="generic"),
        spec_format=5,
        presence=presence,
        mirrors=tuple(sorted(mirrors)),
    )


def report(
    one: SpecSummary, *, dependencies: Sequence[Dependency] = (), dependents: Sequence[Dependent] = ()
) -> SpecReport:
    """Return what is known of a spec that an index lists."""
    return SpecReport(
        spec=one,
        namespace="builtin",
        package_hash="kmnd2vlz6uasu5b3xqk5n2jqkjhjw5qazq4ojhmh3hyl6gfk3c4a====",
        external=False,
        build_spec=None,
        verification=Verification(Verdict.VERIFIED, "recomputed from the record"),
        verification_note="",
        dependencies_known=True,
        places=tuple(
            Place(
                source=SourceName(name),
                layout=Layout.V3,
                url=MirrorUrl(f"https://cache.example/{name}"),
                presence=one.presence,
                since=SYNCED - timedelta(days=10),
                until=None,
            )
            for name in one.mirrors
        ),
        dependencies=tuple(dependencies),
        dependents=tuple(dependents),
        dependents_total=len(dependents),
        commands=(
            "spack mirror add e4s https://cache.example/develop/e4s",
            "spack buildcache keys -it",
            f"spack install --cache-only /{one.hash}",
        )
        if one.mirrors
        else (),
        record=json.dumps({"name": one.name, "version": one.version, "hash": one.hash}, indent=2),
    )


def source(name: MirrorName, *, present: int = 0, mentioned: int = 0) -> SourceStatus:
    """Return a source that was read without trouble."""
    return SourceStatus(
        name=name,
        url=MirrorUrl(f"https://cache.example/{name}"),
        layout=Layout.V3,
        view=None,
        index_version=8,
        counts=Counts(present, mentioned),
        snapshot_at=SYNCED,
        last_attempt=Attempt(SYNCED, AttemptOutcome.UPDATED),
    )


@dataclass(frozen=True)
class FakeCatalogue:
    """Answers from what it was made with."""

    all_sources: tuple[SourceStatus, ...] = ()
    all_refs: tuple[RefStacks, ...] = ()
    reports: tuple[SpecReport, ...] = ()
    groups: tuple[LookAlikes, ...] = ()
    only_packages: tuple[PackageSummary, ...] = ()
    """Packages of the list beside those of ``groups``."""

    def sources(self) -> Sequence[SourceStatus]:
        return self.all_sources

    def refs(self) -> Sequence[RefStacks]:
        return self.all_refs

    def packages(
        self,
        *,
        ref: Ref | None,
        stack: Stack | None,
        prefix: str = "",
        limit: int = 0,
        offset: int = 0,
        sort: str = "name",
        after: PackagePosition | None = None,
    ) -> PackageList:
        del sort
        self._check(ref, stack)
        names = {one.spec.name for one in self.reports if one.spec.presence > Presence.MENTIONED}
        found = [
            _summary(name, [one.spec for one in self.reports if one.spec.name == name]) for name in names
        ]
        chosen = [one for one in [*found, *self.only_packages] if one.name.startswith(prefix)]
        chosen.sort(key=lambda one: one.name)
        total = len(chosen)
        chosen = [one for one in chosen if after is None or one.name > after.name]
        return PackageList(
            ref=ref,
            stack=stack,
            prefix=prefix,
            total=total,
            packages=tuple(chosen[offset : offset + limit if limit else None]),
            offset=offset,
        )

    def search(
        self,
        query: str,
        *,
        ref: Ref | None,
        stack: Stack | None,
        limit: int,
        mentioned: bool = False,
        sort: str = "name",
        host: Host | None = None,
        only_runnable: bool = False,
        after: DagHash | None = None,
    ) -> SearchResult:
        del sort, host, only_runnable
        self._check(ref, stack)
        place = query.find("@@")
        if place >= 0:
            raise QuerySyntaxError("'@' cannot follow '@'", query=query, start=place + 1, end=place + 2)
        least = Presence.MENTIONED if mentioned else Presence.UNSTATED
        found = [
            one.spec
            for one in self.reports
            if one.spec.presence >= least
            and (
                one.spec.hash.startswith(query[1:])
                if query.startswith("/")
                else fnmatch.fnmatchcase(one.spec.name, query)
            )
        ]
        near = sorted({one.spec.name for one in self.reports if one.spec.name[:2] == query[:2]})
        total = len(found)
        if after is not None:
            found = found[[one.hash for one in found].index(after) + 1 :]
        return SearchResult(
            query=query,
            total=total,
            specs=tuple(found[:limit] if limit else found),
            no_match=None if total else NoMatch(suggestions=tuple(near)),
        )

    def compare(self, first: str, second: str) -> Comparison:
        one, other = self.spec(first).spec, self.spec(second).spec
        return Comparison(first=one, second=other, own=(), dependencies=(), causes=(), consequences=())

    def package(
        self,
        name: PackageName,
        *,
        ref: Ref | None,
        stack: Stack | None,
        query: str = "",
        page: int | None = None,
    ) -> PackageReport:
        """Narrows by nothing: what a query does to a package is told by the tests of the catalogue."""
        self._check(ref, stack)
        if page is not None and page > 1:
            raise NotInCatalogue(f"there is no page {page} of this list", hint="the last page is 1")
        specs = [one.spec for one in self.reports if one.spec.name == name]
        if not specs:
            raise NotInCatalogue(f"no package {name} is in the catalogue", hint="near: py-demo, zlib")
        groups = tuple(one for one in self.groups if one.specs[0].name == name)
        listed = [one for group in groups for one in group.specs]
        mirrors = sorted({mirror for one in listed for mirror in one.mirrors})
        return PackageReport(
            name=name,
            ref=ref,
            stack=stack,
            counts=_count(specs),
            versions=tuple(dict.fromkeys(one.version for one in listed)),
            compilers=_tally([one.compiler_name for one in listed]),
            systems=_tally([one.architecture.os for one in listed]),
            targets=_tally([one.architecture.target for one in listed]),
            stacks=tuple((mirror, sum(mirror in one.mirrors for one in listed), 0) for mirror in mirrors),
            groups=groups,
            shown=len(listed),
            query="" if query == name else query,
            matching=len(listed),
            cells=_cells(groups),
            groups_total=len(groups),
            # Of what was never more than mentioned there is none, and no feed either.
            history=(HistoryPoint(at=SYNCED, came=len(listed), gone=0, present=len(listed)),)
            if any(one.presence is Presence.PRESENT for one in listed)
            else (),
        )

    def spec(self, prefix: str) -> SpecReport:
        beginning = parse_hash_prefix(prefix)
        found = [one for one in self.reports if one.spec.hash.startswith(beginning)]
        if not found:
            raise NotInCatalogue(f"no spec /{beginning} is in the catalogue", hint="search by name")
        if len(found) > 1:
            raise AmbiguousHash(beginning, tuple(sorted(one.spec.hash for one in found)))
        return found[0]

    def mirror(self, name: MirrorName) -> MirrorReport:
        sources = tuple(one for one in self.all_sources if one.name == name)
        if not sources:
            raise NotInCatalogue(
                f"the mirror {name} is not in the catalogue", hint="see the list of all caches"
            )
        present = [one.spec for one in self.reports if name in one.spec.mirrors]
        return MirrorReport(
            name=name,
            sources=sources,
            counts=sources[0].counts,
            packages=len({one.name for one in present}),
            biggest=tuple(
                _summary(each, [one for one in present if one.name == each])
                for each in sorted({one.name for one in present})
            ),
            compilers=tuple(
                CompilerUse(text, 1, specs) for text, specs in _tally([one.compiler_name for one in present])
            ),
            systems=tuple(Tally(*one) for one in _tally([one.architecture.os for one in present])),
            targets=tuple(Tally(*one) for one in _tally([one.architecture.target for one in present])),
            changes=tuple(self.changes(ref=name.ref)),
        )

    def difference(self, first: Part, second: Part, *, page: int) -> ContentsPage:
        if page > 1:
            raise NotInCatalogue(f"there is no page {page}", hint="the last one is 1")
        totals = PackageTotals(
            name=DEMO[0].name, kind=ChangeKind.VERSIONS, versions_before=("1.0",), versions_after=("1.0", "2.4.3"),
            came=7, went=1, stay=1, first_came=(ChangedSpec(DEMO[0].hash, "2.4.3"),), first_went=(ChangedSpec(ZLIB.hash, "1.0"),),
        )  # fmt: skip
        same = first == second
        return ContentsPage(
            first=SideTotal(name=first.text, moment=first.moment, specs=2, packages=1),
            second=SideTotal(name=second.text, moment=second.moment, specs=2 if same else 8, packages=1),
            stay=2 if same else 1,
            kinds={kind: int(kind is ChangeKind.VERSIONS and not same) for kind in ChangeKind},
            packages=() if same else (totals,),
            page=1,
            pages=1,
        )

    def changes(self, *, ref: Ref) -> Sequence[SnapshotChange]:
        return [
            SnapshotChange(
                id=number, source=SourceName(E4S), layout=Layout.V3, at=SYNCED - timedelta(days=number),
                came=3, gone=number, present=1204 - number, first=number == 2, named=(ZLIB.name,) if number == 1 else (),
            )
            for number in (1, 2)
            if ref == E4S.ref and self.all_sources
        ]  # fmt: skip

    def suggest(
        self, text: str, *, ref: Ref | None, stack: Stack | None, limit: int
    ) -> Sequence[PackageName]:
        self._check(ref, stack)
        return sorted({one.spec.name for one in self.reports if text and text in one.spec.name})[:limit]

    def news(
        self, *, ref: Ref | None, stack: Stack | None, package: PackageName | None = None, limit: int
    ) -> News:
        self._check(ref, stack)
        specs = [one.spec for one in self.reports if one.spec.presence is Presence.PRESENT]
        versions = {
            (one.name, one.version): [
                each for each in specs if (each.name, each.version) == (one.name, one.version)
            ]
            for one in specs
            if package in (None, one.name)
        }
        if package is not None and not versions:
            raise NotInCatalogue(f"there is no {package} there")
        entries: list[NewVersion | NewMirror] = [
            NewVersion(
                at=SYNCED - timedelta(minutes=number),
                package=name,
                version=version,
                binaries=len(found),
                is_new_package=number % 2 == 0,
            )
            for number, ((name, version), found) in enumerate(versions.items())
        ]
        mirrors = (
            [NewMirror(at=SYNCED - timedelta(days=20), name=E4S, binaries=1204)] if self.all_sources else []
        )
        return News(
            entries=(*entries, *([] if package else mirrors))[:limit],
            read_at=SYNCED if self.all_sources else None,
        )

    def hashes(self, prefix: str) -> Sequence[DagHash]:
        return sorted(
            one.spec.hash
            for one in self.reports
            if one.spec.presence is Presence.PRESENT and one.spec.hash.startswith(prefix)
        )

    def mirror_names(self) -> Sequence[MirrorName]:
        return sorted({one.name for one in self.all_sources})

    def _check(self, ref: Ref | None, stack: Stack | None) -> None:
        known = [one for one in self.all_refs if ref in (None, one.ref)]
        if ref is not None and not known:
            raise NotInCatalogue(f"no ref {ref} is in the catalogue", hint="known: develop, site")
        if stack is not None and not any(stack in one.stacks for one in known):
            raise NotInCatalogue(f"no stack {stack} is in {ref or 'any ref'}", hint="known: e4s, ml, root")


def _cells(groups: Sequence[LookAlikes]) -> tuple[BuiltCell, ...]:
    return tuple(
        BuiltCell(
            version=group.specs[0].version,
            os=group.specs[0].architecture.os,
            target=group.specs[0].architecture.target,
            specs=len(group.specs),
            compilers=(group.specs[0].compiler_name,),
        )
        for group in groups
    )


def _tally(names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    return tuple((name, names.count(name)) for name in dict.fromkeys(names))


def _count(specs: Sequence[SpecSummary]) -> Counts:
    seen = [one.presence for one in specs]
    return Counts(seen.count(Presence.PRESENT), seen.count(Presence.MENTIONED), seen.count(Presence.UNSTATED))


def _summary(name: PackageName, specs: Sequence[SpecSummary]) -> PackageSummary:
    return PackageSummary(
        name=name,
        counts=_count(specs),
        versions=len({one.version for one in specs}),
        compilers=len({one.compiler_name for one in specs}),
        systems=len({one.architecture.os for one in specs}),
        targets=len({one.architecture.target for one in specs}),
        newest_version=max(one.version for one in specs),
    )


# -- content --------------------------------------------------------------------------------------------------------

ZLIB = spec("zlib", "1.3.1", variant_set=variants(optimize=True, pic=True, shared=True))
PYTHON_11, PYTHON_12 = spec("python", "3.11.9"), spec("python", "3.12.5")
GMAKE = spec("gmake", "4.4.1", mirrors=(), presence=Presence.MENTIONED)
PKGCONF = spec("pkgconf", "2.2.0", mirrors=())
DEMO = tuple(spec("py-demo", "2.4.3", label=str(number), mirrors=(E4S, ROOT)) for number in range(3))
DEMO_ARM = spec("py-demo", "2.4.3", label="arm", architecture=ARM, mirrors=(ML, ROOT))
DEMO_OLD = tuple(
    spec("py-demo", "2.3.0", label=f"mac{number}", architecture=MAC, mirrors=(ROOT,)) for number in range(2)
)
PAGED = tuple(
    replace(
        spec("py-paged", "1.1", label=str(number), mirrors=(ROOT,), compiler=Compiler("gcc", "11.4.0")),
        presence=Presence.PRESENT if number else Presence.UNSTATED,
        mirrors=(ROOT,) if number else (),
        page_variants=("build_system=python_pip",),
    )
    for number in range(2)
)
SPLICED = spec("spliced", "1.0", variant_set=variants(("cflags", ("-O2", "-g")), shared=False))

DEMO_DEPENDENCIES = (
    Dependency(spec=GMAKE, kind=BUILD, depth=1, repeated=False, needed_at_run=False),
    Dependency(spec=PYTHON_11, kind=BUILD_RUN, depth=1, repeated=False, needed_at_run=True),
    Dependency(spec=PKGCONF, kind=BUILD, depth=2, repeated=False, needed_at_run=False),
    Dependency(spec=ZLIB, kind=LINK, depth=2, repeated=False, needed_at_run=True),
    Dependency(
        spec=ZLIB, kind=EdgeKind(Deptype.LINK, ("zlib-api",)), depth=1, repeated=True, needed_at_run=True
    ),
)
DEMO_GROUPS = (
    LookAlikes(
        specs=DEMO,
        dependencies_known=True,
        differences=(
            DependencyDifference(path=("python",), field="version", values=("3.11.9", "3.12.5", "3.12.5")),
            DependencyDifference(
                path=("python", "zlib"), field="compiler", values=("gcc@13.2.0", "-", "clang@18")
            ),
        ),
    ),
    LookAlikes(specs=(DEMO_ARM,), dependencies_known=True),
    LookAlikes(specs=DEMO_OLD, dependencies_known=True),
)
FAILED_REASON = "timed out after 10 s"


def filled_catalogue() -> FakeCatalogue:
    """Return the catalogue with all that is named above."""
    demo = [
        report(one, dependencies=DEMO_DEPENDENCIES if one is DEMO[0] else ())
        for one in (*DEMO, DEMO_ARM, *DEMO_OLD)
    ]
    mentioned = replace(
        report(GMAKE), verification=None, verification_note="there is no record to recompute", record=""
    )
    paged = [
        replace(
            report(one), verification=None, verification_note="known from a published page", record="",
            dependencies_known=False, namespace="", package_hash="",
        )
        for one in PAGED
    ]  # fmt: skip
    spliced = replace(
        report(SPLICED),
        verification=Verification(Verdict.MISMATCH, "spliced, and its build spec is not in the record"),
        build_spec=ZLIB.hash,
    )
    needed = report(ZLIB, dependents=[Dependent(spec=one, kind=LINK) for one in (*DEMO, PYTHON_11)])
    others = [report(one) for one in (PYTHON_11, PYTHON_12, PKGCONF)]
    return FakeCatalogue(
        all_sources=_sources(),
        all_refs=(
            RefStacks(
                ref=Ref("develop"),
                stacks=(Stack("e4s"), Stack("ml"), Stack("root")),
                counts=Counts(1204, 310, 2),
                packages=6,
            ),
            RefStacks(ref=Ref("site"), stacks=(Stack("root"),), counts=Counts(), packages=0),
        ),
        reports=(*demo, mentioned, *paged, spliced, needed, *others),
        groups=(
            *DEMO_GROUPS,
            LookAlikes(specs=PAGED, dependencies_known=False),
            LookAlikes(specs=(ZLIB,), dependencies_known=True),
            LookAlikes(specs=(SPLICED,), dependencies_known=True),
        ),
    )


def _sources() -> tuple[SourceStatus, ...]:
    stale = NOW - timedelta(days=3)
    return (
        source(E4S, present=1204, mentioned=310),
        replace(
            source(E4S, present=12),
            view=ViewName("science"),
            warnings=("bytes after the document were ignored",),
        ),
        replace(
            source(ML, present=80),
            snapshot_at=stale,
            last_attempt=Attempt(NOW - timedelta(minutes=5), AttemptOutcome.FAILED, FAILED_REASON),
            rejected=2,
        ),
        replace(
            source(ROOT),
            url=None,
            layout=Layout.PAGES,
            index_version=None,
            counts=Counts(77, 0, 2),
            last_attempt=Attempt(SYNCED, AttemptOutcome.UNCHANGED),
        ),
        replace(
            source(SITE),
            layout=None,
            index_version=None,
            snapshot_at=None,
            last_attempt=Attempt(None, AttemptOutcome.NEVER),
        ),
    )
