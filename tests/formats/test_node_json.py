"""One node, field by field: what it says in each shape is the same."""

import json
from typing import Any

import pytest

from cachescope.model.identity import DagHash
from cachescope.model.spec import Architecture, Compiler, Deptype, Variant
from tests.formats.samples import (
    ARCH,
    CMAKE,
    GCC,
    OTHER_CMAKE,
    ZLIB,
    edge,
    index_of,
    node,
    opened,
    read,
)

GCC_9 = {"name": "gcc", "version": "9.4.0"}
VERSIONS = ("0.9.3", "5", "6", "7", "8")


@pytest.mark.parametrize("version", ["5", "6", "7"])
def test_compiler_stands_on_the_node_up_to_version_7(version: str) -> None:
    assert read(node(compiler=GCC_9), version).compiler == Compiler("gcc", "9.4.0")
    assert read(node(), version).compiler is None


@pytest.mark.parametrize(
    ("annotated", "compiler"),
    [
        ({"compiler": "gcc@=10.2.1"}, Compiler("gcc", "10.2.1")),
        ({"compiler": "gcc@10.2.1"}, Compiler("gcc", "10.2.1")),
        ({"compiler": "clang"}, Compiler("clang", "")),
        ({"compiler": "None"}, None),
        ({"compiler": None}, None),
        ({}, None),
    ],
)
def test_older_node_of_version_8_has_its_compiler_as_annotation(
    annotated: dict[str, Any], compiler: Compiler | None
) -> None:
    # The edge for c is of another meaning before format 5.
    one = node(
        annotations={"original_specfile_version": 4, **annotated},
        dependencies=[edge("llvm", GCC, "build", virtuals=("c",))],
    )
    spec = read(one, g=node("llvm", version="17"))
    assert (spec.spec_format, spec.compiler) == (4, compiler)


@pytest.mark.parametrize(
    ("edges", "compiler"),
    [
        ([], None),
        ([edge("gcc", GCC, "build", "link")], None),
        ([edge("gcc", GCC, "build", virtuals=("c", "cxx"))], "gcc@12.2.0"),
        ([edge("gcc", GCC, "build", virtuals=("fortran",))], "gcc@12.2.0"),
        (
            [edge("gcc", GCC, "build", virtuals=("fortran",)), edge("llvm", CMAKE, virtuals=("c",))],
            "llvm@15.0.6",
        ),
        (
            [edge("gcc", GCC, "build", virtuals=("cxx",)), edge("llvm", CMAKE, virtuals=("cxx",))],
            "gcc@12.2.0",
        ),
        ([edge("gcc", OTHER_CMAKE, "build", virtuals=("c",))], "gcc"),
    ],
    ids=["no edge", "plain dependency", "c", "fortran alone", "c before fortran", "first edge", "no record"],
)
def test_compiler_of_format_5_is_the_first_edge_for_c_then_cxx_then_fortran(
    edges: list[dict[str, Any]], compiler: str | None
) -> None:
    one = node(dependencies=edges, annotations={"original_specfile_version": 5})
    spec = read(one, g=node("gcc", version="12.2.0"), c=node("llvm", version="15.0.6"))
    assert (None if spec.compiler is None else str(spec.compiler)) == compiler


@pytest.mark.parametrize("version", VERSIONS)
def test_target_is_a_name_or_an_object_with_a_name(version: str) -> None:
    generic = read(node(), version).architecture
    assert generic == Architecture("linux", "debian12", "x86_64_v3")
    zen = {
        "name": "zen4",
        "vendor": "AuthenticAMD",
        "features": ["avx"],
        "generation": 0,
        "parents": ["zen3"],
    }
    assert read(node(arch={**ARCH, "target": zen}), version).architecture.target == "zen4"


@pytest.mark.parametrize(
    ("external", "is_external"),
    [
        ({"path": "/usr", "module": None, "extra_attributes": {}}, True),
        ({"path": None, "module": ["cray-mpich/8"]}, True),
        ({"path": "/usr", "module": False}, True),
        ({"path": None, "module": None, "extra_attributes": {"compilers": {}}}, False),
        ({}, False),
        (None, False),
    ],
)
def test_external_has_a_path_or_a_module(external: dict[str, Any] | None, *, is_external: bool) -> None:
    assert read(node(external=external)).external is is_external
    assert read(node()).external is False


def test_parameters_are_variants_in_the_order_of_names_and_flags_apart() -> None:
    parameters = {
        "patches": ["646eb1a" + "0" * 57],
        "build_system": "makefile",
        "cflags": ["-O2", "-isystem /x"],
        "cxxflags": [],
        "ldlibs": "-lm",
        "languages": ["c", "c++"],
        "none": [],
        "opt": 3,
    }
    found = read(node(parameters=parameters)).variants
    assert found.variants == (
        Variant("build_system", "makefile"),
        Variant("languages", ("c", "c++")),
        Variant("none", ()),
        Variant("opt", "3"),
        Variant("patches", ("646eb1a" + "0" * 57,)),
    )
    assert found.flags == (("cflags", ("-O2", "-isystem /x")), ("ldlibs", ("-lm",)))


def test_patches_on_the_node_alone_are_the_last_variant() -> None:
    parameters = {"a": True, "z": False}
    document = index_of(
        {
            ZLIB: node(parameters=parameters, patches=["b" * 64, "a" * 64]),
            GCC: node(parameters=parameters),
            CMAKE: node(parameters={**parameters, "patches": ["a" * 64]}, patches=["a" * 64]),
        },
        "6",
    )
    plain = (Variant("a", value=True), Variant("z", value=False))
    assert document.spec(ZLIB).variants.variants == (*plain, Variant("patches", ("b" * 64, "a" * 64)))
    assert document.spec(GCC).variants.variants == plain
    assert [one.name for one in document.spec(CMAKE).variants.variants] == ["a", "patches", "z"]
    assert len({document.spec(one).variants.key for one in document}) == 3


@pytest.mark.parametrize(
    ("text", "value"),
    [("True", True), ("False", False), ("true", True), ("FALSE", False), ("truely", "truely"), ("1", "1")],
)
def test_booleans_as_text_are_booleans(text: str, *, value: bool | str) -> None:
    assert read(node(parameters={"pic": text}), "6").variants.variants == (Variant("pic", value),)


def test_several_children_of_one_name_stay_apart() -> None:
    one = node(dependencies=[edge("cmake", CMAKE, "build"), edge("cmake", OTHER_CMAKE, "run")])
    assert [(one.hash, one.kind.deptypes) for one in read(one).edges] == [
        (CMAKE, Deptype.BUILD),
        (OTHER_CMAKE, Deptype.RUN),
    ]


def test_equal_text_of_edges_with_and_without_types_is_not_mixed_up() -> None:
    one = node(
        dependencies=[
            {"name": "a", "hash": CMAKE},
            {"name": "b", "hash": CMAKE, "type": ["run"]},
            edge("c", CMAKE),
            edge("c", CMAKE, "test"),
            {"name": "d", "hash": CMAKE, "type": ["build", "sideways"]},
        ]
    )
    assert [int(one.kind.deptypes) for one in read(one, "6").edges] == [0, 4, 0, 8, 1]


def test_spliced_node_names_its_build_spec() -> None:
    assert read(node(build_spec={"name": "zlib", "hash": GCC})).build_spec == GCC
    assert read(node()).build_spec is None


def test_unknown_keys_are_ignored_everywhere() -> None:
    more: dict[str, Any] = {"future": {"deep": [1, None, "x"]}}
    one = node(
        arch={**ARCH, **more},
        external={"path": "/usr", **more},
        annotations={"original_specfile_version": 5, **more},
        dependencies=[{**edge("cmake", CMAKE, "build"), **more}],
        **more,
    )
    record = {"spec": one, "in_buildcache": True, "installation_time": 1.5, "path": None, **more}
    document = {"database": {"version": "8", "installs": {ZLIB: record}, **more}, **more}
    plain = index_of({ZLIB: node(external={"path": "/usr"}, dependencies=[edge("cmake", CMAKE, "build")])})
    assert opened(json.dumps(document)).spec(ZLIB) == plain.spec(ZLIB)


def test_edge_to_a_hash_without_record_is_kept() -> None:
    document = index_of({ZLIB: node(dependencies=[edge("gone", DagHash("q" * 32), "link")])})
    assert [one.hash for one in document.spec(ZLIB).edges] == ["q" * 32]
