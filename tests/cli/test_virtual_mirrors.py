"""``virtual``: definitions in the catalogue and in the settings file, and what is told of them."""

import json
import os
from pathlib import Path

import pytest

from tests import mirrors
from tests.binaries import APP, GLIBC, LIB, TOOL, write_binaries
from tests.commands import CommandLine


@pytest.fixture
def site(run: CommandLine, tmp_path: Path) -> Path:
    """A mirror that was read as 'site'."""
    folder = write_binaries(tmp_path / "m")
    run.well("sync", folder, "--as", "site")
    return folder


def test_a_definition_tells_what_is_in_it(run: CommandLine, site: Path) -> None:
    told = run.well("virtual", "define", "lab", "--from", "site").text
    assert "site/root (v3): 2 specs" in told
    assert "2 specs whose run closure has gaps" in told
    assert "2 specs need gone@1.0" in told
    assert run.well("virtual", "show", "lab").text == told
    assert site.is_dir()


@pytest.mark.usefixtures("site")
def test_definitions_are_listed_replaced_and_removed(run: CommandLine) -> None:
    assert "no virtual mirror is defined" in run.well("virtual", "list").text
    run.well("virtual", "define", "lab", "--from", "site", "--filter", "app", "--incomplete")
    (one,) = run.well("virtual", "list", "--json").json
    assert one == {
        "name": "lab",
        "sources": ["site/root"],
        "filter": "app",
        "for": None,
        "lock": None,
        "incomplete": True,
        "defined_in": "catalogue",
    }
    run.well("virtual", "define", "lab", "--from", "site", "--for", "os=debian12,target=x86_64_v3")
    (one,) = run.well("virtual", "list", "--json").json
    assert (one["filter"], one["for"]) == (None, "platform=linux,os=debian12,target=x86_64_v3")
    assert run.well("virtual", "remove", "lab").text == "removed lab\n"
    assert run("virtual", "remove", "lab").code == 3
    assert run("virtual", "show", "lab").code == 3


@pytest.mark.usefixtures("site")
def test_a_lock_file_shapes_a_mirror(run: CommandLine, tmp_path: Path) -> None:
    lock = {
        "_meta": {"file-type": "spack-lockfile", "lockfile-version": 6, "specfile-version": 5},
        "roots": [{"hash": APP["hash"], "spec": "app"}],
        "concrete_specs": {one["hash"]: one for one in (APP, LIB, TOOL, GLIBC)},
    }
    file = mirrors.write(tmp_path, "spack.lock", json.dumps(lock).encode())
    told = run.well("virtual", "define", "env", "--from", "site", "--lock", file, "--json").json
    assert (told["present"], told["lock"]) == (2, {"file": str(file), "specs": 2})
    file.unlink()
    assert run.well("virtual", "show", "env", "--json").json["present"] == 2, "as it was when it was defined"


@pytest.mark.usefixtures("site")
def test_any_mirror_is_shown_as_it_is_served(run: CommandLine) -> None:
    assert run.well("virtual", "show", "site", "--json").json["name"] == "site/root"


REFUSED = {
    "no source": (["lab"], 2, "a virtual mirror needs a source"),
    "a name with a slash": (["a/b", "--from", "site"], 2, "is not a name of a virtual mirror"),
    "the name of a ref": (["site", "--from", "site"], 2, "site is a ref of mirrors"),
    "an unknown source": (["lab", "--from", "nobody"], 3, "nobody/root has no index"),
    "a bad query": (["lab", "--from", "site", "--filter", "a@@"], 2, "not expected here"),
    "a bad host": (["lab", "--from", "site", "--for", "os"], 2, "does not describe a host"),
    "no lock file": (["lab", "--from", "site", "--lock", "/none"], 2, "cannot be read"),
}


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_defined_is_refused_and_nothing_is_kept(
    run: CommandLine, arguments: list[str], code: int, message: str
) -> None:
    ended = run("virtual", "define", *arguments)
    assert (ended.code, message in ended.err) == (code, True), ended
    assert run.well("virtual", "list", "--json").json == []


@pytest.mark.usefixtures("site")
def test_the_settings_file_defines_mirrors_that_commands_do_not_change(run: CommandLine) -> None:
    settings = Path(os.environ["CACHESCOPE_CONFIG"])
    settings.write_text("[virtual.ours]\nfrom = ['site']\nfor = 'os=debian12,target=x86_64_v3'\n")
    try:
        (one,) = run.well("virtual", "list", "--json").json
        assert (one["name"], one["defined_in"]) == ("ours", "settings")
        assert "2 specs" in run.well("virtual", "show", "ours").text
        for refused in (["define", "ours", "--from", "site"], ["remove", "ours"]):
            ended = run("virtual", *refused)
            assert (ended.code, "is defined in the settings file" in ended.err) == (2, True)
    finally:
        settings.write_text("")


WRONG = {
    "an unknown key": "[virtual.a]\nfrm = ['site']",
    "a text in place of a list": "[virtual.a]\nfrom = 'site'",
    "a list of numbers": "[virtual.a]\nfrom = [1]",
    "no table": "[virtual]\na = 'site'",
    "no source": "[virtual.a]\nfilter = 'zlib'",
    "a lock file that is not there": "[virtual.a]\nfrom = ['site']\nlock = '/none/spack.lock'",
    "this machine": "[virtual.a]\nfrom = ['site']\nfor = 'host'",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_wrong_definition_in_the_settings_file_is_told(run: CommandLine, text: str) -> None:
    settings = Path(os.environ["CACHESCOPE_CONFIG"])
    settings.write_text(text)
    try:
        ended = run("virtual", "list")
        assert ended.code == 2, ended
    finally:
        settings.write_text("")
