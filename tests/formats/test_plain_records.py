"""Nodes that are read without a decoder of JSON say what the decoder says, and are written out again as they stood."""

import copy
import gzip
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachescope.formats.node_json import NodeDecoder
from cachescope.formats.plain_records import PlainNode, PlainRecords
from cachescope.model.errors import MalformedRecord
from cachescope.model.identity import DagHash
from cachescope.model.record_form import PATCHES, RecordForm, edge_text, is_hashed_text
from cachescope.model.spec import ConcreteSpec
from tests import mirrors
from tests.formats.samples import V2, V3, opened, shared, v2_index, v3_index

Node = dict[str, Any]


def _without_edges(node: Node) -> Node:
    """Leave the key out, as Spack does."""
    return {key: value for key, value in node.items() if key != "dependencies"}


GCC = _without_edges(mirrors.node("gcc", "12.2.0"))
ZLIB = mirrors.node("zlib", "1.3.1", needs=[(GCC, "build", "c,cxx")])
PATCHED = _without_edges(
    mirrors.node(
        "ampt", variants={"build_system": "makefile", "patches": ["7a9a", "11f0"]}, patches=["7a9a", "11f0"]
    )
)
HDF5 = mirrors.node(
    "hdf5",
    "1.14.3",
    variants={"api": "default", "mpi": True, "patches": ["ab"]},
    needs=[(GCC, "build", "c"), (ZLIB, "build,link,run", ""), (PATCHED, "test", "")],
)


def _decoder() -> NodeDecoder:
    return NodeDecoder(
        hashes=(), version_of=lambda dag_hash: f"v{dag_hash[:2]}", resolve=lambda _kind, _value: None
    )


def _both(
    text: bytes, dag_hash: str, document_format: int = 5
) -> tuple[PlainNode, list[bytes], ConcreteSpec] | None:
    """Read a node in both ways; None where it is not plain. What is plain is a record that the decoder accepts."""
    records = PlainRecords(_decoder(), document_format=document_format)
    ends = records.ends()
    plain = records.read(DagHash(dag_hash), text, ends)
    if plain is None:
        assert not ends.names
        return None
    spec = _decoder().decode(DagHash(dag_hash), text, document_format=document_format, where="")
    assert [(ends.names[place], ends.hashes[place], ends.kinds[place]) for place in plain.places] == list(
        spec.edges
    )
    return plain, [edge_text(edge) for edge in spec.edges], spec


def _holds(text: bytes, dag_hash: str, document_format: int = 5) -> bool:
    """Say whether a node is plain, and hold it against the decoder and its own text."""
    found = _both(text, dag_hash, document_format)
    if found is None:
        return False
    plain, edges, spec = found
    known = plain.known
    own = (spec.hash, plain.name, plain.version, known.namespace, known.architecture, plain.compiler)
    assert own == spec[: len(own)]
    rest = (plain.variants, plain.package_hash, False, None, known.spec_format, spec.edges)
    assert rest == spec[len(own) :]
    assert known.form is not None
    form = RecordForm.of_content(known.form.content)
    written = form.record(
        name=spec.name.encode(),
        version=spec.version.encode(),
        parameters=spec.variants.key,
        package_hash=spec.package_hash.encode(),
        edges=edges,
        dag_hash=dag_hash.encode(),
    )
    assert written == text
    return True


@pytest.mark.parametrize("node", [GCC, ZLIB, PATCHED, HDF5], ids=lambda node: node["name"])
def test_what_spack_writes_is_plain(node: Node) -> None:
    assert _holds(mirrors.as_json(node), node["hash"])


def test_patches_that_stand_twice_are_kept_once() -> None:
    found = _both(mirrors.as_json(PATCHED), PATCHED["hash"])
    assert found is not None
    form = found[0].known.form
    assert form is not None
    assert PATCHES in form.middle
    assert b"7a9a" not in form.content


def test_nodes_of_older_formats_have_the_compiler_of_their_form() -> None:
    old = copy.deepcopy(ZLIB)
    old["annotations"] = {"original_specfile_version": 4, "compiler": "gcc@=10.2.1"}
    assert _holds(mirrors.as_json(old), old["hash"])
    found = _both(mirrors.as_json(old), old["hash"])
    assert found is not None
    assert str(found[0].compiler) == "gcc@10.2.1"


def _with(**keys: Any) -> Node:
    return {**copy.deepcopy(HDF5), **keys}


def _text_of(change: Callable[[str], str]) -> bytes:
    return change(json.dumps(HDF5, separators=(",", ":"))).encode()


NOT_PLAIN: dict[str, bytes] = {
    "an external": mirrors.as_json(_with(external={"path": "/usr", "module": None})),
    "a spliced spec": _text_of(
        lambda text: text.replace(
            ',"annotations"', ',"build_spec":{"name":"x","hash":"' + "b" * 32 + '"},"annotations"'
        )
    ),
    "blanks": json.dumps(HDF5).encode(),
    "a name with an escape": _text_of(lambda text: text.replace('"hdf5"', '"h\\u0064f5"', 1)),
    "a name that is a path": _text_of(lambda text: text.replace('"hdf5"', '"../x"', 1)),
    "a version with a quote": mirrors.as_json(_with(version='1"2')),
    "a version with a NUL": mirrors.as_json(_with(version="1\0")),
    "a version beyond ASCII": json.dumps(
        _with(version="1é"), separators=(",", ":"), ensure_ascii=False
    ).encode(),
    "an empty version": mirrors.as_json(_with(version="")),
    "a version that is none": mirrors.as_json(_with(version=None)),
    "parameters that nest": mirrors.as_json(_with(parameters={"a": {"b": 1}})),
    "parameters with an escape": mirrors.as_json(_with(parameters={"a": 'x"y'})),
    "a bracket in a parameter": mirrors.as_json(_with(parameters={"a": "x}y"})),
    "a package hash that is none": mirrors.as_json(_with(package_hash="x y")),
    "another hash": mirrors.as_json(_with(hash="c" * 32)),
    "no hash": mirrors.as_json({key: value for key, value in HDF5.items() if key != "hash"}),
    "another order": mirrors.as_json(dict(reversed(HDF5.items()))),
    "a key that stands twice": _text_of(
        lambda text: text.replace('"annotations"', '"name":"x","annotations"', 1)
    ),
    "patches in another order": mirrors.as_json(
        {
            **{key: value for key, value in PATCHED.items() if key not in {"annotations", "hash"}},
            "patches": ["11f0", "7a9a"],
            "annotations": PATCHED["annotations"],
            "hash": HDF5["hash"],
        }
    ),
    "a direct dependency": _text_of(
        lambda text: text.replace('"virtuals":[]}', '"virtuals":[],"direct":true}', 1)
    ),
    "types in another order": _text_of(lambda text: text.replace('"build","link"', '"link","build"')),
    "a type that is unknown": _text_of(lambda text: text.replace('"test"', '"later"')),
    "a dependency by no hash": _text_of(lambda text: text.replace(ZLIB["hash"], "../../etc/passwd")),
    "a dependency that is a path": _text_of(lambda text: text.replace('"name":"zlib"', '"name":"a/b"')),
    "dependencies that do not end": _text_of(lambda text: text.replace("}}],", "}},")),
    "a truncated node": mirrors.as_json(HDF5)[:-40],
    "nothing": b"",
    "an array": b"[]",
}


@pytest.mark.parametrize("kind", NOT_PLAIN)
def test_what_is_written_otherwise_is_left_to_the_decoder(kind: str) -> None:
    assert not _holds(NOT_PLAIN[kind], HDF5["hash"])


def test_dependencies_of_a_node_that_is_not_plain_after_all_are_forgotten() -> None:
    records = PlainRecords(_decoder(), document_format=5)
    ends = records.ends()
    assert records.read(DagHash(HDF5["hash"]), NOT_PLAIN["types in another order"], ends) is None
    assert (ends.names, ends.hashes, ends.kinds, dict(ends)) == ([], [], [], {})
    plain = records.read(DagHash(HDF5["hash"]), mirrors.as_json(HDF5), ends)
    assert plain is not None
    assert [ends.names[place] for place in plain.places] == ["gcc", "zlib", "ampt"]


@given(st.data())
def test_any_alteration_is_read_as_the_decoder_reads_it_or_not_at_all(data: st.DataObject) -> None:
    text = bytearray(mirrors.as_json(data.draw(st.sampled_from([ZLIB, PATCHED, HDF5]))))
    dag_hash = text[-34:-2].decode()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text) - 1))
        stop = start + data.draw(st.integers(0, 12))
        text[start:stop] = data.draw(st.sampled_from(PIECES))
    try:
        _decoder().decode(DagHash(dag_hash), bytes(text), document_format=5, where="")
    except (MalformedRecord, msgspec.MsgspecError):
        assert (
            PlainRecords(_decoder(), document_format=5).read(
                DagHash(dag_hash), bytes(text), PlainRecords(_decoder(), document_format=5).ends()
            )
            is None
        )
    else:
        _holds(bytes(text), dag_hash)


PIECES = (
    b"",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\",
    b"\0",
    b"\xff",
    b"x",
    b'","',
    b'},"',
    b'"name":"x",',
    b"]}},{",
)


def _records() -> Iterator[tuple[str, bytes]]:
    for index in (v3_index(V3), v2_index(V2)):
        document = opened(index)
        yield from ((one, document.original(one)) for one in document)


def test_records_of_the_bundled_caches_are_read_alike() -> None:
    plain = [dag_hash for dag_hash, text in _records() if _holds(text, dag_hash)]
    assert len(plain) > 100


def test_real_concrete_nodes_are_read_alike() -> None:
    nodes = json.loads(gzip.decompress(shared("data/concrete-nodes.json.gz").read_bytes()))
    found = nodes["nodes"] if isinstance(nodes, dict) else nodes
    some = random.Random(5).sample(found, min(400, len(found)))  # noqa: S311 - spread, not secrecy
    plain = [one for one in some if _holds(mirrors.as_json(one), one["hash"])]
    assert len(plain) > len(some) * 0.8


def test_a_record_is_the_text_of_its_hash_or_not() -> None:
    text = mirrors.as_json(HDF5)
    assert is_hashed_text(HDF5["hash"], text)
    assert not is_hashed_text(ZLIB["hash"], text)
    assert not is_hashed_text(HDF5["hash"], text.replace(b"1.14.3", b"1.14.4"))
    assert not is_hashed_text(HDF5["hash"], b"")
