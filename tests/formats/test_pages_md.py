"""Published pages are read in all their forms, and written in one."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachescope.formats.pages_md import PageRow, PublishedPage, decode_page, encode_page, printed_row
from cachescope.model.errors import MalformedDocument, MalformedRecord
from cachescope.model.identity import ROOT, DagHash, PackageName, Ref, Stack
from cachescope.model.record import Presence
from cachescope.model.spec import Architecture, Compiler, Variant, variant_text
from tests.formats.samples import SEED
from tests.strategies import page_rows

ZLIB, GCC = DagHash("z" * 32), DagHash("g" * 32)
PACKAGE, DEVELOP = PackageName("zlib"), Ref("develop")
ROW = PageRow(
    hash=ZLIB,
    version="1.3.1",
    compiler="gcc@13.2.0",
    os="ubuntu22.04",
    platform="linux",
    target="x86_64_v3",
    variants=("build_system=makefile", "+optimize"),
    stacks=(Stack("e4s"), ROOT),
)


def row_json(**keys: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "compiler": "gcc@13.2.0",
        "hash": ZLIB,
        "os": "ubuntu22.04",
        "platform": "linux",
        "size": "-",
        "stacks": ["e4s", "root"],
        "target": "x86_64_v3",
        "variants": ["build_system=makefile", "+optimize"],
        "versions": ["1.3.1"],
    }
    return {**row, **keys}


def page_text(*rows: Any, **fields: str) -> bytes:
    """Return a page; ``fields`` replace lines of it, an empty text takes one away."""
    lines = {
        "title": '"zlib"',
        "layout": "cache",
        "categories": "[package, develop]",
        "meta": "{}",
        "spec_details": json.dumps(rows),
        **fields,
    }
    return "\n".join(["---", *(f"{key}: {value}" for key, value in lines.items() if value), "---"]).encode()


def decoded(text: bytes) -> PublishedPage:
    page = decode_page(text)
    assert page is not None
    return page


def test_published_page_is_read_and_written_byte_for_byte() -> None:
    text = SEED.read_bytes()
    page = decoded(text)
    assert (page.package, page.ref, len(page.rows), page.rejected) == ("py-pdm-backend", "develop", 77, ())
    assert len(page.stacks) == 10
    assert page.stacks[0] == ROOT
    assert encode_page(page.package, page.ref, page.rows.values()) == text
    assert encode_page(page.package, page.ref, reversed(list(page.rows.values()))) == text


def test_published_page_holds_rows_that_are_printed_again_as_specs() -> None:
    page = decoded(SEED.read_bytes())
    records = page.records(ROOT)
    for dag_hash, row in page.rows.items():
        spec = records.spec(dag_hash)
        printed = [variant_text(one, spec_format=spec.spec_format) for one in spec.variants.variants]
        assert printed == list(row.variants)
        assert (spec.name, spec.version, spec.hash) == ("py-pdm-backend", row.version, row.hash)
        assert str(spec.compiler).replace("@", "@=") == row.compiler
        assert printed_row(records.original(dag_hash)) == row


def test_page_in_canonical_form() -> None:
    rows = [
        PageRow(**{**_fields(ROW), "stacks": (ROOT, Stack("e4s"))}),
        PageRow(**{**_fields(ROW), "hash": GCC, "version": "1.10", "stacks": (ROOT,), "size": "512"}),
    ]
    assert encode_page(PACKAGE, DEVELOP, rows).decode().split("\n") == [
        "---",
        'title: "zlib"',
        "layout: cache",
        "categories: [package, develop]",
        (
            'meta: {"compilers": ["gcc@13.2.0"], "num_specs": 2, "num_specs_by_stack": {"e4s": 1, "root": 2}, '
            '"oss": ["ubuntu22.04"], "platforms": ["linux"], "stacks": ["e4s", "root"], "targets": ["x86_64_v3"], '
            '"versions": ["1.10", "1.3.1"]}'
        ),
        (
            'spec_details: [{"compiler": "gcc@13.2.0", "hash": "gggggggggggggggggggggggggggggggg", '
            '"os": "ubuntu22.04", "platform": "linux", "size": "512", "stacks": ["root"], "target": "x86_64_v3", '
            '"variants": ["build_system=makefile", "+optimize"], "versions": ["1.10"]}, {"compiler": "gcc@13.2.0", '
            '"hash": "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "os": "ubuntu22.04", "platform": "linux", "size": "-", '
            '"stacks": ["e4s", "root"], "target": "x86_64_v3", "variants": ["build_system=makefile", "+optimize"], '
            '"versions": ["1.3.1"]}]'
        ),
        "---",
    ]


def _fields(row: PageRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in PageRow.__dataclass_fields__}


def test_older_page_is_read_and_written_in_canonical_form() -> None:
    older = (
        "---\r\nlayout: cache\r\ncategories: [develop, package]\r\nspec_details: "
        + json.dumps(
            [
                dict(
                    reversed(
                        row_json(stacks=["root", "e4s"], tarball="https://b.org/x.spack", size=None).items()
                    )
                ),
                {key: value for key, value in row_json(hash=GCC).items() if key != "size"},
            ]
        )
        + '\r\nmeta: {"versions": []}\r\ntitle: "zlib"\r\n---\r\n'
    ).encode()
    page = decoded(older)
    assert page.rows == {ZLIB: ROW, GCC: PageRow(**{**_fields(ROW), "hash": GCC})}
    assert encode_page(page.package, page.ref, page.rows.values()) == encode_page(
        PACKAGE, DEVELOP, page.rows.values()
    )
    assert b"tarball" in page.originals[ZLIB]


@pytest.mark.parametrize(
    ("row", "where", "problem"),
    [
        (row_json(hash="short"), ".hash", "'short' is not a DAG hash"),
        (row_json(hash=None), ".hash", "expected `str`, got `null`"),
        (row_json(versions=[]), ".versions", "the row has no version"),
        (row_json(versions="1.3"), ".versions", "expected `array`, got `str`"),
        (row_json(stacks=["e4s", "../x"]), ".stacks", "is not a name of a stack"),
        (row_json(stacks=["blobs"]), ".stacks", "cannot name a stack"),
        (row_json(size=[]), ".size", "got `array`"),
        (row_json(variants=[True]), ".variants[0]", "expected `str`, got `bool`"),
        (row_json(os="ubuntu\0"), "", "a text holds a NUL"),
        (row_json(variants=["+a\0"]), "", "a text holds a NUL"),
        ({}, "", "missing required field"),
        ("row", "", "expected `object`, got `str`"),
    ],
)
def test_bad_row_is_rejected_and_hides_no_other(row: Any, where: str, problem: str) -> None:
    page = decoded(page_text(row_json(hash=GCC), row, row_json()))
    assert list(page.rows) == [GCC, ZLIB]
    (rejected,) = page.rejected
    assert rejected.where == f"spec_details[1]{where}"
    assert problem in rejected.message
    assert [tuple(page.records(one).rejected) for one in page.stacks] == [(rejected,), ()]


def test_page_that_ends_anywhere_in_the_middle_is_malformed() -> None:
    text = page_text(row_json(), row_json(hash=GCC))
    start = text.index(b"layout: cache") + len(b"layout: cache\n")
    for end in range(start, len(text) - 3, 3):
        with pytest.raises(MalformedDocument, match="ends before the closing '---'") as caught:
            decode_page(text[:end])
        assert "truncated" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"# A heading\n\ntext\n",
        b"\n---\nlayout: cache\n---",
        b"---\nlayout: page\n---\n",
        b"---\nlayout: page\nno end",
        b"---\nlayout: table\npermalink: /tag/develop/\ntag: develop\n---\n",
        b'---\ntitle: "zlib"\n---\nlayout: cache\n---\n',
    ],
)
def test_markdown_that_is_no_page_of_a_package_is_none(text: bytes) -> None:
    assert decode_page(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (page_text(title=""), "does not say its package and ref"),
        (page_text(title="zlib"), "does not say its package and ref"),
        (page_text(title='"../../x"'), "is not a package name"),
        (page_text(title="[" * 200_000), "does not say its package and ref"),
        (page_text(categories="[package]"), "does not say its package and ref"),
        (page_text(categories=""), "does not say its package and ref"),
        (page_text(categories="[package, ../x]"), "is not a name of a ref"),
        (page_text(spec_details=""), "has no 'spec_details'"),
        (
            page_text(spec_details="[{"),
            "'spec_details' of the page is malformed: the JSON ends in the middle",
        ),
        (page_text(spec_details="{}"), "expected `array`, got `object`"),
        (page_text(spec_details="[" * 200_000), "nested too deeply"),
        (page_text(title='"\\ud800"'), "does not say its package and ref"),
        (b"---\nlayout: cache\n\xff\n---", "not valid UTF-8"),
    ],
)
def test_page_that_cannot_be_read_is_malformed(text: bytes, problem: str) -> None:
    with pytest.raises(MalformedDocument, match=problem):
        decode_page(text)


def test_row_is_present_in_root_and_unstated_in_the_stacks_that_it_names() -> None:
    page = decoded(page_text(row_json(), row_json(hash=GCC, stacks=["root"])))
    assert page.stacks == ("root", "e4s")
    root, e4s = (page.records(one) for one in page.stacks)
    assert root.presence == {ZLIB: Presence.PRESENT, GCC: Presence.PRESENT}
    assert e4s.presence == {ZLIB: Presence.UNSTATED}
    assert (list(e4s), len(e4s), len(root)) == ([ZLIB], 1, 2)
    assert (root.header.version, root.header.warnings) == (None, ())
    assert page.records(Stack("other")).presence == {}


@pytest.mark.parametrize(
    ("printed", "compiler", "spec_format"),
    [
        ("gcc@=13.2.0", Compiler("gcc", "13.2.0"), 4),
        ("gcc@13.2.0", Compiler("gcc", "13.2.0"), 5),
        ("none", None, 5),
        ("", None, 5),
        ("apple-clang@=16.0.0", Compiler("apple-clang", "16.0.0"), 4),
    ],
)
def test_row_tells_compiler_and_format(printed: str, compiler: Compiler | None, spec_format: int) -> None:
    records = decoded(page_text(row_json(compiler=printed))).records(ROOT)
    spec = records.spec(ZLIB)
    assert (spec.compiler, spec.spec_format) == (compiler, spec_format)
    assert spec.architecture == Architecture("linux", "ubuntu22.04", "x86_64_v3")
    assert (spec.edges, spec.external, spec.build_spec) == ((), False, None)
    assert records.verification(spec) is None


@pytest.mark.parametrize(
    ("printed", "variant"),
    [
        ("+pic", Variant("pic", value=True)),
        ("~pic", Variant("pic", value=False)),
        ("build_system=makefile", Variant("build_system", "makefile")),
        ("x='a:b'", Variant("x", "a:b")),
        ('x="it\'s"', Variant("x", "it's")),
        ("x=", Variant("x", "")),
        ("x=a=b", Variant("x", "a=b")),
        ("languages:='c,c++'", Variant("languages", ("c", "c++"))),
        ("fabrics:=none", Variant("fabrics", ("none",))),
        ("fabrics:='*'", Variant("fabrics", ())),
        ("fabrics=ofi,ucx", Variant("fabrics", ("ofi", "ucx"))),
        ("patches=646eb1a", Variant("patches", ("646eb1a",))),
        ("patches:=646eb1a,abc1234", Variant("patches", ("646eb1a", "abc1234"))),
        ('x="', Variant("x", '"')),
        ("odd", Variant("odd", value=True)),
    ],
)
def test_printed_variant_is_read_back(printed: str, variant: Variant) -> None:
    records = decoded(page_text(row_json(variants=[printed]))).records(ROOT)
    assert records.spec(ZLIB).variants.variants == (variant,)


def test_text_beyond_ascii_is_escaped_as_python_does() -> None:
    row = PageRow(**{**_fields(ROW), "os": "größe\u2028\U0001f4e6"})
    text = encode_page(PACKAGE, DEVELOP, [row])
    assert b'"os": "gr\\u00f6\\u00dfe\\u2028\\ud83d\\udce6"' in text
    assert decoded(text).rows == {ZLIB: row}


def test_line_separators_inside_a_value_do_not_end_its_line() -> None:
    details = json.dumps([row_json(os="a\u2028b\x85c")], ensure_ascii=False)
    assert decoded(page_text(spec_details=details)).rows[ZLIB].os == "a\u2028b\x85c"


def test_single_row_is_read_as_it_was_kept() -> None:
    assert printed_row(json.dumps(row_json()).encode()) == ROW
    with pytest.raises(MalformedRecord):
        printed_row(b"{}")


@settings(max_examples=100, deadline=None)
@given(st.lists(page_rows, max_size=6, unique_by=lambda row: row.hash))
def test_page_that_was_written_is_read_back_the_same(rows: list[PageRow]) -> None:
    text = encode_page(PACKAGE, DEVELOP, rows)
    page = decoded(text)
    assert (page.package, page.ref, page.rejected) == (PACKAGE, DEVELOP, ())
    assert dict(page.rows) == {row.hash: row for row in rows}
    assert encode_page(PACKAGE, DEVELOP, page.rows.values()) == text
    for dag_hash in page.rows:
        assert page.records(ROOT).spec(dag_hash).name == PACKAGE


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 600), st.integers(0, 40), st.binary(max_size=4))
def test_damaged_page_is_read_or_malformed(position: int, removed: int, inserted: bytes) -> None:
    text = page_text(row_json(), row_json(hash=GCC))
    damaged = text[:position] + inserted + text[position + removed :]
    try:
        page = decode_page(damaged)
    except MalformedDocument:
        return
    assert page is None or len(page.rows) + len(page.rejected) <= 2
