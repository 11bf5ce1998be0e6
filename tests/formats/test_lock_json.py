"""Lock files of every version, spec documents and lists of hashes; and what is wrong with those that are none."""

import gzip
import json
import re
from typing import Any

import pytest

from cachescope.formats.lock_json import read_lock
from cachescope.model.errors import CachescopeError, MalformedDocument, UnsupportedVersion, UserInputError
from cachescope.model.lockfile import LockFile
from cachescope.model.spec import Compiler
from tests.locks import lock_document
from tests.mirrors import Node, as_json, node

ZLIB = node("zlib", "1.3")
APP = node("app", "2.0", needs=[(ZLIB, "build,link", "")])
SPECS = {one["hash"]: one for one in (APP, ZLIB)}
DOCUMENT = lock_document([APP["hash"]], SPECS)
H1, H2, B1, B2 = (letter * 32 for letter in "abcd")


def _arch() -> dict[str, str]:
    return {"platform": "linux", "platform_os": "centos7", "target": "x86_64"}


def _old(name: str, dag_hash: str, dependencies: object, **extra: object) -> Node:
    return {
        "name": name,
        "version": "1.0",
        "arch": _arch(),
        "compiler": {"name": "gcc", "version": "9.4.0"},
        "namespace": "builtin",
        "parameters": {"shared": True},
        "dependencies": dependencies,
        "hash": dag_hash,
        **extra,
    }


def _nested(one: Node) -> Node:
    return {one["name"]: {key: value for key, value in one.items() if key != "name"}}


def _lock(version: int, roots: list[str], specs: dict[str, Any], spec_format: int | None = None) -> bytes:
    meta: dict[str, object] = {"file-type": "spack-lockfile", "lockfile-version": version}
    if spec_format is not None:
        meta["specfile-version"] = spec_format
    return as_json(
        {"_meta": meta, "roots": [{"hash": one, "spec": "app"} for one in roots], "concrete_specs": specs}
    )


_BY_NAME = {"zlib": {"hash": H2, "type": ["build", "link"]}}
_BY_BUILD_HASH = [{"name": "zlib", "build_hash": B2, "type": ["build", "link"]}]
_BY_HASH = [{"name": "zlib", "hash": H2, "type": ["build", "link"]}]
_BY_PARAMETERS = [{"name": "zlib", "hash": H2, "parameters": {"deptypes": ["build", "link"], "virtuals": []}}]

OLD_VERSIONS = {
    1: _lock(1, [H1], {H1: _nested(_old("app", H1, _BY_NAME)), H2: _nested(_old("zlib", H2, {}))}),
    2: _lock(2, [B1], {B1: _nested(_old("app", H1, _BY_NAME)), B2: _nested(_old("zlib", H2, {}))}),
    3: _lock(
        3,
        [B1],
        {
            B1: _old("app", H1, _BY_BUILD_HASH, build_hash=B1),
            B2: _old("zlib", H2, [], build_hash=B2),
        },
        2,
    ),
    4: _lock(4, [H1], {H1: _old("app", H1, _BY_HASH), H2: _old("zlib", H2, [])}, 3),
    5: _lock(5, [H1], {H1: _old("app", H1, _BY_PARAMETERS), H2: _old("zlib", H2, [])}, 4),
}


@pytest.mark.parametrize("version", OLD_VERSIONS)
def test_old_lock_files_are_keyed_by_dag_hash_whatever_their_own_keys(version: int) -> None:
    lock = read_lock(OLD_VERSIONS[version], "spack.lock")
    assert lock.roots == (H1,)
    assert [(one.hash, one.name) for one in lock.specs.values()] == [(H2, "zlib"), (H1, "app")]
    (edge,) = lock.specs[lock.roots[0]].edges
    assert (edge.name, edge.hash, edge.kind.deptypes) == ("zlib", H2, 3)
    assert lock.specs[lock.roots[0]].compiler == Compiler("gcc", "9.4.0")


@pytest.mark.parametrize("version", [6, 7])
def test_lock_files_of_spack_1_are_read(version: int) -> None:
    lock = read_lock(lock_document([APP["hash"]], SPECS, version=version), "spack.lock")
    assert list(lock.specs) == [ZLIB["hash"], APP["hash"]]
    assert lock.names == ("spack.lock",)


def test_included_environments_belong_to_a_lock_file() -> None:
    part = {"roots": [{"hash": ZLIB["hash"], "spec": "zlib"}], "concrete_specs": {ZLIB["hash"]: ZLIB}}
    document = lock_document([APP["hash"]], SPECS, include_concrete={"/other": part})
    assert read_lock(document, "spack.lock").roots == (APP["hash"], ZLIB["hash"])


def test_two_builds_under_one_dag_hash_are_one_spec_and_said_so() -> None:
    specs = {
        B1: _old("zlib", H1, [], build_hash=B1),
        B2: _old("zlib", H1, [], build_hash=B2),
    }
    lock = read_lock(_lock(3, [B1, B2], specs, 2), "spack.lock")
    assert lock.roots == (H1,)
    assert "stands for several builds" in lock.warnings[0]


def test_spec_documents_are_read_with_or_without_a_signature() -> None:
    document = as_json({"spec": {"_meta": {"version": 5}, "nodes": [APP, ZLIB]}})
    signed = (
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
        + document
        + b"\n-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"
    )
    for one in (document, signed):
        lock = read_lock(one, "app.spec.json")
        assert (lock.roots, len(lock.specs)) == ((APP["hash"],), 2)


@pytest.mark.parametrize(
    ("version", "dependencies"), [(2, _BY_BUILD_HASH), (3, _BY_HASH), (4, _BY_PARAMETERS)]
)
def test_old_spec_documents_are_read(version: int, dependencies: object) -> None:
    nodes = [_old("app", H1, dependencies, build_hash=B1), _old("zlib", H2, [], build_hash=B2)]
    lock = read_lock(as_json({"spec": {"_meta": {"version": version}, "nodes": nodes}}), "app.spec.json")
    assert (lock.roots, set(lock.specs)) == ((H1,), {H1, H2})


def test_a_spec_document_of_version_1_is_a_list() -> None:
    nodes = [_nested(_old("app", H1, _BY_NAME)), _nested(_old("zlib", H2, {}))]
    assert set(read_lock(as_json({"spec": nodes}), "app.spec.json").specs) == {H1, H2}


def test_spliced_specs_keep_their_build_specs() -> None:
    spliced = {**APP, "build_spec": {"name": "app", "hash": H1}, "hash": H2}
    lock = read_lock(
        lock_document([H2], {H2: spliced, H1: {**APP, "hash": H1}, ZLIB["hash"]: ZLIB}), "spack.lock"
    )
    assert lock.specs[lock.roots[0]].build_spec == H1
    assert len(lock.specs) == 3


@pytest.mark.parametrize(
    "text",
    [
        f"{H1}\n{H2}\n",
        f"/{H1}\n\n# mine\n/{H2}",
        f"==> 2 installed packages\n-- linux-debian12-x86_64_v3 / gcc@12.2.0 ---\n{H1} zlib@1.3\n{H2} app@2.0\n",
        f'["{H1}", "/{H2}"]',
        f"\ufeff{H1}\r\n{H2}\r\n{H1}\r\n",
    ],
    ids=["plain", "slashes and comments", "spack find", "json", "windows"],
)
def test_lists_of_hashes_are_read(text: str) -> None:
    lock = read_lock(text.encode(), "hashes.txt")
    assert lock.bare == lock.roots == (H1, H2)


def test_several_documents_are_joined_and_count_a_spec_once() -> None:
    one = read_lock(DOCUMENT, "a.lock")
    other = read_lock(f"{ZLIB['hash']}\n{H1}".encode(), "b.txt")
    joined = LockFile.joined([one, other])
    assert joined.names == ("a.lock", "b.txt")
    assert joined.bare == (H1,)
    assert list(joined.specs) == [ZLIB["hash"], APP["hash"]]


def test_externals_say_where_they_are() -> None:
    external = {**ZLIB, "external": {"path": "/usr", "module": None}}
    lock = read_lock(lock_document([ZLIB["hash"]], {ZLIB["hash"]: external}), "spack.lock")
    assert lock.external_places == {ZLIB["hash"]: "/usr"}
    assert lock.specs[lock.roots[0]].external


def _edited(**changes: object) -> bytes:
    document = json.loads(DOCUMENT)
    for key, value in changes.items():
        if value is None:
            del document[key]
        else:
            document[key] = value
    return as_json(document)


def _with_node(**changes: object) -> bytes:
    return lock_document([APP["hash"]], {**SPECS, APP["hash"]: {**APP, **changes}})


def _circle() -> bytes:
    there = {"name": "b", "hash": H2, "parameters": {"deptypes": ["build"], "virtuals": []}}
    back = {"name": "a", "hash": H1, "parameters": {"deptypes": ["build"], "virtuals": []}}
    one = {**ZLIB, "name": "a", "hash": H1, "dependencies": [there]}
    other = {**ZLIB, "name": "b", "hash": H2, "dependencies": [back]}
    return lock_document([H1], {H1: one, H2: other})


_SPECS_TEXT = json.dumps(SPECS)

BAD: dict[str, tuple[bytes, type[CachescopeError], str]] = {
    "empty": (b"", MalformedDocument, "empty"),
    "blank": (b" \n\n", MalformedDocument, "empty"),
    "yaml": (b"spack:\n  specs: [zlib]\n", UserInputError, "concretize first: 'spack concretize'"),
    "yaml as json": (
        b'{"spack": {"specs": ["zlib"]}}',
        UserInputError,
        "concretize first: 'spack concretize'",
    ),
    "html": (b"<!doctype html><html>", MalformedDocument, "web page"),
    "binary": (b"\x00\xff\xfe\x01", MalformedDocument, "neither JSON nor text"),
    "compressed": (gzip.compress(DOCUMENT), MalformedDocument, "neither JSON nor text"),
    "prose": (b"hello world", UserInputError, "holds no DAG hash"),
    "short hash": (b"abcdefg\n", UserInputError, "line 1: 'abcdefg' holds no DAG hash"),
    "truncated": (DOCUMENT[:-200], MalformedDocument, "ends in the middle"),
    "deep": (b'{"_meta":' + b"[" * 100_000, MalformedDocument, "nested too deeply"),
    "an index": (b'{"database": {"version": "8", "installs": {}}}', UserInputError, "index of a build cache"),
    "other json": (b'{"a": 1}', MalformedDocument, "neither a lock file"),
    "newer": (
        _edited(_meta={"file-type": "spack-lockfile", "lockfile-version": 8}),
        UnsupportedVersion,
        "version 8",
    ),
    "no meta": (_edited(_meta=None), MalformedDocument, "_meta"),
    "version as text": (
        _edited(_meta={"lockfile-version": "6"}),
        MalformedDocument,
        "_meta.lockfile-version",
    ),
    "version 0": (_edited(_meta={"lockfile-version": 0}), MalformedDocument, "no lock file version 0"),
    "no roots": (_edited(roots=None), MalformedDocument, "roots"),
    "roots as object": (_edited(roots={}), MalformedDocument, "roots"),
    "specs as list": (_edited(concrete_specs=[]), MalformedDocument, "concrete_specs"),
    "unknown root": (_edited(roots=[{"hash": H1}]), MalformedDocument, "roots[0].hash"),
    "spec is no object": (_edited(concrete_specs={APP["hash"]: 7}), MalformedDocument, "concrete_specs["),
    "key is no hash": (
        _edited(roots=[], concrete_specs={"x": {"name": "a"}}),
        MalformedDocument,
        "is not a DAG hash",
    ),
    "another key": (_edited(roots=[], concrete_specs={H1: ZLIB}), MalformedDocument, "calls itself"),
    "no version": (_with_node(version=""), MalformedDocument, "not concrete"),
    "bad version": (_with_node(version=3), MalformedDocument, ".version"),
    "bad arch": (_with_node(arch="x86"), MalformedDocument, ".arch"),
    "bad name": (_with_node(name="../etc"), MalformedDocument, "not a package name"),
    "bad edges": (_with_node(dependencies=[7]), MalformedDocument, "dependencies[0]"),
    "missing dependency": (
        lock_document([APP["hash"]], {APP["hash"]: APP}),
        MalformedDocument,
        "is not among the specs",
    ),
    "circle": (_circle(), MalformedDocument, "a -> b -> a"),
    "repeated spec": (
        DOCUMENT.replace(b'"concrete_specs":{', f'"concrete_specs":{{"{H1}":{{}},"{H1}":{{}},'.encode()),
        MalformedDocument,
        f"the key {H1!r} stands twice",
    ),
    "repeated section": (
        DOCUMENT[:-1] + b',"roots":[]}',
        MalformedDocument,
        "the key 'roots' stands twice",
    ),
    "repeated section with bytes that are no text": (
        DOCUMENT[:-1] + b',"roots":[],"roots":[],"note":"\xff"}',
        MalformedDocument,
        "not valid JSON text",
    ),
    "empty spec document": (
        b'{"spec": {"_meta": {"version": 5}, "nodes": []}}',
        MalformedDocument,
        "holds no spec",
    ),
    "newer spec document": (
        b'{"spec": {"_meta": {"version": 6}, "nodes": []}}',
        UnsupportedVersion,
        "version 6",
    ),
    "list of numbers": (b"[1, 2]", MalformedDocument, "malformed at [0]"),
    "empty list": (b"[]", UserInputError, "names no hash"),
    "half a signature": (b"-----BEGIN PGP SIGNED MESSAGE-----\n\n{", MalformedDocument, "envelope"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_names_file_place_and_remedy(case: str) -> None:
    document, kind, told = BAD[case]
    with pytest.raises(kind, match=r"^my\.lock") as caught:
        read_lock(document, "my.lock")
    assert re.search(re.escape(told), f"{caught.value} {caught.value.hint}")
    assert caught.value.hint


def test_a_number_that_nothing_reads_may_have_any_length() -> None:
    """Keys that look repeated make the whole document be read once more."""
    note = b',"note":{"roots":0,"nodes":0,"_meta":0,"concrete_specs":%b}}' % (b"9" * 5000)
    assert read_lock(DOCUMENT[:-1] + note, "my.lock").specs == read_lock(DOCUMENT, "my.lock").specs


def test_every_cut_of_a_lock_file_is_refused() -> None:
    for length in range(0, len(DOCUMENT), 7):
        with pytest.raises((MalformedDocument, UserInputError)):
            read_lock(DOCUMENT[:length], "cut.lock")


def test_fifty_thousand_nodes_in_one_chain_are_read() -> None:
    """Far deeper than any stack: nothing here may call itself once a level."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    hashes = [
        "".join(alphabet[number >> shift & 31] for shift in (15, 10, 5, 0)) * 8 for number in range(50_000)
    ]
    specs = {}
    for number, dag_hash in enumerate(hashes):
        below = [
            {"name": "n", "hash": hashes[number - 1], "parameters": {"deptypes": ["link"], "virtuals": []}}
        ]
        specs[dag_hash] = {**ZLIB, "name": "n", "hash": dag_hash, "dependencies": below if number else []}
    lock = read_lock(lock_document([hashes[-1]], specs), "spack.lock")
    assert list(lock.specs) == hashes
