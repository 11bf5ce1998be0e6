"""The site as files: whole, led to files alone, the same bytes each time."""

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from cachescope.catalogue.virtual_definitions import define_virtual
from cachescope.jobs.virtual_definition import make_definition
from cachescope.present.static_addresses import spec_file
from cachescope.web.routes import ROUTES
from cachescope.web.static_export import Task
from tests.catalogues import OpenCatalogue
from tests.mirrors import index, installs, node, write_v3
from tests.web.crawling import OUTSIDE, fragment_holds, is_outside, links_of
from tests.web.site import Document
from tests.web.small_site import HOSTILE, read_small
from tests.web.static_files import Files, export, hosted, site_of


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OpenCatalogue, list[dict[str, Any]]]]:
    folder = tmp_path_factory.mktemp("small")
    with OpenCatalogue(folder / "catalogue.sqlite") as opened:
        yield opened, read_small(opened, folder)


@pytest.fixture(scope="module")
def files(small: tuple[OpenCatalogue, list[dict[str, Any]]]) -> Files:
    return export(small[0])


def vanished(opened: OpenCatalogue) -> set[str]:
    """Return the files of specs that only the search leads to: no mirror has them any more."""
    rows = opened.rows("SELECT hash FROM spec JOIN presence ON spec_id = id WHERE until IS NOT NULL")
    return {spec_file(one) for (one,) in rows}


@pytest.mark.parametrize(("ref", "with_binaries"), [(None, True), ("develop", True), ("v1.0.0", False)])
def test_everything_that_a_page_refers_to_is_a_file(
    small: tuple[OpenCatalogue, list[dict[str, Any]]], ref: str | None, *, with_binaries: bool
) -> None:
    files = export(small[0], ref=ref, with_binaries=with_binaries)
    pages = {name: data.decode() for name, data in files.items() if name.endswith(".html")}
    reached = {"index.html"}
    for name, html in pages.items():
        for link in links_of(html):
            if is_outside(link.address):
                assert link.tag == "a", (name, link)
                assert link.address.startswith(OUTSIDE), (name, link)
                continue
            assert not link.address.startswith("/"), (name, link)
            path, _, fragment = link.address.partition("#")
            target = (
                unquote(urlsplit(urljoin(f"http://x/{name}", path)).path.removeprefix("/")) if path else name
            )
            assert target in files, (name, link)
            assert not fragment or fragment_holds(pages[target], fragment), (name, link)
            if target != name:
                reached.add(target)
    assert {name for name in files.keys() - reached if not name.startswith("search/")} <= vanished(small[0])
    assert any(name.startswith("spec/") for name in files) is with_binaries


def test_a_plain_server_answers_every_link_below_a_path(
    small: tuple[OpenCatalogue, list[dict[str, Any]]], files: Files, tmp_path: Path
) -> None:
    with hosted(files, tmp_path) as root:
        seen, waiting = set(), [root + "index.html"]
        while waiting:
            address = waiting.pop()
            if address in seen:
                continue
            seen.add(address)
            with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - a server of this test
                body = answer.read()
            if ".html" in address:
                waiting += [
                    urljoin(address, link.address).partition("#")[0]
                    for link in links_of(body.decode())
                    if not is_outside(link.address)
                ]
    missed = {one for one in files if one.endswith(".html") and root + one not in seen}
    assert missed <= vanished(small[0])
    assert all(one.startswith(root) for one in seen)


def test_every_exportable_page_of_the_server_is_a_file(files: Files) -> None:
    of_route = {
        "home": "index.html",
        "packages": "packages.html",
        "package": "package/py-demo.html",
        "spec": "spec/",
        "caches": "caches.html",
        "cache": "cache/develop/e4s.html",
        "figures": "about/figures.html",
    }
    assert of_route.keys() == {route.name for route in ROUTES if route.exportable}
    for start in of_route.values():
        assert any(name.startswith(start) for name in files)


def test_the_same_catalogue_gives_the_same_bytes_at_any_time(
    small: tuple[OpenCatalogue, list[dict[str, Any]]], files: Files
) -> None:
    opened, _ = small
    opened.pass_time(30)
    assert export(opened) == files
    assert not [name for name, data in files.items() if b" ago" in data and name.endswith(".html")]


def test_virtual_mirrors_need_a_server_and_no_file_leads_to_them(
    tmp_path: Path,
) -> None:
    with OpenCatalogue(tmp_path / "catalogue.sqlite") as opened:
        read_small(opened, tmp_path)
        before = export(opened)
        with opened.catalogue.writing() as connection:
            define_virtual(connection, make_definition("lab", ["develop/e4s"]), now=opened.clock)
        assert export(opened) == before


def test_another_mirror_leaves_the_pages_of_specs_as_they_were(tmp_path: Path) -> None:
    with OpenCatalogue(tmp_path / "catalogue.sqlite") as opened:
        read_small(opened, tmp_path)
        before = export(opened)
        opened.pass_time(1)
        write_v3(tmp_path / "other", index(installs([node("other")])))
        opened.sync("v2.0.0/root", tmp_path / "other")
        after = export(opened)
    changed = {name for name in before if before[name] != after.get(name)}
    assert not {name for name in changed if name.startswith("spec/")}
    assert {"index.html", "caches.html", "packages.html"} <= changed


def test_pages_have_a_policy_that_lets_nothing_else_in(files: Files) -> None:
    for name, data in files.items():
        if not name.endswith(".html"):
            continue
        page = Document(data.decode())
        (policy,) = [
            one.attributes["content"]
            for one in page.all("meta")
            if one.attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy is not None
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
        assert "unsafe" not in policy
        scripts = page.all("script")
        assert [one.text for one in scripts] == ["", ""]
        assert len(data) < 100_000, name


def test_what_a_record_says_stays_text(files: Files) -> None:
    (page,) = [
        data.decode() for name, data in files.items() if name.startswith("spec/") and b"<h1>odd@" in data
    ]
    assert HOSTILE not in page
    assert "&lt;script" in page


def test_the_index_holds_every_package_and_hash(
    small: tuple[OpenCatalogue, list[dict[str, Any]]], files: Files
) -> None:
    opened, present = small
    names = json.loads(files["search/names.json"])
    assert ["py-demo", 3] in names["packages"]
    listed: dict[str, list[Any]] = {}
    for beginning in re.findall("..", names["hashes"]):
        for row in json.loads(files[f"search/hashes/{beginning}.json"]):
            assert row[0].startswith(beginning)
            listed[row[0]] = row
    assert listed.keys() == {one for (one,) in opened.rows("SELECT hash FROM spec")}
    there = {one["hash"] for one in present}
    assert {one for one, row in listed.items() if row[6]} == there
    demo = present[2]
    assert listed[demo["hash"]] == [demo["hash"], "py-demo", "1.2", "", "debian12", "x86_64_v3", 1]


def test_a_site_of_a_ref_knows_nothing_of_others(small: tuple[OpenCatalogue, list[dict[str, Any]]]) -> None:
    files = export(small[0], ref="v1.0.0")
    assert {name for name in files if name.startswith("package/") and name.endswith(".html")} == {
        "package/py-demo.html"
    }
    assert not [name for name in files if "develop" in name]
    for name in ("index.html", "caches.html", "packages.html"):
        assert b"develop" not in files[name]
    assert len([name for name in files if name.startswith("spec/")]) == 1


def test_lists_and_packages_that_are_long_go_on_in_further_files(tmp_path: Path) -> None:
    nodes = [node(f"pkg-{number}") for number in range(510)]
    many = [node("many", f"1.{number}", target=target) for number in range(60) for target in ("zen3", "zen4")]
    write_v3(tmp_path / "mirror", index(installs([*nodes, *many])))
    with OpenCatalogue(tmp_path / "catalogue.sqlite") as opened:
        opened.sync("site", tmp_path / "mirror")
        site = site_of(opened)
        tasks = [Task("letters", ("p",)), Task("packages", ("", "site/root")), Task("package", ("many",))]
        files = {one.name: one.data for task in tasks for one in site.write(task)}
    assert {"packages,2.html", "packages/letter/p,2.html", "packages/in/site/root,2.html"} <= files.keys()
    assert {"package/many,2.html", "package/many,all.html"} <= files.keys()
    assert b'href="../package/many,all.html"' in files["package/many.html"]
    assert b'rel="prev" href="../package/many.html"' in files["package/many,2.html"]


def test_a_package_whose_name_is_longer_than_file_names_may_be(tmp_path: Path) -> None:
    name = "x" * 300
    write_v3(tmp_path / "mirror", index(installs([node(name)])))
    with OpenCatalogue(tmp_path / "catalogue.sqlite") as opened:
        opened.sync("site", tmp_path / "mirror")
        files = export(opened)
    ((listed, binaries, file),) = json.loads(files["search/names.json"])["packages"]
    assert (listed, binaries) == (name, 1)
    assert file in files
    assert max(len(part) for one in files for part in one.split("/")) < 255


def test_an_empty_catalogue_is_a_site_too(tmp_path: Path) -> None:
    with OpenCatalogue(tmp_path / "catalogue.sqlite") as opened:
        files = export(opened)
    assert b"No caches yet" in files["index.html"]
    assert json.loads(files["search/names.json"]) == {"hashes": "", "binaries": True, "packages": []}
