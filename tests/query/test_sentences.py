"""A query as one sentence: every construct of the language has words, and nothing of a query is left unsaid."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachescope.model.errors import QuerySyntaxError
from cachescope.model.spec import FLAG_NAMES, deptype_names
from cachescope.query.constraints import VersionRange
from cachescope.query.grammar import parse_query
from cachescope.query.sentences import describe
from cachescope.query.spec_query import NodeQuery, SpecQuery
from tests.strategies import standard_versions

COMMIT = "2ae548b88789b243cdfa8d3d18e8f2576127ee8a"
HASH = "33pd4gqhyuoowz4vy5u2xblzsvk5dhlm"

SENTENCES = {
    # names
    "hdf5": "of the package hdf5",
    "*": "of any package",
    "builtin.zlib": "of the package zlib from the namespace builtin",
    "my.own.zlib": "of the package zlib from the namespace my.own",
    "namespace=builtin": "of any package from the namespace builtin",
    f"/{HASH[:5]}": f"of any package, whose hash begins with {HASH[:5]}",
    f"hdf5/{HASH}": f"of the package hdf5, whose hash is {HASH}",
    # versions
    "hdf5@1.12": "of the package hdf5, version 1.12 (1.12.x included)",
    "hdf5@=1.12": "of the package hdf5, version exactly 1.12",
    "hdf5@1.12:": "of the package hdf5, version 1.12 or newer",
    "hdf5@:1.12": "of the package hdf5, version 1.12 or older (1.12.x included)",
    "hdf5@1.10:1.12": "of the package hdf5, version from 1.10 to 1.12 (1.12.x included)",
    "hdf5@:": "of the package hdf5, version any (:)",
    "hdf5@1.3:1.2": "of the package hdf5, version in the empty range from 1.3 to 1.2",
    "hdf5@develop": "of the package hdf5, version develop",
    "hdf5@=1.8,1.10:1.12,1.14:": (
        "of the package hdf5, version exactly 1.8, or from 1.10 to 1.12 (1.12.x included), or 1.14 or newer"
    ),
    "hdf5@git.main=1.14": "of the package hdf5, version git.main=1.14 (the git ref main, taken as 1.14)",
    "hdf5@git.main": "of the package hdf5, version git.main (the git ref main, whatever version it stands for)",
    f"hdf5@{COMMIT}": f"of the package hdf5, version {COMMIT} (the git ref {COMMIT}, whatever version it stands for)",
    # variants
    "hdf5+mpi": "of the package hdf5, with the variant mpi on",
    "hdf5~mpi": "of the package hdf5, with the variant mpi off",
    "hdf5 -mpi+hl": "of the package hdf5, with the variant hl on, and with the variant mpi off",
    "hdf5 mpi=False": "of the package hdf5, with the variant mpi off",
    "hdf5 ++mpi": "of the package hdf5, with the variant mpi on in every spec of its DAG that has it",
    "hdf5 ~~mpi": "of the package hdf5, with the variant mpi off in every spec of its DAG that has it",
    "hdf5 api=v18": "of the package hdf5, with the variant api having the value v18",
    "hdf5 api='v 18'": "of the package hdf5, with the variant api having the value 'v 18'",
    "hdf5 api==v18": "of the package hdf5, with the variant api having the value v18 in every spec of its DAG that has it",
    "hdf5 libs=static,shared": "of the package hdf5, with the variant libs having the values shared and static",
    "hdf5 libs:=static,shared": "of the package hdf5, with the variant libs having exactly the values shared and static",
    "hdf5 libs:=static": "of the package hdf5, with the variant libs having exactly the value static",
    "hdf5 libs:==static": (
        "of the package hdf5, with the variant libs having exactly the value static in every spec of its DAG that has it"
    ),
    "hdf5 libs=*": "of the package hdf5, with a variant libs of any value",
    "hdf5 patches=646,b06": "of the package hdf5, with patches whose checksums begin with 646 and b06",
    "hdf5 patches:=646": "of the package hdf5, with the variant patches having exactly the value 646",
    # flags
    "hdf5 cflags=-O2": "of the package hdf5, with -O2 among its cflags",
    "hdf5 cxxflags='-isystem /x -g'": "of the package hdf5, with '-isystem /x' and -g among its cxxflags",
    # architecture
    "platform=linux": "of any package, whose platform is linux",
    "os=ubuntu22.04": "of any package, whose operating system is ubuntu22.04",
    "os=*": "of any package, whose operating system is any (*)",
    "target=zen3": "of any package, whose target is exactly zen3",
    "target=zen3:": "of any package, whose target is zen3 or newer",
    "target=:zen3": "of any package, whose target is zen3 or older",
    "target=zen2:zen4": "of any package, whose target is from zen2 to zen4",
    "target=:": "of any package, whose target is any (:)",
    "target=*": "of any package, whose target is any (*)",
    "target=zen2,x86_64_v4:": "of any package, whose target is exactly zen2, or x86_64_v4 or newer",
    "arch=linux-debian12-zen3": (
        "of any package, whose platform is linux, whose operating system is debian12, and whose target is exactly zen3"
    ),
    # direct dependencies
    "%gcc": "of any package, built directly with gcc",
    "%%gcc": "of any package, built directly (%% asks the same as %) with gcc",
    "%clang": "of any package, built directly with llvm",
    "%@12": "of any package, built directly with any package of version 12 (12.x included)",
    "%builtin.gcc": "of any package, built directly with gcc from the namespace builtin",
    "%c,cxx=gcc@12:": "of any package, built directly with gcc of version 12 or newer as c or cxx",
    "%[deptypes=build,link] zlib": "of any package, depending directly to build and to link on zlib",
    "%[deptypes=run,test virtuals=mpi] openmpi": (
        "of any package, depending directly to run and to test on openmpi as mpi"
    ),
    "%[when='+mpi'] gcc": (
        "of any package, built directly with gcc (asked only where the spec is one of any package, with the variant mpi on)"
    ),
    "foo %gcc+binutils@12": (
        "of the package foo, built directly with gcc (of version 12 (12.x included); with the variant binutils on)"
    ),
    # dependencies at any depth
    "^": "of any package, depending at run time or to build on any package",
    "^+pic": "of any package, depending at run time or to build on any package with the variant pic on",
    "^/33pd": "of any package, depending at run time or to build on any package whose hash begins with 33pd",
    "^[virtuals=blas,lapack] openblas": (
        "of any package, depending at run time or to build on openblas as blas and lapack"
    ),
    "^[deptypes=link] zlib": (
        "of any package, depending at run time or to build (to link is written, but not compared behind ^) on zlib"
    ),
    "foo %gcc ^bar %clang": (
        "of the package foo, built directly with gcc, and depending at run time or to build on bar"
        " that is itself built directly with llvm"
    ),
    "foo ^bar@1.2+x %gcc@11": (
        "of the package foo, depending at run time or to build on bar (of version 1.2 (1.2.x included);"
        " with the variant x on; itself built directly with gcc of version 11 (11.x included))"
    ),
    "foo ^bar %[when='@2:'] gcc": (
        "of the package foo, depending at run time or to build on bar that is itself built directly with gcc"
        " (asked only where bar is one of any package, version 2 or newer)"
    ),
    "foo ^+x %[when='%gcc'] gcc+y": (
        "of the package foo, depending at run time or to build on any package (with the variant x on; itself built directly"
        " with gcc with the variant y on (asked only where that dependency is one of any package, built directly with gcc))"
    ),
    "hdf5@1.12: +mpi %gcc@12: ^openmpi target=x86_64_v3:": (
        "of the package hdf5, version 1.12 or newer, with the variant mpi on, built directly with gcc of version 12 or newer,"
        " and depending at run time or to build on openmpi whose target is x86_64_v3 or newer"
    ),
}


@pytest.mark.parametrize(("query", "sentence"), SENTENCES.items(), ids=SENTENCES)
def test_sentence_says_what_is_asked(query: str, sentence: str) -> None:
    assert describe(parse_query(query)) == f"Specs {sentence}."


def test_sentences_of_different_queries_differ() -> None:
    queries = {str(parse_query(query)): describe(parse_query(query)) for query in SENTENCES}
    assert len(set(queries.values())) == len(queries)


def test_sentence_of_the_canonical_text_is_the_same() -> None:
    for query in SENTENCES:
        parsed = parse_query(query)
        assert describe(parse_query(str(parsed))) == describe(parsed)


# -- nothing is left unsaid -------------------------------------------------------------------------------------------


def said_of_node(node: NodeQuery) -> list[str]:
    """List every name and value that a node has."""
    words = [word for word in (node.name, node.namespace, node.hash, node.platform, node.os) if word]
    for item in node.version.items if node.version is not None else ():
        words += [item.low, item.high] if isinstance(item, VersionRange) else [item.text]
    words += [bound for item in (node.target or "").split(",") for bound in item.split(":")]
    for variant in node.variants:
        words += [variant.name, *(() if isinstance(variant.value, bool) else variant.value)]
    for flag in node.flags:
        words += [flag.name, *flag.items]
    return words


def said(query: SpecQuery) -> list[str]:
    """List every name and value that a query has."""
    words = said_of_node(query.node)
    for edge in query.edges():
        words += [*said_of_node(edge.node), *edge.virtuals, *deptype_names(edge.deptypes)]
        words += said(edge.when) if edge.when is not None else []
    return words


def assert_all_is_said(text: str) -> None:
    query = parse_query(text)
    sentence = describe(query)
    assert [word for word in said(query) if word not in sentence] == []
    assert sentence.startswith("Specs of ")
    assert sentence.endswith(".")
    assert sentence.count("(") == sentence.count(")") or any(
        "(" in word or ")" in word for word in said(query)
    )


# Their beginnings stand in no English word, so that a name is not found by accident.
_names = st.text("abcz019_-", max_size=3).map("zq{}x".format)
_values = st.text("abcz019_.+/-", max_size=3).map("Qz{}".format)
_version_items = (
    standard_versions.map("={}".format)
    | standard_versions
    | standard_versions.map("{}:".format)
    | standard_versions.map(":{}".format)
    | st.tuples(standard_versions, standard_versions).map(":".join)
)
_quoted = st.text(st.characters(codec="ascii", exclude_characters="'\"\\,"), max_size=6).map("'{}'".format)
_lists = st.lists(_values, min_size=1, max_size=3).map(",".join)
_targets = st.lists(_values | _values.map("{}:".format) | _values.map(":{}".format), min_size=1, max_size=3)
_attributes = st.one_of(
    st.lists(_version_items, min_size=1, max_size=3).map(lambda items: "@" + ",".join(items)),
    st.builds("@git.{}={}".format, _names, standard_versions),
    st.builds("{}{}".format, st.sampled_from(("+", "~", " -", " ++", " ~~")), _names),
    st.builds(
        " {}{}{}".format, _names, st.sampled_from(("=", ":=", "==", ":==")), _lists | _quoted | st.just("*")
    ),
    st.builds(" {}='-{} -{}'".format, st.sampled_from(FLAG_NAMES), _values, _values),
    st.builds(" {}={}".format, st.sampled_from(("platform", "os", "namespace")), _values),
    st.builds(" target={}".format, _targets.map(",".join)),
    st.builds(" /{}".format, _names),
)
_nodes = st.builds(
    "{}{}".format,
    _names | st.just("*") | st.builds("{}.{}".format, _names, _names),
    st.lists(_attributes, max_size=3).map("".join),
)
_properties = st.one_of(
    st.just(""),
    st.lists(st.sampled_from(("build", "link", "run", "test", "all")), min_size=1).map(
        lambda types: f"[deptypes={','.join(types)}] "
    ),
    st.lists(_names, min_size=1, max_size=2).map(lambda names: f"[virtuals={','.join(names)}] "),
    _nodes.filter(lambda node: "'" not in node).map("[when='{}'] ".format),
)
_edges = st.builds(" {}{}{}".format, st.sampled_from(("^", "%", "%%")), _properties, _nodes)
_queries = st.builds("{}{}".format, _nodes, st.lists(_edges, max_size=3).map("".join))


@settings(max_examples=150, deadline=None)
@given(_queries)
def test_every_query_that_parses_has_a_sentence_with_all_its_names_and_values(text: str) -> None:
    try:
        parse_query(text)
    except QuerySyntaxError:
        return
    assert_all_is_said(text)


@pytest.mark.shared
def test_every_query_that_spack_was_asked_has_a_sentence_with_all_its_names_and_values(shared: Path) -> None:
    files = sorted((shared / "oracle").glob("queries-*.jsonl"))
    texts = {
        json.loads(line)["query"] for file in files for line in file.read_text(encoding="utf-8").splitlines()
    }
    described = 0
    for text in texts:
        try:
            parse_query(text)
        except QuerySyntaxError:
            continue
        assert_all_is_said(text)
        described += 1
    assert described > 500
