"""The page of two parts of the catalogue: the same answer as ``diff``, cut into pages."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from cachescope.jobs.contents import diff_contents
from cachescope.model.contents import (
    ChangedSpec,
    ChangeKind,
    ContentsPage,
    PackageTotals,
    SideTotal,
    parse_part,
)
from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import parse_mirror_name
from cachescope.present import urls
from cachescope.present.difference_page import difference_page
from cachescope.present.pages import PageRequest
from cachescope.present.surfaces import json_of, text_of
from cachescope.present.to_html import HtmlWriter, static_files
from tests import mirrors
from tests.catalogues import START, OpenCatalogue
from tests.fakes import DEMO, NOW
from tests.web.site import Document, client

_PAIRS = (
    ("crafted/v3-signed", "crafted/v2-signed"),
    ("crafted/v2-signed", "crafted/v3-signed"),
    ("crafted/v3-signed", "crafted/v3-signed"),
    ("ref:crafted@{2026-11-02}", "ref:crafted"),
    ("crafted/v3-signed", "ref:crafted"),
)


def _all_pages(opened: OpenCatalogue, first: str, second: str) -> list[ContentsPage]:
    sides = parse_part(first), parse_part(second)
    pages = [opened.reader.difference(*sides, page=1)]
    pages += [opened.reader.difference(*sides, page=one) for one in range(2, pages[0].pages + 1)]
    return pages


@pytest.mark.parametrize(("first", "second"), _PAIRS)
def test_page_counts_what_the_command_names(sized: OpenCatalogue, first: str, second: str) -> None:
    with sized.catalogue.reading() as connection:
        wanted = diff_contents(connection, parse_part(first), parse_part(second))
    pages = _all_pages(sized, first, second)
    assert (pages[0].first, pages[0].second, pages[0].stay) == (wanted.first, wanted.second, wanted.stay)
    assert pages[0].kinds == {kind: len(wanted.of_kind(kind)) for kind in ChangeKind}
    listed = [one for page in pages for one in page.packages]
    assert [
        (one.name, one.kind, one.versions_before, one.versions_after, one.came, one.went, one.stay)
        for one in listed
    ] == [
        (
            one.name,
            one.kind,
            one.versions_before,
            one.versions_after,
            len(one.came),
            len(one.went),
            one.stay,
        )
        for one in wanted.packages
    ]
    for one, named in zip(listed, wanted.packages, strict=True):
        assert [each.hash for each in one.first_came] == sorted(each.hash for each in named.came)[:3]
        assert [each.hash for each in one.first_went] == sorted(each.hash for each in named.went)[:3]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> OpenCatalogue:
    """A mirror of 100 packages of 60 specs each that a later snapshot does not have any more; one specs stays."""
    folder = tmp_path_factory.mktemp("grown")
    stays = mirrors.node("stays")
    nodes = [
        mirrors.node(f"package-{package:03}", f"{spec}.0", variants={"long": "x" * 200})
        for package in range(100)
        for spec in range(12)
    ]
    opened = OpenCatalogue(folder / "catalogue.sqlite")
    mirrors.write_v3(folder / "mirror", mirrors.index(mirrors.installs([stays, *nodes])))
    opened.sync("develop/e4s", folder / "mirror")
    opened.pass_time(1)
    mirrors.write_v3(folder / "mirror", mirrors.index(mirrors.installs([stays])))
    opened.sync("develop/e4s", folder / "mirror")
    return opened


def test_long_difference_is_cut_into_pages_that_a_cache_links_to(grown: OpenCatalogue) -> None:
    with client(grown.reader) as site:
        cache = Document(site.get("/cache/develop/e4s", headers={"Accept": "text/html"}).text)
        links = [one.attributes["href"] or "" for one in cache.all("a")]
        (address,) = [one for one in links if one.startswith("/diff") and "first" in one and "second" in one]
        answer = site.get(address, headers={"Accept": "text/html"})
        assert answer.status_code == 200
        assert len(answer.content) < 100_000
        assert "Page 1 of 3, 100 packages" in answer.text
        seen, following = 0, urls.api(address)
        found = site.get(following).json()
        while following:
            part = site.get(following)
            found = part.json()
            seen += len(found["packages"])
            assert {one["change"] for one in found["packages"]} == {"went"}
            assert {one["went"] for one in found["packages"]} == {12}
            following = part.links.get("next", {}).get("url", "")
        assert seen == 100
        assert found["specs"] == {"came": 0, "went": 1200, "stay": 1}
        assert site.get(f"{address}&page=4").status_code == 404
    grown.catalogue.engine.dispose()


def test_hashes_lead_to_the_comparison_of_binaries(sample: OpenCatalogue) -> None:
    first, second = sample.found("cr-zlib")[:2]
    with client(sample.reader) as site:
        for slash in ("", "/"):
            answer = site.get(
                "/diff", params={"first": slash + first, "second": slash + second}, follow_redirects=False
            )
            assert (answer.status_code, answer.headers["location"]) == (302, urls.compare(first, second))


def test_form_names_what_can_be_compared(sample: OpenCatalogue) -> None:
    with client(sample.reader) as site:
        page = Document(site.get("/diff", headers={"Accept": "text/html"}).text)
        told = json.loads(site.get("/api/v1/diff").content)["compare"]
    assert [one.attributes["value"] for one in page.all("option")] == told
    assert {"ref:crafted", "crafted/v3-signed", "crafted/v2-signed"} <= set(told)


@pytest.mark.parametrize(
    ("second", "status"),
    [
        ("nowhere/root", 404),
        ("develop/e4s@{never}", 400),
        ("a" * 1000, 400),
        ("crafted/v3-signed@{1999-01-01}", 404),
    ],
)
def test_part_that_is_not_there_is_said(sample: OpenCatalogue, second: str, status: int) -> None:
    with client(sample.reader) as site:
        answer = site.get("/api/v1/diff", params={"first": "crafted/v3-signed", "second": second})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_point_in_time_is_written_to_the_microsecond(tmp_path: Path) -> None:
    moment = START + timedelta(microseconds=7)
    written = urls.at(parse_mirror_name("develop/e4s"), moment)
    assert parse_part(written).moment == moment
    with OpenCatalogue(tmp_path / "catalogue.sqlite") as opened, pytest.raises(NotInCatalogue):
        opened.reader.difference(parse_part(written), parse_part("develop/e4s"), page=1)


def test_hostile_names_and_versions_stay_text_and_the_page_small() -> None:
    bad = "<script>alert(1)</script>\"'&\u202e\x1b[31m" + "x" * 10_000
    specs = tuple(ChangedSpec(DEMO[0].hash, bad) for _ in range(3))
    totals = [
        PackageTotals(
            name=f"bad-{number}",
            kind=ChangeKind.BUILDS,
            versions_before=(bad,) * 9,
            versions_after=(bad,) * 9,
            came=9,
            went=9,
            stay=0,
            first_came=specs,
            first_went=specs,
        )
        for number in range(40)
    ]
    side = SideTotal(name=bad, moment=None, specs=360, packages=40)
    found = ContentsPage(
        first=side,
        second=side,
        stay=0,
        kinds=dict.fromkeys(ChangeKind, 10),
        packages=tuple(totals),
        page=1,
        pages=1,
    )
    request = PageRequest(now=NOW, subject="develop/e4s", other="develop/ml")
    page = difference_page(found, [], request)
    html = HtmlWriter(static_files(), version="0").write(page)
    assert len(html) < 100_000
    assert b"<script>alert" not in html
    assert not {"\u202e", "\x1b"} & set(html.decode())
    assert [one["came"] for one in json.loads(json_of(page))["packages"]] == [9] * 40
    assert b"\x1b" not in text_of(page)
