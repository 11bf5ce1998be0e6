"""Each page with a stated number of SQL statements, over a real catalogue, and hostile texts from a real index."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.reader import Reader
from cachescope.present import urls
from cachescope.present.pages import Moved, PageRequest
from cachescope.present.surfaces import json_of, text_of
from cachescope.present.to_html import HtmlWriter, static_files
from cachescope.web.routes import ROUTES
from tests import mirrors
from tests.catalogues import OpenCatalogue
from tests.fakes import NOW
from tests.web.conftest import read_sample
from tests.web.site import Document, client

_WRITER = HtmlWriter(static_files(), version="0")
_HASH = "vwxwg7qkuckhya3cnuqqgqyac65wpemu"
_OTHER = "twqesijiyme5pr47r3mprtcgqdjvvegj"
_ASKED = {
    "home": [PageRequest(now=NOW)],
    "packages": [PageRequest(now=NOW), PageRequest(now=NOW, prefix="cr-", sort="-newest")],
    "package": [
        PageRequest(now=NOW, subject="cr-zlib"),
        PageRequest(now=NOW, subject="cr-zlib", query="%gcc target=x86_64_v3 +shared"),
        PageRequest(now=NOW, subject="cr-hdf", query="^cr-zlib cflags=-g"),
    ],
    "spec": [
        PageRequest(now=NOW, subject=_HASH),
        PageRequest(now=NOW, subject=_HASH, host="os=debian12,target=zen4,glibc=2.28"),
    ],
    "compare": [PageRequest(now=NOW, subject=_HASH, other=_OTHER)],
    "comparing": [PageRequest(now=NOW, subject=_HASH, other=_OTHER)],
    "diff": [
        PageRequest(now=NOW),
        PageRequest(now=NOW, subject="crafted/v3-signed", other="crafted/v2-signed"),
        PageRequest(now=NOW, subject="ref:crafted@{2026-11-02}", other="ref:crafted"),
    ],
    "caches": [PageRequest(now=NOW)],
    "cache": [PageRequest(now=NOW, subject="crafted", other="v3-signed")],
    "figures": [PageRequest(now=NOW)],
    "suggest": [PageRequest(now=NOW, query="zlib")],
    "search": [PageRequest(now=NOW, query="cr-zlib +shared"), PageRequest(now=NOW, query="cr-zlib os=none")],
}


@contextmanager
def counting(opened: OpenCatalogue) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    event.listen(opened.catalogue.engine, "before_cursor_execute", note)
    yield statements
    event.remove(opened.catalogue.engine, "before_cursor_execute", note)


@pytest.fixture
def counted(sample: OpenCatalogue) -> Iterator[list[str]]:
    with counting(sample) as statements:
        yield statements


_each_request = pytest.mark.parametrize(
    ("name", "request_"),
    [(row.name, request) for row in ROUTES for request in _ASKED[row.name]],
    ids=lambda one: one if isinstance(one, str) else one.query or one.host or one.prefix or "plain",
)


@_each_request
def test_page_needs_no_more_statements_than_it_says(
    sized: OpenCatalogue, name: str, request_: PageRequest
) -> None:
    """With sizes, which add statements, and in each database."""
    row = next(one for one in ROUTES if one.name == name)
    # A reader of its own has kept no answer.
    with counting(sized) as counted:
        row.answer(Reader(sized.catalogue), request_)
    assert len(counted) <= row.statements


def test_page_is_the_same_out_of_each_database(tmp_path: Path, catalogue_database: CatalogueAddress) -> None:
    with OpenCatalogue(tmp_path / "catalogue.sqlite") as file, OpenCatalogue(catalogue_database) as server:
        for opened in (file, server):
            read_sample(opened)
            opened.sizes()
        for row in ROUTES:
            for request in _ASKED[row.name]:
                pages = [row.answer(opened.reader, request) for opened in (file, server)]
                if isinstance(pages[0], Moved):
                    assert pages[0] == pages[1]
                    continue
                written = [
                    (_WRITER.write(page), json_of(page), text_of(page))
                    for page in pages
                    if not isinstance(page, Moved)
                ]
                assert written[0] == written[1], (row.name, request)


def test_what_looks_at_a_whole_mirror_is_kept_until_the_next_snapshot(
    sample: OpenCatalogue, counted: list[str]
) -> None:
    row = next(one for one in ROUTES if one.name == "cache")
    row.answer(sample.reader, _ASKED["cache"][0])
    counted.clear()
    row.answer(sample.reader, _ASKED["cache"][0])
    assert len(counted) == 2


HOSTILE = "<script>alert(1)</script>\"'&\u202e\u2066\x1b[31m" + "x" * 10_000


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenCatalogue]:
    """A real index whose versions, systems, targets and variant values are as bad as JSON allows."""
    folder = tmp_path_factory.mktemp("hostile")
    nodes = [
        mirrors.node(
            "bad",
            HOSTILE + str(number),
            system=HOSTILE,
            target=HOSTILE,
            variants={"value": HOSTILE, "on": number == 0},
        )
        for number in range(2)
    ]
    mirrors.write_v3(folder, mirrors.index(mirrors.installs(nodes)))
    with OpenCatalogue(folder / "catalogue.sqlite") as opened:
        opened.sync("site", folder)
        yield opened


@pytest.mark.parametrize(
    "name", ["home", "packages", "package", "spec", "compare", "caches", "cache", "search"]
)
def test_hostile_texts_of_an_index_stay_text(hostile: OpenCatalogue, name: str) -> None:
    hashes = hostile.found("bad")
    request = {
        "package": PageRequest(now=NOW, subject="bad"),
        "spec": PageRequest(now=NOW, subject=hashes[0]),
        "compare": PageRequest(now=NOW, subject=hashes[0], other=hashes[1]),
        "cache": PageRequest(now=NOW, subject="site", other="root"),
        "search": PageRequest(now=NOW, query="bad"),
    }.get(name, PageRequest(now=NOW))
    page = next(one for one in ROUTES if one.name == name).answer(hostile.reader, request)
    assert not isinstance(page, Moved)
    html = _WRITER.write(page).decode()
    document = Document(html)
    assert [(one.attributes["src"] or "")[:8] for one in document.all("script")] == ["/static/"]
    assert "<script>alert" not in html
    assert not {"\u202e", "\u2066", "\x1b"} & set(html)
    assert "\x1b" not in text_of(page).decode()
    json.loads(json_of(page))


def test_hostile_package_weighs_no_more_than_a_page_may(hostile: OpenCatalogue) -> None:
    with client(hostile.reader) as site:
        for address in (
            "/",
            "/package/bad",
            urls.spec(hostile.found("bad")[0]),
            "/packages",
            "/cache/site/root",
        ):
            answer = site.get(address)
            assert answer.status_code == 200, address
            assert len(answer.content) < 100_000, address
        assert site.get("/table/bad.csv").status_code == 200
        assert site.get("/badge/bad.svg").status_code == 200


def test_removed_mirror_is_forgotten_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is kept between snapshots must not outlive the mirror that it tells of."""
    folder = tmp_path_factory.mktemp("removed")
    for name in ("one", "two"):
        mirrors.write_v3(
            folder / name, mirrors.index(mirrors.installs([mirrors.node("app", "1.0", target=name)]))
        )
    with OpenCatalogue(folder / "catalogue.sqlite") as opened:
        opened.sync("one", folder / "one")
        opened.sync("two", folder / "two")
        assert len(opened.package("app")) == 2
        opened.remove("one")
        assert len(opened.package("app")) == 1
