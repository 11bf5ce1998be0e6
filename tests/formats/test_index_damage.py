"""What is wrong with an index is said with its place; what is right in it stays readable."""

import gc
import weakref
from typing import Any

import pytest

from cachescope.formats import index_json
from cachescope.model.errors import MalformedDocument, MalformedRecord
from cachescope.model.identity import DagHash
from cachescope.model.record import Verdict
from tests.formats.samples import (
    GCC,
    V3,
    ZLIB,
    edge,
    index_of,
    index_text,
    node,
    opened,
    read_all,
    shared,
    v3_index,
)

SPEC = f"database.installs[{ZLIB}].spec"
WHOLE = {"spec": node("gcc"), "in_buildcache": True}
DEPTH = 200_000
DEEP = "[" * DEPTH + "]" * DEPTH


@pytest.mark.parametrize(
    ("keys", "where", "problem"),
    [
        ({"version": None}, ".version", "expected `str`, got `null`"),
        ({"version": ""}, ".version", "the node has no version, so it is not concrete"),
        ({"version": 1.3}, ".version", "expected `str`, got `float`"),
        ({"name": ""}, ".name", "the node has no name"),
        ({"name": "../../etc/x"}, ".name", "'../../etc/x' is not a package name"),
        ({"arch": None}, ".arch", "expected `object`, got `null`"),
        ({"arch": {"platform": "linux"}}, ".arch", "object missing required field `platform_os`"),
        ({"arch": {"platform": "l", "platform_os": "d", "target": 3}}, ".arch.target", "got `int`"),
        ({"parameters": []}, ".parameters", "expected `object`, got `array`"),
        ({"parameters": {"pic": None}}, ".parameters[...]", "got `null`"),
        ({"parameters": {"cflags": [["-O2"]]}}, ".parameters[...][0]", "expected `str`, got `array`"),
        ({"patches": [1]}, ".patches[0]", "expected `str`, got `int`"),
        ({"external": "/usr"}, ".external", "got `str`"),
        ({"build_spec": {"hash": "short"}}, ".build_spec.hash", "'short' is not a DAG hash"),
        ({"build_spec": {}}, ".build_spec", "object missing required field `hash`"),
        ({"annotations": {"original_specfile_version": 6}}, ".annotations.original_specfile_version", "<= 5"),
        ({"annotations": {"original_specfile_version": 2**80}}, ".annotations.original_specfile_version", ""),
        ({"dependencies": "gcc"}, ".dependencies", "got `str`"),
        ({"dependencies": [edge("gcc", GCC), 1]}, ".dependencies[1]", "expected `object`, got `int`"),
        ({"dependencies": [edge("gcc", "short")]}, ".dependencies[0]", "'short' is not a DAG hash"),
        ({"dependencies": [edge("gcc", "g" * 31 + "1")]}, ".dependencies[0]", "is not a DAG hash"),
        (
            {"dependencies": [{"name": "gcc", "hash": 5}]},
            ".dependencies[0].hash",
            "expected `str`, got `int`",
        ),
        ({"dependencies": [{"name": "gcc"}]}, ".dependencies[0]", "'' is not a DAG hash"),
        ({"dependencies": [{"hash": GCC}]}, ".dependencies[0]", "the dependency has no name"),
        ({"dependencies": [edge("a/b", GCC)]}, ".dependencies[0].name", "'a/b' is not a package name"),
        (
            {"dependencies": [edge("gcc", GCC), {"name": "gcc", "hash": GCC, "parameters": {"deptypes": 1}}]},
            ".dependencies[1].parameters.deptypes",
            "expected `array`, got `int`",
        ),
        ({"dependencies": {"gcc": {"hash": "short"}}}, ".dependencies[gcc]", "'short' is not a DAG hash"),
    ],
)
def test_node_of_wrong_shape_is_rejected_with_its_path(
    keys: dict[str, Any], where: str, problem: str
) -> None:
    document = index_of({ZLIB: node(**keys), GCC: node("gcc")})
    with pytest.raises(MalformedRecord) as caught:
        document.spec(ZLIB)
    assert caught.value.where == SPEC + where
    assert problem in caught.value.message
    assert document.spec(GCC).name == "gcc"


@pytest.mark.parametrize("key", ["version", "arch", "name"])
def test_node_without_a_needed_key_is_rejected(key: str) -> None:
    one = node()
    del one[key]
    with pytest.raises(MalformedRecord, match="the node has no") as caught:
        index_of({ZLIB: one}).spec(ZLIB)
    assert caught.value.where == f"{SPEC}.{key}"


@pytest.mark.parametrize(
    ("record", "where", "problem"),
    [
        (5, "", "expected `object`, got `int`"),
        (None, "", "expected `object`, got `null`"),
        ({"in_buildcache": True}, "", "object missing required field `spec`"),
        ({"spec": node(), "in_buildcache": "yes"}, ".in_buildcache", "expected `bool`, got `str`"),
        ({"spec": node(), "in_buildcache": None}, ".in_buildcache", "expected `bool`, got `null`"),
    ],
)
def test_record_of_wrong_shape_is_rejected_and_hides_no_other(record: Any, where: str, problem: str) -> None:
    document = opened(index_text({ZLIB: record, GCC: WHOLE}))
    assert list(document) == [GCC]
    assert document.spec(GCC).name == "gcc"
    assert [(one.where, one.message) for one in document.rejected] == [
        (f"database.installs[{ZLIB}]{where}", problem)
    ]


@pytest.mark.parametrize(
    "key", ["", "short", "Z" * 32, "z" * 31 + "1", "z" * 33, "../" + "z" * 29, "z" * 5000]
)
@pytest.mark.parametrize("other", [WHOLE, 5], ids=["beside whole records", "beside a broken one"])
def test_record_under_a_key_that_is_no_hash_is_rejected(key: str, other: Any) -> None:
    document = opened(index_text({key: {"spec": node()}, GCC: WHOLE, ZLIB: other}))
    assert key not in document.presence
    assert document.spec(GCC).name == "gcc"
    (rejected,) = (one for one in document.rejected if one.where == "database.installs")
    assert "is not a DAG hash" in rejected.message
    assert len(rejected.message) < 200


@pytest.mark.parametrize(
    "spoilt",
    [
        b'"version": "1.\xff"',
        b'"version": "1", "namespace": "\xc3"',
        b'"version": "1", "patches": ["\xed\xa0\x80"]',
    ],
)
def test_record_with_invalid_utf_8_is_rejected_and_hides_no_other(spoilt: bytes) -> None:
    text = index_text({ZLIB: {"spec": node()}, GCC: WHOLE}).encode()
    document = opened(text.replace(b'"version": "1.3.1"', spoilt, 1))
    with pytest.raises(MalformedRecord, match="not valid UTF-8") as caught:
        document.spec(ZLIB)
    assert caught.value.where == SPEC
    assert document.spec(GCC).name == "gcc"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", r"the index is empty \(0 bytes\)"),
        (b"   ", "the JSON ends in the middle"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\n\n  <html>", "a web page"),
        (b"404 page not found", "expected `object`, got `int`"),
        (b"null", "expected `object`, got `null`"),
        (b"[]", "expected `object`, got `array`"),
        (b"{}", "missing required field `database`"),
        (b'{"database": []}', "at database: expected `object`, got `array`"),
        (b'{"database": {"installs": {}}}', "at database: object missing required field `version`"),
        (b'{"database": {"version": 8, "installs": {}}}', "at database.version: expected `str`, got `int`"),
        (b'{"database": {"version": "8"}}', "at database: object missing required field `installs`"),
        (b'{"database": {"version": "8", "installs": []}}', "at database.installs: expected `object`"),
        (b'{"database": {"version": "8", "installs": {"\xff": {}}}}', "not valid UTF-8"),
        (b'\xff\xfe{"database"', "malformed"),
        (b'{"database": {"version": NaN}}', "invalid character"),
        (b"\x1f\x8b\x08\x00", "malformed"),
    ],
)
def test_what_is_no_index_is_malformed(data: bytes, problem: str) -> None:
    with pytest.raises(MalformedDocument, match=problem) as caught:
        opened(data)
    assert caught.value.hint


def test_index_that_ends_anywhere_in_the_middle_is_malformed() -> None:
    data = v3_index(V3, "science")
    for end in range(0, len(data) - 1, 37):
        with pytest.raises(MalformedDocument, match=r"empty|ends in the middle"):
            opened(data[:end])


@pytest.mark.parametrize(
    "before",
    [
        "",
        '{"database": ',
        '{"more": ',
        '{"database": {"version": ',
        '{"database": {"version": "9", "installs": ',
        '{"database": {"version": "8", "installs": ',
        f'{{"database": {{"version": "8", "installs": {{"{ZLIB}": ',
        f'{{"database": {{"version": "8", "installs": {{"{ZLIB}": {{"origin": ',
        f'{{"database": {{"version": "8", "installs": {{"{ZLIB}": {{"spec": ',
        f'{{"database": {{"version": "8", "installs": {{"{ZLIB}": {{"spec": {{"parameters": ',
        f'{{"database": {{"version": "8", "installs": {{"{ZLIB}": {{"spec": {{"dependencies": [',
    ],
)
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_anywhere_is_malformed(before: str, opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    brackets = "".join("}" if one == "{" else "]" for one in reversed(before) if one in "[{")
    for end in ("1" + closing * DEPTH + brackets, ""):
        with pytest.raises(MalformedDocument):
            opened(before + opening * DEPTH + end)


def test_nesting_at_any_depth_is_read_or_refused() -> None:
    text = index_text({ZLIB: {"spec": node(extra="@")}})
    for depth in range(300, 1200, 7):
        document = text.replace('"@"', "[" * depth + "]" * depth)
        assert read_all(document.encode()) in {-1, 0, 1}


@pytest.mark.parametrize(
    "number",
    ["1" * 30, "1" * 400, "1" * 5000, "-" + "9" * 400, "1e400", "1e99999", "1E+5", "0." + "1" * 5000],
)
@pytest.mark.parametrize(
    "place", ['"ref_count": @', '"in_buildcache": @', '"spec": @', '"spec": {"name": "zlib", "version": @}']
)
def test_huge_numbers_anywhere_are_read_or_refused(number: str, place: str) -> None:
    record = f'{{"spec": {{}}, {place}}}'.replace("@", number)
    document = f'{{"database": {{"version": "8", "installs": {{"{ZLIB}": {record}}}}}}}'
    assert read_all(document.encode()) in {-1, 0}


@pytest.mark.parametrize(("number", "decoded"), [("1" * 30, 1), ("1e5", 1), ("1" * 5000, 0), ("1e999", 0)])
def test_number_as_the_value_of_a_variant_is_text_or_rejected(number: str, decoded: int) -> None:
    text = index_text({ZLIB: {"spec": node(parameters={"opt": "@"})}}).replace('"@"', number)
    assert read_all(text.encode()) == decoded


@pytest.mark.shared
@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("deep-index", "at database.installs: expected `object`, got `array`"),
        ("truncated-index", "ends in the middle"),
        ("non-json-index", "a web page"),
    ],
)
def test_damaged_indexes_are_malformed(damage: str, problem: str) -> None:
    with pytest.raises(MalformedDocument, match=problem):
        opened(v3_index(shared(f"caches/damaged/{damage}")))


@pytest.mark.shared
def test_all_hashes_of_the_large_mirror_are_verified() -> None:
    document = opened(v3_index(shared("data/mirror-10k")))
    verdicts = [document.verification(document.spec(one)).verdict for one in document]
    assert verdicts == [Verdict.VERIFIED] * 9_784
    assert not document.rejected
    assert document.header.warnings == ()


@pytest.mark.shared
def test_splices_that_keep_their_build_spec_end_in_its_hash() -> None:
    document = opened(v3_index(shared("caches/v3-spliced-unsigned")))
    specs = {one: document.spec(one) for one in document}
    spliced = {one.hash: one for one in specs.values() if one.build_spec}
    verified = {
        one for one, spec in spliced.items() if document.verification(spec).verdict is Verdict.VERIFIED
    }
    assert (len(specs), len(spliced)) == (28, 6)
    # cr-mpich and cr-netcdf were spliced out of splices, and name another build spec than they were hashed with.
    assert sorted(one.name for key, one in spliced.items() if key not in verified) == [
        "cr-mpich",
        "cr-netcdf",
    ]
    assert all(one[-7:] == DagHash(spliced[one].build_spec or "")[-7:] for one in verified)
    assert sum(document.verification(spec).verdict is Verdict.VERIFIED for spec in specs.values()) == 25


@pytest.mark.parametrize("least", [0, 1 << 30])
def test_a_document_goes_with_its_last_reader(least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync reads hundreds of documents, and runs without the cycle collector."""
    monkeypatch.setattr(index_json, "_WORTH_CUTTING", least)
    document = opened(v3_index(V3))
    assert len(list(document.batches(list(document), list))) == 1
    gone = weakref.ref(document)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        del document
        assert gone() is None
    finally:
        if was_enabled:
            gc.enable()
