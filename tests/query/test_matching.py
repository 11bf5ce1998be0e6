"""What a query means for a concrete spec, rule by rule, and where it means something else than in Spack."""

import pytest

from cachescope.model.spec import Architecture, Compiler, ConcreteSpec, DependencyEdge, Deptype, EdgeKind
from cachescope.query.grammar import parse_query
from cachescope.query.matching import explain_mismatch, matches, own_compiler_decides, warnings
from cachescope.query.universe import Universe
from tests.query.generated import concrete, edge_to

BUILD, LINK, RUN, TEST = Deptype.BUILD, Deptype.LINK, Deptype.RUN, Deptype.TEST

# A small DAG: app links hdf5 and zlib-ng, hdf5 links openmpi; gcc 12 built app in C, gcc 11 built openmpi.
GCC = concrete("gcc", "12.2.0", dag_hash="g" * 32, variants={"languages": ("c", "c++")})
OLD_GCC = concrete("gcc", "11.4.0", dag_hash="f" * 32)
PERL = concrete("perl", "5.36")
CMAKE = concrete("cmake", "3.25", edges=[edge_to(PERL, BUILD)])
CHECK = concrete("check", "0.15")
ZLIB_NG = concrete("zlib-ng", "2.1", variants={"pic": True}, edges=[edge_to(GCC, BUILD, "c")])
OPENMPI = concrete(
    "openmpi", "4.1.5", variants={"fabrics": ("ofi", "ucx")}, edges=[edge_to(OLD_GCC, BUILD, "c")]
)
HDF5 = concrete(
    "hdf5", "1.12.2", variants={"mpi": True}, edges=[edge_to(OPENMPI, LINK, "mpi"), edge_to(PERL, BUILD)]
)
APP = concrete(
    "app",
    "1.0",
    dag_hash="app" + "2" * 29,
    namespace="site",
    architecture=Architecture("linux", "debian12", "x86_64_v3"),
    variants={
        "shared": True,
        "mpi": False,
        "build_type": "Release",
        "libs": ("shared", "static"),
        "none": (),
        "patches": ("646ab7", "9af3d1"),
    },
    flags={"cflags": ("-O2", "-g", "-isystem /x")},
    edges=[
        edge_to(CHECK, TEST),
        edge_to(CMAKE, BUILD),
        edge_to(GCC, BUILD, "c"),
        edge_to(HDF5, LINK | RUN),
        edge_to(ZLIB_NG, BUILD | LINK, "zlib-api"),
        DependencyEdge(concrete("lost").name, concrete("lost").hash, EdgeKind(LINK, ("blas",))),
    ],
)
OLD = concrete(
    "old-app", "0.9", compiler=Compiler("gcc", "10.3.0"), spec_format=3, edges=[edge_to(CMAKE, BUILD), edge_to(OPENMPI, LINK, "mpi")]
)  # fmt: skip
OLD_CLANG = concrete("old-clang", "0.9", compiler=Compiler("clang", "14.0"), spec_format=4)
PAGE_ROW = concrete("paged", "1.0", namespace="", compiler=Compiler("gcc", "12.2.0"))
UNUSED_MPI = concrete("mpich", "4.0")
SPECS = (GCC, OLD_GCC, PERL, CMAKE, CHECK, ZLIB_NG, OPENMPI, HDF5, APP, OLD, OLD_CLANG, PAGE_ROW, UNUSED_MPI)
UNIVERSE = Universe.of(SPECS)


def match(text: str, spec: ConcreteSpec = APP) -> bool:
    return matches(parse_query(text), spec, UNIVERSE)


def found(text: str) -> set[str]:
    return {spec.name for spec in SPECS if match(text, spec)}


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("app", True),
        ("hdf5", False),
        ("*", True),
        ("site.app", True),
        ("builtin.app", False),
        ("namespace=site", True),
        ("/app", True),
        ("/b", False),
        (f"app/{APP.hash}", True),
        ("@1.0", True),
        ("app@=1", False),
        ("@1:1.5,3:", True),
    ],
)
def test_node_matches_by_name_namespace_hash_and_version(text: str, *, matched: bool) -> None:
    assert match(text) is matched


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("+shared", True),
        ("~shared", False),
        ("shared=True", True),
        ("~mpi", True),
        ("build_type=Release", True),
        ("build_type=Release,Debug", False),
        ("build_type:=Release", True),
        ("build_type=release", False),
        ("+build_type", False),
        ("shared=yes", False),
        ("libs=static", True),
        ("libs=static,shared", True),
        ("libs=static,other", False),
        ("libs:=shared,static", True),
        ("libs:=static", False),
        ("libs=*", True),
        ("shared=*", True),
        ("none=*", True),
        ("none=x", False),
        ("patches=646", True),
        ("patches=646,9", True),
        ("patches=646,7", False),
        ("patches:=646,9af3d1", False),
        ("patches:=646ab7,9af3d1", True),
        ("libs=stat", False),
        ("+nosuch", False),
        ("~nosuch", False),
        ("nosuch=*", False),
    ],
)
def test_variant_matches(text: str, *, matched: bool) -> None:
    assert match(text) is matched


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("++shared", True),
        ("++pic", True),
        ("~~pic", False),
        ("~~cuda", True),
        ("~~mpi", False),
        ("fabrics==ucx", True),
        ("fabrics==none", False),
        ("fabrics:==ofi,ucx", True),
        ("languages==c", True),
        ("fabrics==*", True),
    ],
)
def test_propagated_variant_is_asked_of_all_nodes_of_the_dag_that_have_it(
    text: str, *, matched: bool
) -> None:
    assert match(text) is matched


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("cflags=-O2", True),
        ("cflags='-g -O2'", True),
        ("cflags==-g", True),
        ("cflags='-isystem /x'", True),
        ("cflags='-isystem /y'", False),
        ("cflags=-O3", False),
        ("cxxflags=-O2", False),
        ("cflags=''", True),
    ],
)
def test_flags_are_a_subset_of_the_nodes_own(text: str, *, matched: bool) -> None:
    assert match(text) is matched


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("platform=linux os=debian12 target=x86_64_v3", True),
        ("arch=linux-debian12-x86_64_v3", True),
        ("platform=darwin", False),
        ("os=debian", False),
        ("target=x86_64", False),
        ("target=x86_64:", True),
        ("target=:zen2", True),
        ("target=aarch64:", False),
        ("target=*", True),
        ("os=*", True),
        ("os=* target=zen4", False),
    ],
)
def test_architecture_matches(text: str, *, matched: bool) -> None:
    assert match(text) is matched


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("%gcc", True),
        ("%gcc@12", True),
        ("%gcc@11", False),
        ("%gcc languages=c", True),
        ("%clang", False),
        ("%check", True),
        ("%perl", False),
        ("%openmpi", False),
        ("%c=gcc", True),
        ("%cxx=gcc", False),
        ("%c,cxx=gcc", True),
        ("%c=gcc %cxx=gcc", True),
        ("%[deptypes=build] gcc", True),
        ("%[deptypes=link] gcc", False),
        ("%[deptypes=build,link] zlib-ng", True),
        ("%c", True),
        ("%cxx", False),
        ("%zlib-api", True),
        ("%mpi", False),
        ("%@12", True),
        ("%@99", False),
        ("%+pic", True),
        ("%/g", True),
        ("%lost", True),
        ("%lost@1", False),
        ("%blas", True),
        ("%%gcc@12", True),
        ("%gcc %hdf5+mpi", True),
        ("%gcc %hdf5~mpi", False),
    ],
)
def test_direct_edge_matches(text: str, *, matched: bool) -> None:
    assert match(text) is matched


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("^hdf5", True),
        ("^openmpi@4", True),
        ("^openmpi@3", False),
        ("^cmake", True),
        ("^perl", False),
        ("^check", False),
        ("^gcc@12", True),
        ("^gcc@11", False),
        ("^zlib-ng", True),
        ("^zlib", False),
        ("^mpi", True),
        ("^zlib-api", True),
        ("^c", True),
        ("^blas", True),
        ("^lost", True),
        ("^lost/l", True),
        ("^lost+pic", False),
        ("^fortran", False),
        ("^+pic", True),
        ("^+nosuch", False),
        ("^", True),
        ("^mpi=openmpi", True),
        ("^[virtuals=mpi] hdf5", False),
        ("^[virtuals=mpi,blas] openmpi", False),
        ("^hdf5 ^openmpi", True),
        ("^hdf5 ^mpich", False),
    ],
)
def test_edge_somewhere_below_matches(text: str, *, matched: bool) -> None:
    assert match(text) is matched


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("^openmpi %gcc@11", True),
        ("^openmpi %gcc@12", False),
        ("^zlib-ng %c=gcc", True),
        ("^hdf5 %perl", True),
        ("^cmake %perl", True),
        ("^perl %gcc", False),
        ("%hdf5 ^hdf5@1.12", True),
        ("%hdf5 ^hdf5@1.14", False),
        ("app ^app", False),
    ],
)
def test_edge_below_an_edge_matches(text: str, *, matched: bool) -> None:
    assert match(text) is matched


def test_first_node_of_a_name_is_meant_where_a_dag_has_several() -> None:
    """``^gcc`` may be any gcc of the DAG; whose edges are asked for below it is the one that a look-up gives."""
    first = concrete("gcc", "11", dag_hash="b" * 32, edges=[edge_to(PERL, LINK)])
    second = concrete("gcc", "12", dag_hash="c" * 32, edges=[edge_to(CHECK, LINK)])
    top = concrete("top", edges=[edge_to(first, BUILD), edge_to(second, BUILD)])
    universe = Universe.of([PERL, CHECK, first, second, top])
    assert matches(parse_query("^gcc@12"), top, universe)
    assert matches(parse_query("^gcc@12 %perl"), top, universe)
    assert not matches(parse_query("^gcc@12 %check"), top, universe)


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("%[when=+shared] gcc@12", True),
        ("%[when=+shared] gcc@11", False),
        ("%[when=~shared] gcc@11", True),
        ("^[when=~shared] nowhere", True),
        ("^[when='%gcc@12'] nowhere", False),
        ("^openmpi %[when=fabrics=ucx] gcc@12", False),
        ("^openmpi %[when=fabrics=none] gcc@12", True),
    ],
)
def test_edge_is_asked_for_where_its_condition_holds(text: str, *, matched: bool) -> None:
    assert match(text) is matched


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("%gcc", True),
        ("%gcc@10", True),
        ("%gcc@12", False),
        ("%fortran=gcc", True),
        ("%[deptypes=test] gcc", True),
        ("%cmake", False),
        ("%mpi", False),
        ("%gcc+x", False),
        ("%gcc++x", True),
        ("%gcc/a", False),
        ("%@10", True),
        ("^cmake", True),
        ("^mpi", True),
    ],
)
def test_old_spec_has_the_compiler_of_its_annotation_alone(text: str, *, matched: bool) -> None:
    assert match(text, OLD) is matched


def test_row_of_a_page_has_the_compiler_that_the_page_prints() -> None:
    assert own_compiler_decides(PAGE_ROW)
    assert not own_compiler_decides(PERL)
    assert match("%gcc@12", PAGE_ROW)
    assert not match("%gcc@11", PAGE_ROW)
    assert not match("%gcc", PERL)


# -- deviations from Spack, each on purpose -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["platform=* target=aarch64", "os=* target=aarch64", "platform=* os=windows"]
)
def test_deviation_wildcard_does_not_end_the_check_of_the_architecture(text: str) -> None:
    assert not match(text)


@pytest.mark.parametrize(
    ("text", "matched"), [("%clang", True), ("%llvm@14", True), ("%clang@15", False), ("%gcc", False)]
)
def test_deviation_old_build_has_its_compiler_under_both_names(text: str, *, matched: bool) -> None:
    assert match(text, OLD_CLANG) is matched


def test_deviation_version_of_a_virtual_is_ignored_with_a_warning() -> None:
    assert match("^mpi@99")
    assert found("mpi@99") == {"openmpi"}
    assert warnings(parse_query("mpi@99 ^blas@3 %gcc@12"), UNIVERSE) == (
        "the version of the virtual package mpi is not known to a catalogue and was ignored: @99",
        "the version of the virtual package blas is not known to a catalogue and was ignored: @3",
    )


def test_deviation_packages_that_some_edge_reaches_provide_a_virtual() -> None:
    """Spack asks recipes: there mpich would be one too, and every version of openmpi as its recipe says."""
    unused_version = concrete("openmpi", "1.0", dag_hash="o" * 32)
    universe = Universe.of([*SPECS, unused_version])
    assert matches(parse_query("mpi"), unused_version, universe)
    assert not matches(parse_query("mpi"), UNUSED_MPI, universe)


def test_what_stands_below_the_second_mention_of_a_dependency_is_ignored_with_a_warning() -> None:
    """As in Spack, which says nothing."""
    query = parse_query("^openmpi ^openmpi %gcc@12")
    assert matches(query, APP, UNIVERSE)
    assert warnings(query, UNIVERSE) == (
        "%gcc@12 stands behind the second mention of a dependency and was ignored, as in Spack: write it behind the first",
    )


def test_range_with_a_target_that_archspec_does_not_know_matches_nothing_with_a_warning() -> None:
    """Spack raises an error."""
    assert not match("target=homemade:")
    assert warnings(parse_query("target=homemade:"), UNIVERSE) == (
        "the target homemade is unknown; a range with it matches nothing",
    )


def test_query_without_surprises_has_no_warning() -> None:
    assert warnings(parse_query("app@1 ^mpi target=x86_64: %gcc@12"), UNIVERSE) == ()


def test_nothing_more_is_asked_of_who_provides_a_virtual() -> None:
    """As in Spack, surprising as it is."""
    assert found("mpi+nosuch") == {"openmpi"}
    assert found(f"mpi /{OPENMPI.hash[:5]}") == {"openmpi"}
    assert found("mpi /zzz") == set()
    assert found("mpi ^nowhere") == {"openmpi"}


def test_name_of_a_package_is_no_virtual_even_if_edges_carry_it() -> None:
    user = concrete("user", edges=[edge_to(ZLIB_NG, LINK, "perl")])
    universe = Universe.of([*SPECS, user])
    assert not universe.is_virtual("perl")
    assert not matches(parse_query("perl"), ZLIB_NG, universe)


# -- reasons ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("app+shared %gcc@12", []),
        ("hdf5", ["hdf5: app"]),
        ("builtin.app", ["namespace=builtin: site"]),
        ("/xyz", [f"/xyz: /{APP.hash}"]),
        ("app@2:~shared+nosuch", ["@2:: @1.0", "+nosuch: no variant nosuch", "~shared: +shared"]),
        ("build_type=Debug", ["build_type=Debug: build_type=Release"]),
        ("libs:=static", ["libs:=static: libs:=shared,static"]),
        ("~~pic", ["~~pic: zlib-ng has +pic"]),
        ("cflags=-O3", ["cflags=-O3: -O2 -g -isystem /x"]),
        ("fflags=-g", ["fflags=-g: no such flags"]),
        (
            "platform=darwin os=x target=zen4",
            ["platform=darwin: linux", "os=x: debian12", "target=zen4: x86_64_v3"],
        ),
        ("%gcc@11", ["%gcc@11: gcc /ggggggg (build c)"]),
        ("%mpich", ["%mpich: no direct dependency on mpich"]),
        ("^mpich", ["^mpich: no mpich in its DAG"]),
        ("^openmpi@3 ^nowhere", ["^openmpi@3: has openmpi@4.1.5", "^nowhere: no nowhere in its DAG"]),
        ("^[virtuals=blas] openmpi", ["^[virtuals=blas] openmpi: no openmpi provides blas"]),
        ("^perl %gcc", ["^perl %gcc: no perl in its DAG", "%gcc: no perl in its DAG"]),
        ("^openmpi %gcc@12", ["%gcc@12: gcc /fffffff (build c)"]),
        ("mpi", ["mpi: app does not provide it"]),
    ],
)
def test_each_constraint_that_does_not_hold_is_told(text: str, reasons: list[str]) -> None:
    assert [str(one) for one in explain_mismatch(parse_query(text), APP, UNIVERSE)] == reasons


def test_old_spec_tells_what_it_was_built_with() -> None:
    told = explain_mismatch(parse_query("%clang"), OLD, UNIVERSE)
    assert [str(one) for one in told] == ["%llvm: built with gcc@10.3.0"]
