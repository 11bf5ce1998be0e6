"""Spack's spec language: what is read, what is refused and where, and that the canonical text says the same."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachescope.model.errors import QuerySyntaxError
from cachescope.model.spec import Deptype
from cachescope.query.constraints import parse_version_list
from cachescope.query.grammar import LEGACY_COMPILERS, parse_query
from cachescope.query.spec_query import DependencyQuery, FlagQuery, NodeQuery, SpecQuery, VariantQuery
from cachescope.query.tokens import LONGEST_QUERY
from tests.query.generated import random_specs
from tests.query.generated_queries import QueryWriter, says_the_same
from tests.query.oracle_rows import BUNDLED, rows_of

COMMIT = "2ae548b88789b243cdfa8d3d18e8f2576127ee8a"
GCC = NodeQuery(name="gcc")


def version(text: str, name: str | None = None) -> NodeQuery:
    return NodeQuery(name=name, version=parse_version_list(text))


def variant(name: str, value: bool | str, *, exact: bool = False, propagate: bool = False) -> NodeQuery:  # noqa: FBT001 - a variant's value
    values = value if isinstance(value, bool) else tuple(value.split(",")) if value != "*" else ()
    return NodeQuery(variants=(VariantQuery(name=name, value=values, exact=exact, propagate=propagate),))


def direct(node: NodeQuery = GCC, **keys: object) -> DependencyQuery:
    return DependencyQuery(sigil="%", node=node, **keys)  # type: ignore[arg-type]  # as the table gives them


def below(node: NodeQuery, **keys: object) -> DependencyQuery:
    return DependencyQuery(sigil="^", node=node, **keys)  # type: ignore[arg-type]  # as the table gives them


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("zlib", NodeQuery(name="zlib")),
        ("Zlib_2-x", NodeQuery(name="Zlib_2-x")),
        ("7zip", NodeQuery(name="7zip")),
        ("zlib-shared", NodeQuery(name="zlib-shared")),
        ("builtin.zlib", NodeQuery(name="zlib", namespace="builtin")),
        ("a.b.zlib", NodeQuery(name="zlib", namespace="a.b")),
        ("*", NodeQuery()),
        (" * ", NodeQuery()),
        ("@1.2", version("1.2")),
        ("zlib@1.2", version("1.2", "zlib")),
        ("zlib@=1.2", version("=1.2", "zlib")),
        ("zlib@1.2:", version("1.2:", "zlib")),
        ("zlib@:1.2", version(":1.2", "zlib")),
        ("zlib@ 1.2 , 1.4:1.5,=2", version("1.2,1.4:1.5,=2", "zlib")),
        ("zlib@git.feature/x-1=1.2", version("git.feature/x-1=1.2", "zlib")),
        (f"zlib@{COMMIT}=1.2", version(f"{COMMIT}=1.2", "zlib")),
        (f"zlib@{COMMIT}", version(COMMIT, "zlib")),
        ("+shared", variant("shared", value=True)),
        ("~shared", variant("shared", value=False)),
        ("-shared", variant("shared", value=False)),
        ("+ a.b-c", variant("a.b-c", value=True)),
        ("++shared", variant("shared", value=True, propagate=True)),
        ("~~shared", variant("shared", value=False, propagate=True)),
        ("--shared", variant("shared", value=False, propagate=True)),
        ("v=x", variant("v", "x")),
        ("v=y,x,y", variant("v", "x,y")),
        ("v:=x", variant("v", "x", exact=True)),
        ("v==x", variant("v", "x", propagate=True)),
        ("v:==x", variant("v", "x", exact=True, propagate=True)),
        ("v=*", variant("v", "*")),
        ("v=TRUE", variant("v", value=True)),
        ("v:=false", variant("v", value=False)),
        ("v=a+b%c^d~e:=/f\\", variant("v", "a+b%c^d~e:=/f\\")),
        ("v='a b'", variant("v", "a b")),
        (r"v='it\'s'", variant("v", "it's")),
        (r'v="say \"x\""', variant("v", 'say "x"')),
        ("v=''", variant("v", "")),
        ("platform=linux os=debian12", NodeQuery(platform="linux", os="debian12")),
        ("operating_system=x", NodeQuery(os="x")),
        ("arch=linux-debian12-zen4", NodeQuery(platform="linux", os="debian12", target="zen4")),
        ("architecture=zen4", NodeQuery(target="zen4")),
        ("arch=a-b", NodeQuery(target="a-b")),
        ("target=zen2,x86_64_v3:", NodeQuery(target="zen2,x86_64_v3:")),
        ("os=None target=''", NodeQuery()),
        ("namespace=builtin", NodeQuery(namespace="builtin")),
        ("/abc", NodeQuery(hash="abc")),
        ("zlib/abc", NodeQuery(name="zlib", hash="abc")),
        ("cflags=-O2", NodeQuery(flags=(FlagQuery(name="cflags", items=("-O2",)),))),
        ("cflags=='-O2 -g'", NodeQuery(flags=(FlagQuery(name="cflags", items=("-O2", "-g")),))),
        ("cflags='-isystem /x -g'", NodeQuery(flags=(FlagQuery(name="cflags", items=("-isystem /x", "-g")),))),
        ("cflags=-g cflags='-O2 -g'", NodeQuery(flags=(FlagQuery(name="cflags", items=("-g", "-O2")),))),
        ("cflags=''", NodeQuery()),
    ],
)  # fmt: skip
def test_node_is_read(text: str, node: NodeQuery) -> None:
    assert parse_query(text) == SpecQuery(node=node)


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("foo %gcc", [direct()]),
        ("foo%gcc@12", [direct(version("12", "gcc"))]),
        ("foo %@12", [direct(version("12"))]),
        ("foo %*", [direct(NodeQuery())]),
        ("foo % %gcc", [direct(NodeQuery()), direct()]),
        ("foo %c=gcc", [direct(virtuals=("c",))]),
        ("foo % c,cxx=gcc", [direct(virtuals=("c", "cxx"))]),
        ("foo %c=a.gcc", [direct(NodeQuery(name="gcc", namespace="a"), virtuals=("c",))]),
        ("foo %[virtuals=c] gcc", [direct(virtuals=("c",))]),
        ("foo %[virtuals=c] cxx=gcc", [direct(virtuals=("c", "cxx"))]),
        ("foo %[virtuals=c]", [direct(NodeQuery(), virtuals=("c",))]),
        ("foo %[ deptypes=build,link ] gcc", [direct(deptypes=Deptype.BUILD | Deptype.LINK)]),
        ("foo %[when=+x] gcc", [direct(when=SpecQuery(node=variant("x", value=True)))]),
        ("foo %[when='%c'] gcc", [direct(when=SpecQuery(node=NodeQuery(), dependencies=(direct(NodeQuery(name="c")),)))]),
        ("foo %%gcc", [DependencyQuery(sigil="%%", node=GCC)]),
        ("foo ^bar", [below(NodeQuery(name="bar"))]),
        ("foo ^", [below(NodeQuery())]),
        ("foo ^ ^bar", [below(NodeQuery()), below(NodeQuery(name="bar"))]),
        ("foo ^mpi=openmpi", [below(NodeQuery(name="openmpi"), virtuals=("mpi",))]),
        ("foo ^bar %gcc", [below(NodeQuery(name="bar"), direct=(direct(),))]),
        ("foo %gcc ^bar %cmake", [direct(), below(NodeQuery(name="bar"), direct=(direct(NodeQuery(name="cmake")),))]),
        ("foo ^bar %gcc ^baz", [below(NodeQuery(name="bar"), direct=(direct(),)), below(NodeQuery(name="baz"))]),
        ("foo %c,cxx=gcc@13 %fortran=gcc", [direct(version("13", "gcc"), virtuals=("c", "cxx", "fortran"))]),
        ("foo %gcc@12: %gcc@:13", [direct(version("12:13", "gcc"))]),
        ("foo ^a target=x86_64: ^a target=:zen2", [below(NodeQuery(name="a", target="x86_64:zen2"))]),
        ("foo ^a v=x ^a v=y", [below(NodeQuery(name="a", variants=variant("v", "x,y").variants))]),
        ("foo ^a v=* ^a+v", [below(NodeQuery(name="a", variants=variant("v", value=True).variants))]),
        ("foo ^a~v ^a v=*", [below(NodeQuery(name="a", variants=variant("v", value=False).variants))]),
        ("foo ^a v=* ^a~v", [below(NodeQuery(name="a", variants=variant("v", value=False).variants))]),
        ("foo ^a++v ^a+v", [below(NodeQuery(name="a", variants=variant("v", value=True).variants))]),
        ("foo ^a /ab ^a /abc", [below(NodeQuery(name="a", hash="abc"))]),
        ("foo ^a cflags=-g ^a cflags=-O", [below(NodeQuery(name="a", flags=(FlagQuery(name="cflags", items=("-g", "-O")),)))]),
        ("foo %[deptypes=build] gcc %[deptypes=run] gcc", [direct(deptypes=Deptype.BUILD), direct(deptypes=Deptype.RUN)]),
        ("foo %gcc ^gcc@12 %bar", [direct(version("12", "gcc"))]),
        ("foo ^a %b ^a %c ^d %e", [below(NodeQuery(name="a"), direct=(direct(NodeQuery(name="b")),)), below(NodeQuery(name="d"), direct=(direct(NodeQuery(name="e")),))]),
    ],
)  # fmt: skip
def test_dependencies_are_read(text: str, edges: Sequence[DependencyQuery]) -> None:
    assert parse_query(text) == SpecQuery(node=NodeQuery(name="foo"), dependencies=tuple(edges))


def test_blank_tells_a_variant_from_a_name() -> None:
    assert parse_query("zlib -shared").node == NodeQuery(
        name="zlib", variants=variant("shared", value=False).variants
    )
    assert parse_query("zlib-shared").node == NodeQuery(name="zlib-shared")


def test_attributes_behind_a_dependency_belong_to_it() -> None:
    query = parse_query("foo+a %gcc +binutils os=x ^bar ~b")
    assert [one.name for one in query.node.variants] == ["a"]
    assert [(str(edge.node)) for edge in query.dependencies] == ["gcc+binutils os=x", "bar~b"]


@pytest.mark.parametrize(("old", "package"), LEGACY_COMPILERS.items())
def test_old_name_of_a_compiler_is_its_package_behind_percent_alone(old: str, package: str) -> None:
    query = parse_query(f"{old} %{old}@3 ^{old}")
    assert query.node.name == old
    assert [edge.node.name for edge in query.dependencies] == [package, old]


# -- what is refused ----------------------------------------------------------------------------------------------------

SECOND = "a second spec begins here, where one is wanted"


@pytest.mark.parametrize(
    ("text", "mark", "message"),
    [
        ("", "", "the query is empty"),
        ("  ", "  ", "the query is empty"),
        ("foo bar", "bar", SECOND),
        ("foo+x bar.baz@1", "bar.baz", SECOND),
        ("%gcc foo", "foo", SECOND),
        ("foo *", "*", SECOND),
        ("foo /abc /abd", "/abd", SECOND),
        ("foo v=a b", "b", SECOND),
        ("foo ^bar ]", "]", SECOND),
        ("foo@1.2+x@1.3", "@1.3", "a node has one version; write alternatives as a list: @1.2,1.4"),
        ("foo+a~a", "~a", "the variant a is given twice"),
        ("foo v=x v:=y", "v:=y", "the variant v is given twice"),
        ("foo +v v=true", "v=true", "the variant v is given twice"),
        ("foo os=a os=a", "os=a", "os is given twice"),
        ("foo target=a arch=b-c-d", "arch=b-c-d", "an architecture is given already; name its parts once: platform=, os=, target="),
        ("foo os=a arch=zen2", "arch=zen2", "an architecture is given already; name its parts once: platform=, os=, target="),
        ("foo arch=a-b-c target=c", "target=c", "target is given twice"),
        ("foo v=a,*", "v=a,*", "'*' stands for any value and cannot be one of a list"),
        ("foo +cflags", "+cflags", "cflags takes a value: cflags=..."),
        ("foo ~os", "~os", "os takes a value: os=..."),
        ("foo ++namespace", "++namespace", "namespace cannot be propagated"),
        ("foo target==zen2", "target==zen2", "target cannot be propagated with '=='"),
        ("foo patches==ab", "patches==ab", "patches cannot be propagated with '=='"),
        ("foo@=1.2:1.3", "@=1.2:1.3", "a bound of a range cannot have '='"),
        ("foo@1.2:=1.3", "@1.2:=1.3", "a bound of a range cannot have '='"),
        ("foo@develop:1.2", "@develop:1.2", "the range develop:1.2 is empty: develop is after 1.2"),
        ("foo@1.2,git.main", "@1.2,git.main", "a git version stands alone, not in a list"),
        ("foo@git.main,1.2", ",", "',' is not expected here"),
        ("foo@1.2=1.3", "=", "'=' is not expected here"),
        ("foo@", "@", "'@' is not expected here"),
        ("foo@1-", "-", "'-' is not expected here"),
        ("foo +", "+", "'+' is not expected here"),
        ("foo,bar", ",", "',' is not expected here"),
        ("foo v=", "=", "'=' is not expected here"),
        ("foo v=a[b", "[", "'[' is not expected here"),
        ("foo v='a b", "'", "this quote is not closed"),
        ("foo v=='a \"b\"", "'", "this quote is not closed"),
        ('foo cflags="-O2', '"', "this quote is not closed"),
        ("é", "é", "'é' is not expected here"),
        ("foo %", "%", "a package or compiler is expected behind '%'"),
        ("foo ^bar %%", "%%", "a package or compiler is expected behind '%'"),
        ("foo %[virtuals=c gcc", "gcc", "an edge property is expected here"),
        ("foo %[+x] gcc", "+x", "an edge property is expected here"),
        ("foo %[color=red] gcc", "color=red", "'color' is not an edge property"),
        ("foo %[deptypes=all] gcc", "deptypes=all", "'all' is not a dependency type"),
        ("foo ^[deptypes=build,fly] x", "deptypes=build,fly", "'fly' is not a dependency type"),
        ("foo %[when='a b'] gcc", "when='a b'", f"the condition cannot be read: {SECOND}"),
        ("foo %[when='+'] gcc", "when='+'", "the condition cannot be read: '+' is not expected here"),
        ("./foo.json", "./foo.json", "this is the name of a file, which is not read here"),
        ("a/b.yaml", "a/b.yaml", "this is the name of a file, which is not read here"),
        ("foo ^/x.json", "/x.json", "this is the name of a file, which is not read here"),
        ("foo %gcc@12 %gcc@13", "%", "gcc is asked for twice: no version is in both @12 and @13"),
        ("foo ^a+x ^a~x", "^", "a is asked for twice: +x and ~x exclude each other"),
        ("foo ^a v:=x ^a v=y", "^", "a is asked for twice: v:=x and v=y exclude each other"),
        ("foo ^a os=x ^a os=y", "^", "a is asked for twice: os is given twice: x and y"),
        ("foo ^a target=zen2: ^a target=:haswell", "^", "a is asked for twice: no target is in both zen2: and :haswell"),
        ("foo ^a /ab ^a /ac", "^", "a is asked for twice: /ab and /ac exclude each other"),
        ("foo ^x.a ^y.a", "^", "a is asked for twice: namespace is given twice: x and y"),
        ("foo ^[deptypes=build] a ^[deptypes=build,run] a", "^[", "a is asked for twice, with conflicting dependency types"),
    ],
)  # fmt: skip
def test_query_is_refused_with_its_place_and_reason(text: str, mark: str, message: str) -> None:
    with pytest.raises(QuerySyntaxError) as refusal:
        parse_query(text)
    error = refusal.value
    assert error.message == message
    assert text[error.start : error.end] == mark
    assert error.start == (text.rindex(mark) if mark.strip() not in {"", "="} else text.index(mark))
    assert error.query == text


def test_missing_bracket_is_marked_behind_the_last_word() -> None:
    with pytest.raises(QuerySyntaxError, match="']' is missing") as refusal:
        parse_query("foo %[virtuals=c ")
    assert (refusal.value.start, refusal.value.end) == (16, 17)


def test_very_long_query_is_refused() -> None:
    with pytest.raises(QuerySyntaxError, match=f"the query has {LONGEST_QUERY + 1} characters"):
        parse_query("a" * (LONGEST_QUERY + 1))
    assert parse_query("a" * LONGEST_QUERY).node.name == "a" * LONGEST_QUERY


def test_conditions_do_not_nest_for_ever() -> None:
    text = "+x"
    for _ in range(12):
        text = "%[when='" + text.replace("'", "\\'") + "'] gcc"
    with pytest.raises(QuerySyntaxError, match=r"nested too deeply|cannot be read"):
        parse_query(text)


# -- the canonical text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("foo -x +a v=y,x os=linux@1.2", "foo@1.2+a~x v=x,y os=linux"),
        ("foo/ab@1.2,1.3", "foo@1.2:1.3 /ab"),
        ("*", "*"),
        ("* +x", "+x"),
        ("foo ^bar %gcc", "foo ^bar %gcc"),
        ("foo %c=gcc@12", "foo %[virtuals=c] gcc@12"),
        ("foo % os=linux +x", "foo %[virtuals=os] linux+x"),
        ("foo %* os=linux", "foo %* os=linux"),
        ("foo v='a b' w=\"it's\"", "foo v='a b' w=\"it's\""),
        ("foo v=true,true", "foo v=true,true"),
        ("foo %gcc ^gcc %bar", "foo %gcc"),
        ("foo cflags=x cflags=y", "foo cflags=x cflags=y"),
        ("foo namespace=a++b", "foo namespace=a++b"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert str(parse_query(text)) == canonical


@pytest.mark.parametrize("file", BUNDLED)
def test_canonical_text_of_each_real_query_is_read_as_that_query(file: Path) -> None:
    assert [row.query for row in rows_of(file) if not says_the_same(row.query)] == []


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_canonical_text_is_read_as_the_same_query(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - test data
    writer = QueryWriter(random, random_specs(random))
    assert [text for text in (writer.query() for _ in range(10)) if not says_the_same(text)] == []
