"""Small catalogues and the queries that are asked of them, drawn from a seeded ``random.Random``.

A catalogue holds what real ones hold, closer together: several nodes of one name in one DAG, virtuals with several
providers, dependencies without a record, old specs with an annotated compiler, rows of published pages. Queries are drawn
from the words of the catalogue itself, so that many of them match.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from cachescope.catalogue import registry
from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.snapshots import SnapshotWriter
from cachescope.model.errors import MalformedRecord
from cachescope.model.identity import DagHash, PackageName, parse_source_name
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.record import IndexHeader, Presence
from cachescope.model.spec import (
    Architecture,
    Compiler,
    ConcreteSpec,
    DependencyEdge,
    Deptype,
    EdgeKind,
    Variant,
    VariantSet,
)
from cachescope.model.spec_records import Compress, SpecBatch, batch_of, batches
from tests.strategies import HASH_ALPHABET

NOW = datetime(2026, 11, 21, tzinfo=UTC)
COMMIT = "2ae548b88789b243cdfa8d3d18e8f2576127ee8a"

_PROVIDES: Mapping[str, Sequence[str]] = {
    "gcc": ("c", "cxx", "fortran"),
    "llvm": ("c", "cxx"),
    "openmpi": ("mpi",),
    "mpich": ("mpi",),
    "blis": ("blas", "zlib-api"),
    "zlib": ("zlib-api",),
    "zlib-ng": ("zlib-api", "zlib"),  # 'zlib' is a package in most catalogues, a virtual in some
}
_PLAIN = ("app", "py-app", "hdf5", "cmake", "glibc")
_NAMES = (*_PROVIDES, *_PLAIN)
_VERSIONS = (
    "1.2", "1.2.0", "1.2.3", "1.10", "1.2-rc1", "12.2.0", "13.1.0", "2021a", "develop", "main",
    "git.main=1.2.3", "git.v1=develop", "git.feature/x=1.2", f"{COMMIT}=1.2.3", "git.main",
)  # fmt: skip
_ARCHITECTURES = tuple(
    Architecture(*parts)
    for parts in (
        ("linux", "debian12", "x86_64_v3"),
        ("linux", "debian12", "x86_64"),
        ("linux", "ubuntu24.04", "zen4"),
        ("linux", "ubuntu24.04", "icelake"),
        ("linux", "debian12", "neoverse_v1"),
        ("linux", "debian12", "homemade"),
        ("darwin", "sequoia", "m1"),
    )
)
_BOUNDS = ("x86_64", "x86_64_v2", "x86_64_v3", "x86_64_v4", "haswell", "zen2", "icelake", "aarch64", "nosuch")
_VARIANTS: Mapping[str, Sequence[bool | str | tuple[str, ...]]] = {
    "shared": (True, False),
    "mpi": (True, False, "yes"),
    "build_type": ("Release", "Debug"),
    "libs": (("shared",), ("shared", "static"), (), "shared"),
    "fabrics": (("ucx", "ofi"), ("ucx",), "none"),
    "patches": (("646ab7", "647fff"), ("646ab7",)),
    "odd": ("a b", "it's", 'say "x"', "true", "*", ""),
}
_FLAGS: Mapping[str, Sequence[tuple[str, ...]]] = {
    "cflags": (("-O2",), ("-O2", "-g"), ("-isystem /x", "-g")),
    "ldflags": (("-L/a_b",),),
}
_OLD_COMPILERS = (
    Compiler("gcc", "12.2.0"),
    Compiler("clang", "13.1.0"),
    Compiler("oneapi", "1.10"),
    Compiler("llvm", "1.2"),
)
_DEPTYPES = (
    Deptype.BUILD,
    Deptype.LINK,
    Deptype.RUN,
    Deptype.TEST,
    Deptype.BUILD | Deptype.LINK,
    Deptype.LINK | Deptype.RUN,
    Deptype.BUILD | Deptype.TEST,
)


def concrete(
    name: str,
    version: str = "1.0",
    *,
    dag_hash: str = "",
    namespace: str = "builtin",
    architecture: Architecture = _ARCHITECTURES[0],
    compiler: Compiler | None = None,
    flags: Mapping[str, tuple[str, ...]] | None = None,
    variants: Mapping[str, bool | str | tuple[str, ...]] | None = None,
    spec_format: int = 5,
    external: bool = False,
    edges: Sequence[DependencyEdge] = (),
) -> ConcreteSpec:
    """Make a concrete spec; without ``dag_hash`` its hash is its name, drawn out."""
    values = dict(variants or {})
    text = json.dumps([values, sorted((flags or {}).items())])
    return ConcreteSpec(
        hash=DagHash(dag_hash or (name.replace("-", "").translate(_NO_DIGITS) * 32)[:32]),
        name=PackageName(name),
        version=version,
        namespace=namespace,
        architecture=architecture,
        compiler=compiler,
        variants=VariantSet(
            text.encode(),
            tuple(Variant(key, value) for key, value in sorted(values.items())),
            tuple(sorted((flags or {}).items())),
        ),
        package_hash="",
        external=external,
        build_spec=None,
        spec_format=spec_format,
        edges=tuple(edges),
    )


_NO_DIGITS = str.maketrans("0189", "abcd")


def edge_to(spec: ConcreteSpec, types: Deptype, *virtuals: str) -> DependencyEdge:
    """Make an edge to a spec."""
    return DependencyEdge(spec.name, spec.hash, EdgeKind(types, tuple(sorted(virtuals))))


# -- catalogues ---------------------------------------------------------------------------------------------------------


def random_specs(random: Random) -> list[ConcreteSpec]:
    """Draw the specs of a small catalogue, children before parents; the last of them are rows of pages."""
    names = random.sample(_NAMES, random.randint(4, len(_NAMES)))
    specs: list[ConcreteSpec] = []
    for _ in range(random.randint(6, 40)):
        specs.append(_random_spec(random, random.choice(names), specs))
    pages = [_random_page_row(random, random.choice(names)) for _ in range(random.randint(0, 4))]
    if pages and random.random() < 0.5:  # some record depends on what only a page describes
        last = specs[-1]
        specs[-1] = last._replace(
            edges=(*last.edges, edge_to(pages[0], Deptype.LINK, *_some_virtuals(random, pages[0].name)))
        )
    return [*specs, *pages]


def is_page_row(spec: ConcreteSpec) -> bool:
    """Say whether a drawn spec stands for a row of a published page."""
    return spec.namespace == ""


def _random_spec(random: Random, name: str, below: Sequence[ConcreteSpec]) -> ConcreteSpec:
    old = random.random() < 0.2
    edges = [
        edge_to(child, random.choice(_DEPTYPES), *_some_virtuals(random, child.name))
        for child in random.sample(below, min(len(below), random.choice((0, 1, 2, 2, 3, 5))))
    ]
    if random.random() < 0.1:
        unknown = random.choice((*_NAMES, "never-seen"))
        kind = EdgeKind(random.choice(_DEPTYPES), tuple(sorted(_some_virtuals(random, unknown))))
        edges.append(DependencyEdge(PackageName(unknown), random_hash(random), kind))
    built_with = [edge for edge in edges if not {"c", "cxx", "fortran"}.isdisjoint(edge.kind.virtuals)]
    compiler = Compiler(built_with[0].name, "") if built_with else None
    return concrete(
        name,
        random.choice(_VERSIONS),
        dag_hash=random_hash(random),
        namespace=random.choice(("builtin", "builtin", "site", "builtin.deep")),
        architecture=random.choice(_ARCHITECTURES[: random.choice((1, 2, len(_ARCHITECTURES)))]),
        compiler=random.choice((None, *_OLD_COMPILERS)) if old else compiler,
        flags={key: random.choice(_FLAGS[key]) for key in _FLAGS if random.random() < 0.15},
        variants=_random_variants(random),
        spec_format=random.randint(1, 4) if old else 5,
        external=random.random() < 0.1,
        edges=edges,
    )


def _random_page_row(random: Random, name: str) -> ConcreteSpec:
    compiler = random.choice((None, *_OLD_COMPILERS))
    return concrete(
        name,
        random.choice(_VERSIONS),
        dag_hash=random_hash(random),
        namespace="",
        architecture=random.choice(_ARCHITECTURES),
        compiler=compiler,
        variants=_random_variants(random),
        spec_format=random.choice((0, 5)) if compiler else 5,
    )


def _random_variants(random: Random) -> dict[str, bool | str | tuple[str, ...]]:
    return {name: random.choice(_VARIANTS[name]) for name in _VARIANTS if random.random() < 0.4}


def _some_virtuals(random: Random, name: str) -> list[str]:
    return [virtual for virtual in _PROVIDES.get(name, ()) if random.random() < 0.6]


def random_hash(random: Random) -> DagHash:
    """Draw a DAG hash; its beginning is drawn from few letters, so that prefixes are shared."""
    return DagHash("".join(random.choices("ab2", k=3) + random.choices(HASH_ALPHABET, k=29)))


@dataclass(frozen=True)
class MemoryRecords:
    """Records of a source that are decoded already."""

    specs: Mapping[DagHash, ConcreteSpec]
    header: IndexHeader
    rejected: Sequence[MalformedRecord] = ()

    @property
    def presence(self) -> Mapping[DagHash, Presence]:
        return dict.fromkeys(self.specs, Presence.PRESENT)

    def original(self, dag_hash: DagHash) -> bytes:
        return json.dumps({"name": self.specs[dag_hash].name, "hash": dag_hash}).encode()

    def samples(self, wanted: Sequence[DagHash]) -> Sequence[bytes]:
        return [self.original(one) for one in wanted]

    def batches(self, wanted: Sequence[DagHash], compress: Compress) -> Iterator[SpecBatch]:
        for some in batches(wanted):
            yield batch_of(
                [self.specs[one] for one in some],
                verdicts=[None] * len(some),
                originals=compress([self.original(one) for one in some]),
            )

    def __iter__(self) -> Iterator[DagHash]:
        return iter(self.specs)

    def __len__(self) -> int:
        return len(self.specs)


def write_specs(catalogue: Catalogue, specs: Sequence[ConcreteSpec]) -> None:
    """Write drawn specs as a real sync would: records as one source, rows of pages as another."""
    with catalogue.writing() as connection:
        writer = SnapshotWriter(connection, now=NOW)
        for place, layout, version in (("made/records", Layout.V3, 8), ("made/pages", Layout.PAGES, None)):
            source = parse_source_name(place)
            registry.ensure_mirror(connection, source.mirror, MirrorUrl(f"https://cache.example/{place}"))
            chosen = {one.hash: one for one in specs if is_page_row(one) is (version is None)}
            records = MemoryRecords(chosen, IndexHeader(version=version))
            writer.replace(
                source.mirror, registry.ensure_source(connection, source, layout), records, digest=place
            )
        writer.finish()
