"""Feeds, site map and robots.txt: read with the parsers of those who read them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser
from xml.etree import ElementTree as ET

import feedparser
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.reader import Reader
from cachescope.model.errors import UserInputError
from cachescope.model.identity import PackageName, Ref
from cachescope.model.news import NewMirror, NewVersion
from cachescope.present import sitemap
from cachescope.present.xml_text import plain_xml
from cachescope.web.feeds import STATEMENTS
from cachescope.web.origin import parse_site_address
from tests import mirrors
from tests.catalogues import OpenCatalogue
from tests.fakes import DEMO, FakeCatalogue, filled_catalogue
from tests.web.site import Document, client
from tests.web.test_statements import HOSTILE, counting

ATOM = "{http://www.w3.org/2005/Atom}"
MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
BASE = "https://cache.example/spack"


@pytest.fixture
def site() -> Iterator[TestClient[Litestar]]:
    with client(filled_catalogue(), site_address=BASE + "/") as made:
        yield made


def _parsed(content: bytes) -> ET.Element:
    return ET.fromstring(content)  # noqa: S314 - our own bytes: whether they are XML is the question


def _check_atom(content: bytes) -> list[ET.Element]:
    """Hold a feed to the rules of RFC 4287 and return its entries."""
    feed = _parsed(content)
    assert feed.tag == f"{ATOM}feed"
    entries = feed.findall(f"{ATOM}entry")
    assert len(feed.findall(f"{ATOM}author/{ATOM}name")) == 1
    for one in (feed, *entries):
        for name in ("id", "title", "updated"):
            (found,) = one.findall(f"{ATOM}{name}")
            assert found.text
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one.findtext(f"{ATOM}updated", ""))
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", one.findtext(f"{ATOM}id", ""))
        for link in one.findall(f"{ATOM}link"):
            assert urlsplit(link.attrib["href"]).scheme in {"http", "https"}
        assert [link.attrib["rel"] for link in one.findall(f"{ATOM}link")].count("alternate") == 1
    assert [link.attrib["rel"] for link in feed.findall(f"{ATOM}link")].count("self") == 1
    ids = [one.findtext(f"{ATOM}id") for one in (feed, *entries)]
    assert len(set(ids)) == len(ids)
    times = [one.findtext(f"{ATOM}updated", "") for one in entries]
    assert times == sorted(times, reverse=True)
    return entries


@pytest.mark.parametrize(
    "address",
    [
        "/feeds/new.atom",
        "/feeds/new.atom?ref=develop",
        "/feeds/new.atom?ref=develop&stack=e4s",
        "/feeds/package/py-demo.atom",
        "/feeds/package/zlib.atom?ref=develop",
    ],
)
def test_feed_is_atom_and_a_reader_of_feeds_takes_it(site: TestClient[Litestar], address: str) -> None:
    answer = site.get(address)
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    entries = _check_atom(answer.content)
    read: Any = feedparser.parse(answer.content)
    assert not read.bozo
    assert read.version == "atom10"
    assert len(read.entries) == len(entries) > 0
    own = next(one.href for one in read.feed.links if one.rel == "self")
    assert own == BASE + address
    for one in read.entries:
        assert one.link.startswith(f"{BASE}/")
        assert site.get(one.link.removeprefix(BASE)).status_code == 200
    assert site.get(address, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_ids_stay_when_the_site_moves(site: TestClient[Litestar]) -> None:
    with client(filled_catalogue()) as moved:
        there, here = (one.get("/feeds/new.atom").content for one in (moved, site))
    assert b"http://testserver" in there
    ids = [[one.findtext(f"{ATOM}id") for one in _check_atom(content)] for content in (there, here)]
    assert ids[0] == ids[1]


def test_feed_of_nothing_is_a_feed() -> None:
    with client(FakeCatalogue()) as site:
        assert _check_atom(site.get("/feeds/new.atom").content) == []


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/feeds/new.atom?ref=unknown", 404),
        ("/feeds/package/unknown.atom", 404),
        ("/feeds/package/zlib.rss", 404),
        ("/feeds/package/a%20b.atom", 400),
        ("/sitemaps/packages-0.xml", 404),
        ("/sitemaps/packages-99999.xml", 404),
        ("/sitemaps/specs-zz.xml", 404),
        ("/sitemaps/else.xml", 404),
    ],
)
def test_refusal_is_json_for_a_program(site: TestClient[Litestar], address: str, status: int) -> None:
    answer = site.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert answer.json()["error"]["message"]
    assert site.get(address, headers={"Accept": "text/html"}).text.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("page", "feed"),
    [
        ("/", "/feeds/new.atom"),
        ("/packages?ref=develop", "/feeds/new.atom?ref=develop"),
        ("/package/zlib?ref=develop", "/feeds/package/zlib.atom?ref=develop"),
    ],
)
def test_pages_name_their_feed(site: TestClient[Litestar], page: str, feed: str) -> None:
    links = [one.attributes for one in Document(site.get(page).text).all("link")]
    assert [one["href"] for one in links if one.get("type") == "application/atom+xml"] == [feed]
    assert site.get(feed).status_code == 200


def test_plain_xml_leaves_what_xml_can_hold() -> None:
    for number in (*range(0x2100), *range(0xD700, 0xE100), 0xFFFD, 0xFFFE, 0xFFFF, 0x1F600):
        element = ET.Element("a")
        element.text = plain_xml(f"<{chr(number)}>")
        assert len(_parsed(ET.tostring(element, encoding="utf-8")).text or "") == 3, hex(number)
    assert plain_xml("a\tü 🙂 b") == "a\tü 🙂 b"
    assert plain_xml("\x1b\x00\ud800\u202e") == "\N{REPLACEMENT CHARACTER}" * 4


def test_hostile_texts_of_an_index_stay_text_in_feeds(tmp_path: Path) -> None:
    nodes = [mirrors.node("bad", HOSTILE), mirrors.node("bad", "\ufffe\x01]]>&lt;")]
    mirrors.write_v3(tmp_path / "mirror", mirrors.index(mirrors.installs(nodes)))
    with OpenCatalogue(tmp_path / "catalogue.sqlite") as opened:
        opened.sync("site", tmp_path / "mirror")
        with client(opened.reader) as site:
            content = site.get("/feeds/package/bad.atom").content
    entries = _check_atom(content)
    read: Any = feedparser.parse(content)
    assert not read.bozo
    titles = [one.findtext(f"{ATOM}title", "") for one in entries]
    assert any("<script>alert(1)</script>" in one for one in titles)
    assert any("]]>&lt;" in one for one in titles)
    assert b"<script" not in content
    assert not {"\u202e", "\x1b", "\x01"} & set(content.decode())
    assert len(content) < 10_000


# -- what is new ------------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(each_catalogue: CatalogueAddress) -> Iterator[OpenCatalogue]:
    with OpenCatalogue(each_catalogue) as made:
        yield made


def test_new_is_what_no_snapshot_of_the_scope_had_before(opened: OpenCatalogue, tmp_path: Path) -> None:
    def publish(name: str, *packages: str) -> None:
        nodes = [mirrors.node(*one.split("@")[:2], target=one.split("@")[2]) for one in packages]
        mirrors.write_v3(tmp_path / name, mirrors.index(mirrors.installs(nodes)))
        opened.pass_time(1)
        opened.sync(f"develop/{name}", tmp_path / name)

    def new(package: str = "") -> list[str]:
        named = PackageName(package) if package else None
        news = opened.reader.news(ref=Ref("develop"), stack=None, package=named, limit=10)
        return [
            str(one.name)
            if isinstance(one, NewMirror)
            else f"{one.package}@{one.version} {one.binaries}{' new' * one.is_new_package}"
            for one in news.entries
        ]

    assert opened.reader.news(ref=None, stack=None, limit=10).entries == ()
    publish("one", "a@1@x", "b@1@x")
    assert new() == ["develop/one"]
    # A version more, and the same version once more, which is not new.
    publish("one", "a@1@x", "a@2@x", "b@1@x", "b@1@y")
    assert new() == ["a@2 1", "develop/one"]
    # What another mirror of the ref has had before is not new, nor is all that a new mirror brings.
    publish("two", "c@1@x")
    publish("one", "a@2@x", "b@1@x", "c@1@y", "d@1@x", "d@1@y")
    assert new() == ["d@1 2 new", "develop/two", "a@2 1", "develop/one"]
    # What comes back is not new.
    publish("one", "a@1@x", "a@2@x", "d@1@x")
    assert new()[0] == "d@1 2 new"
    assert new("a") == ["a@2 1", "a@1 1 new"]


def test_limit_takes_the_newest(opened: OpenCatalogue, tmp_path: Path) -> None:
    for number in range(1, 5):
        nodes = [mirrors.node("a", f"{one}.0") for one in range(number)]
        mirrors.write_v3(tmp_path / "mirror", mirrors.index(mirrors.installs(nodes)))
        opened.pass_time(1)
        opened.sync("site", tmp_path / "mirror")
    news = opened.reader.news(ref=None, stack=None, limit=2)
    assert [one.version for one in news.entries if isinstance(one, NewVersion)] == ["3.0", "2.0"]
    assert news.read_at == news.entries[0].at == opened.clock


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("new", "/feeds/new.atom"),
        ("new", "/feeds/new.atom?ref=crafted&stack=v3-signed"),
        ("package", "/feeds/package/cr-zlib.atom?ref=crafted"),
        ("robots", "/robots.txt"),
        ("sitemap", "/sitemap.xml"),
        ("pages", "/sitemaps/pages.xml"),
        ("packages", "/sitemaps/packages-1.xml"),
        ("specs", "/sitemaps/specs.xml"),
    ],
)
def test_document_needs_no_more_statements_than_it_says(
    sized: OpenCatalogue, name: str, address: str
) -> None:
    with client(Reader(sized.catalogue)) as site, counting(sized) as counted:
        assert site.get(address).status_code == 200
    assert 0 <= len(counted) <= STATEMENTS[name]


# -- the site map -----------------------------------------------------------------------------------------------------


def _addresses(content: bytes, inner: str) -> list[str]:
    root = _parsed(content)
    found = [one.findtext(f"{MAP}loc", "") for one in root]
    assert {one.tag for one in root} <= {f"{MAP}{inner}"}
    assert all(one.startswith(f"{BASE}/") for one in found)
    return [one.removeprefix(BASE) for one in found]


def test_site_map_leads_to_every_page_that_lists_and_every_present_spec(site: TestClient[Litestar]) -> None:
    robots = site.get("/robots.txt").text
    assert f"Sitemap: {BASE}/sitemap.xml" in robots.splitlines()
    assert "Disallow: /spack/api/v1" in robots.splitlines()
    parts = _addresses(site.get("/sitemap.xml").content, "sitemap")
    found = [one for part in parts for one in _addresses(site.get(part).content, "url")]
    assert len(found) == len(set(found))
    assert {
        "/",
        "/packages",
        "/caches",
        "/package/py-demo",
        f"/spec/{DEMO[0].hash}",
        "/cache/develop/e4s",
    } <= set(found)
    for address in found:
        assert site.get(address).status_code == 200, address
    rules = RobotFileParser()
    rules.parse(robots.splitlines())
    assert [one for one in found if not rules.can_fetch("*", BASE + one)] == []
    assert not rules.can_fetch("*", f"{BASE}/mirror/develop/e4s/")


def test_site_map_of_nothing_has_its_fixed_pages() -> None:
    with client(FakeCatalogue()) as site:
        index = _parsed(site.get("/sitemap.xml").content)
        (only,) = [one.findtext(f"{MAP}loc", "") for one in index]
        assert urlsplit(only).path == "/sitemaps/pages.xml"
        assert urlsplit(only).scheme == "http"
        assert len(_parsed(site.get("/sitemaps/pages.xml").content)) >= 4


@pytest.mark.parametrize("specs", [0, 1, 12_500, 12_501, 400_000, 400_001, 1_100_000, 11_000_000])
def test_parts_of_specs_stay_within_what_is_allowed(specs: int) -> None:
    prefixes = sitemap.hash_prefixes(specs)
    assert len(prefixes) == len(set(prefixes))
    # Hashes fall evenly: a part has twice its share at the most, far beyond what chance does to so many.
    assert 2 * specs / len(prefixes) <= sitemap.LARGEST_PART
    assert len(prefixes) < 50_000


# -- where the site is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/robots.txt", "/feeds/new.atom", "/sitemap.xml", "/api"])
@pytest.mark.parametrize("host", ["[", "x:999999", "a[b]:1", "x';id", "x y"])
def test_host_that_is_none_is_the_fault_of_who_asks(address: str, host: str) -> None:
    logged: list[Exception] = []
    with client(filled_catalogue(), logged) as site:
        assert site.get(address, headers={"Host": host}).status_code == 400
    assert logged == []


@pytest.mark.parametrize(
    "text", ["cache.example.org", "ftp://a/", "https://", "https://a/b c", "https://a/?b", "//a"]
)
def test_address_of_a_site_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserInputError):
        parse_site_address(text)
