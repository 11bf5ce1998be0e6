"""``sync --sizes`` and what the other commands and pages then say of bytes."""

import json
from pathlib import Path
from typing import Any

from cachescope.catalogue.engine import open_for_reading
from cachescope.catalogue.reader import Reader
from tests.catalogues import V3
from tests.commands import CommandLine
from tests.mirrors import index, installs, node, spec_manifest, spec_manifest_place, write, write_v3
from tests.servers import Answer, MirrorServer
from tests.web.site import client


def _mirror(folder: Path) -> list[dict[str, Any]]:
    """Write app, which needs lib to run, and another look-alike of app without a manifest."""
    lib = node("lib")
    app = node("app", needs=[(lib, "link", "")])
    other = node("app", needs=[(lib, "link,run", "")])
    write_v3(folder, index(installs([lib, app, other])))
    write(folder, spec_manifest_place(lib), spec_manifest(41_000))
    write(folder, spec_manifest_place(app), spec_manifest(2_051, signed=True))
    return [lib, app, other]


def test_sync_with_sizes_says_how_many_are_known(run: CommandLine, tmp_path: Path) -> None:
    nodes = _mirror(tmp_path)
    ended = run.well("sync", str(tmp_path), "--as", "site", "--sizes")
    assert "site/root: sizes of 2 of 3 known (2 read, 1 missing)" in ended.text
    assert f"size not known: there is no {spec_manifest_place(nodes[2])}" in ended.text
    again = run.well("sync", "--sizes")
    assert "site/root: sizes of 2 of 3 known\n" in again.text
    write(tmp_path, spec_manifest_place(nodes[2]), spec_manifest(7))
    assert "sizes of 3 of 3 known (1 read)" in run.well("sync", "--sizes", "--probe").text


def test_sync_with_sizes_as_json(run: CommandLine, tmp_path: Path) -> None:
    _mirror(tmp_path)
    report = run.well("sync", str(tmp_path), "--as", "site", "--sizes", "--json").json
    (sizes,) = report["sizes"]
    reasons = sizes.pop("reasons")
    assert sizes == {
        "name": "site/root", "view": None, "layout": "v3", "binaries": 3, "known": 2, "stated": 2, "missing": 1,
        "unreadable": 0, "refused": 0, "not_asked": 0, "error": None,
    }  # fmt: skip
    assert len(reasons) == 1
    assert "sizes" not in run.well("sync", "--json").json


def test_sync_does_not_ask_a_mirror_for_sizes_whose_index_failed(run: CommandLine, tmp_path: Path) -> None:
    _mirror(tmp_path / "a")
    _mirror(tmp_path / "b")
    with MirrorServer(folder=tmp_path) as server:
        for name in "ab":
            run.well("sync", f"{server.url}/{name}", "--as", f"site/{name}")
        server.requests.clear()
        server.routes["/a/v3/manifests/index/index.manifest.json"] = Answer(b"", 403)
        ended = run("sync", "--sizes")
    assert ended.code == 4
    assert not [one.path for one in server.requests if one.path.startswith("/a/v3/manifests/spec")]
    assert "site/b: sizes of 2 of 3 known" in ended.text


def test_sizes_that_a_mirror_could_not_give_end_with_its_exit_code(
    run: CommandLine, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("CACHESCOPE_RETRIES", "0")
    nodes = _mirror(tmp_path)
    with MirrorServer({f"/{spec_manifest_place(nodes[0])}": Answer(b"", 500)}, folder=tmp_path) as server:
        ended = run("sync", server.url, "--as", "site", "--sizes")
    assert ended.code == 4
    assert "sizes of 1 of 3 known (1 read, 1 missing, 1 not asked): failed" in ended.text
    assert "Hint: try again later" in ended.text


def test_show_says_bytes_of_the_binary_and_of_what_it_needs_to_run(run: CommandLine, tmp_path: Path) -> None:
    lib, app, other = _mirror(tmp_path)
    run.well("sync", str(tmp_path), "--as", "site")
    before = run.well("show", app["hash"])
    assert "not known: 'cachescope sync --sizes' asks for it" in before.text
    assert "To run" not in before.text
    run.well("sync", "--sizes")
    text = run.well("show", app["hash"]).text
    assert "Size          2.1 kB" in text
    assert "To run        43.1 kB in 2 binaries" in text
    assert "2.1 kB, signed" in text
    shown = run.well("show", app["hash"], "--json").json
    assert shown["size"] == 2051
    assert shown["closure"] == {"bytes": 43051, "known": 2, "specs": 2, "without_binary": 0}
    archive = shown["places"][0]["archive"]
    assert (archive["state"], archive["size"], archive["signed"]) == ("stated", 2051, True)
    assert archive["digest"].startswith("sha256:")
    assert archive["media_type"] == "application/vnd.spack.install.v2.tar+gzip"
    assert [one["size"] for one in shown["dependencies"]] == [41000]

    unknown = run.well("show", other["hash"])
    assert "Size          not known: missing in site/root" in unknown.text
    assert "To run        41.0 kB so far: sizes of 1 of 2 known" in unknown.text
    as_json = run.well("show", other["hash"], "--json").json
    assert (as_json["size"], as_json["closure"]["known"]) == (None, 1)
    assert as_json["places"][0]["archive"]["state"] == "missing"
    assert run.well("show", lib["hash"], "--json").json["closure"]["bytes"] == 41000


def test_package_says_of_how_many_binaries_the_size_is_known(run: CommandLine, tmp_path: Path) -> None:
    _, app, other = _mirror(tmp_path)
    run.well("sync", str(tmp_path), "--as", "site", "--sizes")
    text = run.well("package", "app").text
    assert "Size: 2.1 kB so far: sizes of 1 of 2 known" in text
    assert "43.1 kB" in text
    assert "41.0 kB (1 of 2)" in text
    shown = run.well("package", "app", "--json").json
    assert shown["sizes"] == {"bytes": 2051, "known": 1, "specs": 2, "without_binary": 0}
    by_hash = {one["hash"]: one for group in shown["groups"] for one in group["specs"]}
    assert (by_hash[app["hash"]]["size"], by_hash[other["hash"]]["size"]) == (2051, None)
    assert by_hash[other["hash"]]["closure"]["bytes"] == 41000


def test_pages_of_the_site_say_bytes(run: CommandLine, tmp_path: Path, catalogue_file: Path) -> None:
    _, app, other = _mirror(tmp_path)
    run.well("sync", str(tmp_path), "--as", "site", "--sizes")
    html = {"Accept": "text/html"}
    with open_for_reading(catalogue_file, busy_timeout=1) as catalogue, client(Reader(catalogue)) as site:
        spec = site.get(f"/spec/{app['hash']}", headers=html).text
        unknown = site.get(f"/spec/{other['hash']}", headers=html).text
        package = site.get("/package/app", headers=html).text
    assert "43.1 kB in 2 binaries" in spec
    assert "not known: missing in site/root" in unknown
    assert "41.0 kB so far: sizes of 1 of 2 known" in unknown
    assert "sizes of 1 of 2 known" in package
    assert "41.0 kB (1 of 2)" in package


def test_page_with_sizes_prints_bytes_where_they_are_known(run: CommandLine, tmp_path: Path) -> None:
    _mirror(tmp_path)
    run.well("sync", str(tmp_path), "--as", "site", "--sizes")
    plain = run.well("page", "app", "--ref", "site").text
    sized = run.well("page", "app", "--ref", "site", "--with-sizes").text
    assert '"size": "2051"' in sized
    assert sized.count('"size": "-"') == 1
    assert sized.replace('"size": "2051"', '"size": "-"') == plain


def test_export_with_sizes_writes_what_the_page_prints(run: CommandLine, tmp_path: Path) -> None:
    run.well("sync", str(V3), "--as", "site", "--sizes")
    run.well("export", "pages", str(tmp_path), "--ref", "site", "--with-sizes")
    page = run.well("page", "cr-petsc", "--ref", "site", "--with-sizes").out
    assert (tmp_path / "_cache/site/cr-petsc/specs.md").read_bytes() == page
    assert b'"size": "-"' not in page


def test_sizes_of_published_pages_are_not_asked_for(run: CommandLine, tmp_path: Path) -> None:
    _mirror(tmp_path)
    run.well("sync", str(tmp_path), "--as", "site")
    report = run.well("sync", str(V3.parent / "pages"), "--sizes", "--json").json
    assert report["sizes"] == []
    assert json.dumps(report)
