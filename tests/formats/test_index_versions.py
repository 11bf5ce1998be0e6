"""Every version of the index, its presence and the shapes of its documents since Spack 0.12."""

from typing import Any

import pytest

from cachescope.model.errors import MalformedDocument, UnsupportedVersion
from cachescope.model.record import Presence
from cachescope.model.spec import Compiler, DependencyEdge, Deptype, EdgeKind
from tests.formats.samples import (
    CMAKE,
    GCC,
    ZLIB,
    edge,
    index_of,
    index_text,
    node,
    opened,
    read,
)

GCC_9 = {"name": "gcc", "version": "9.4.0"}
BUILD_LINK = Deptype.BUILD | Deptype.LINK
VERSIONS = ("0.9.3", "5", "6", "7", "8")


def nested(name: str, **keys: Any) -> dict[str, Any]:
    """Return a node as versions 0.9.3 and 5 write it: below its name."""
    flat = node(name, **keys)
    return {flat.pop("name"): flat}


@pytest.mark.parametrize(
    ("version", "number", "spec_format"),
    [("0.9.3", 5, 1), ("5", 5, 1), ("6", 6, 3), ("7", 7, 4), ("8", 8, 5)],
)
def test_version_tells_the_format_of_the_nodes(version: str, number: int, spec_format: int) -> None:
    document = index_of({ZLIB: node()}, version)
    assert document.header.version == number
    assert document.spec(ZLIB).spec_format == spec_format


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("says", "presence"),
    [
        ({"in_buildcache": True}, Presence.PRESENT),
        ({"in_buildcache": False}, Presence.MENTIONED),
        ({}, Presence.MENTIONED),
    ],
)
def test_presence_is_what_the_record_says_and_unstated_up_to_version_5(
    version: str, says: dict[str, bool], presence: Presence
) -> None:
    document = opened(index_text({ZLIB: {"spec": node(), "ref_count": 0, **says}}, version))
    unstated = version in {"0.9.3", "5"}
    assert document.presence == {ZLIB: Presence.UNSTATED if unstated else presence}


@pytest.mark.parametrize("version", ["0.9.3", "5"])
def test_node_below_its_name_with_dependencies_by_name_is_read(version: str) -> None:
    one = nested(
        "zlib",
        compiler=GCC_9,
        namespace="builtin",
        hash=ZLIB,
        dependencies={"cmake": {"hash": CMAKE, "type": ["build", "link"]}},
    )
    spec = read(one, version, c=nested("cmake"))
    assert (spec.name, spec.version, spec.namespace) == ("zlib", "1.3.1", "builtin")
    assert spec.compiler == Compiler("gcc", "9.4.0")
    assert spec.edges == (DependencyEdge("cmake", CMAKE, EdgeKind(BUILD_LINK, ())),)


def test_version_6_lists_dependency_types() -> None:
    one = node(
        compiler=GCC_9,
        dependencies=[
            {"name": "gmake", "hash": CMAKE},
            {"name": "cmake", "hash": CMAKE, "type": ["build"]},
            {"name": "python", "hash": GCC, "type": ["build", "link", "run", "test"]},
        ],
    )
    spec = read(one, "6")
    assert [(one.name, int(one.kind.deptypes)) for one in spec.edges] == [
        ("gmake", 0),
        ("cmake", 1),
        ("python", 15),
    ]
    assert spec.compiler == Compiler("gcc", "9.4.0")


@pytest.mark.parametrize("kind", ["build_hash", "full_hash"])
def test_dependencies_of_spack_0_17_are_found_by_their_other_hash(kind: str) -> None:
    other = "o" * 32
    one = node(
        dependencies=[
            {"name": "cmake", kind: other, "type": ["build"]},
            {"name": "gone", kind: "x" * 32, "type": ["build"]},
        ]
    )
    document = index_of({ZLIB: one, CMAKE: node("cmake", **{kind: other})}, "6")
    assert [(one.name, one.hash) for one in document.spec(ZLIB).edges] == [("cmake", CMAKE)]
    assert document.header.warnings == ("1 dependencies point to hashes that no record has",)


def test_versions_7_and_8_give_types_and_virtuals_of_each_edge() -> None:
    one = node(dependencies=[edge("openmpi", CMAKE, "build", "link", virtuals=("mpi", "crmpi"))])
    for version in ("7", "8"):
        assert read(one, version).edges == (
            DependencyEdge("openmpi", CMAKE, EdgeKind(BUILD_LINK, ("crmpi", "mpi"))),
        )


def test_last_of_duplicate_records_counts_as_in_any_json() -> None:
    first = index_text({ZLIB: {"spec": node(version="1"), "in_buildcache": True}})
    second = index_text({ZLIB: {"spec": node(version="2"), "in_buildcache": False}})
    both = first.removesuffix("}}}") + ", " + second.partition('"installs": {')[2]
    document = opened(both)
    assert document.presence == {ZLIB: Presence.MENTIONED}
    assert document.spec(ZLIB).version == "2"


def test_dependents_may_stand_before_their_dependencies() -> None:
    document = index_of(
        {ZLIB: node(dependencies=[edge("gcc", GCC, "build", virtuals=("c",))]), GCC: node("gcc", version="9")}
    )
    assert list(document) == [ZLIB, GCC]
    assert document.spec(ZLIB).compiler == Compiler("gcc", "9")


@pytest.mark.parametrize(
    "text",
    [
        index_text({ZLIB: {"spec": node()}}, "9"),
        '{"database": {"version": "10", "installs": [["moved", "elsewhere"]]}}',
        '{"database": {"version": "9"}}',
        '{"database": {"version": "9", "installs": {}}} trailing',
    ],
)
def test_newer_version_is_refused_by_name_whatever_the_rest_looks_like(text: str) -> None:
    with pytest.raises(UnsupportedVersion, match=r"version (9|10); this cachescope reads up to 8") as caught:
        opened(text)
    assert "update cachescope" in caught.value.hint


@pytest.mark.parametrize("version", ["", "eight", "4", "1", "08", "8.0", "-8", "٨", "9" * 5000])
def test_unknown_version_is_malformed(version: str) -> None:
    with pytest.raises(MalformedDocument, match="unknown version") as caught:
        opened(index_text({}, version))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("trailing", "ignored"), [("x", 1), ("\nxy", 2), (' {"database": 1}', 15), ("}", 1), ("\n\n[[[[", 4)]
)
def test_bytes_after_the_document_are_ignored_with_a_warning(trailing: str, ignored: int) -> None:
    document = opened(index_text({ZLIB: {"spec": node()}}) + trailing)
    assert document.header.warnings == (f"{ignored} bytes after the end of the JSON document were ignored",)
    assert document.spec(ZLIB).name == "zlib"


def test_white_space_after_the_document_is_no_warning() -> None:
    assert opened(index_text({}) + " \r\n").header.warnings == ()
