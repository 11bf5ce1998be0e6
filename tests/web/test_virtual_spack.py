"""Virtual mirrors with real Spack: a clean one adds the mirror, trusts its key, lists, concretizes with reuse and installs.

Runs where ``SPACK_ROOT`` names a Spack 1.0 or newer with the packages repository beside it (``spack-packages``) or at
``SPACK_PACKAGES``, on the signed cache of the reference data, whose key nobody knows before.
"""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.catalogues import OpenCatalogue
from tests.commands import CommandLine, start
from tests.servers import Answer, MirrorServer

SPACK_ROOT = os.environ.get("SPACK_ROOT", "")
PACKAGES = Path(os.environ.get("SPACK_PACKAGES") or Path(SPACK_ROOT).parent / "spack-packages")

pytestmark = [
    pytest.mark.skipif(not SPACK_ROOT, reason="SPACK_ROOT names no Spack"),
    pytest.mark.skipif(
        bool(SPACK_ROOT) and not PACKAGES.is_dir(),
        reason=f"no packages of Spack at {PACKAGES} (SPACK_PACKAGES)",
    ),
    pytest.mark.skipif(shutil.which("gpg") is None, reason="no gpg, by which Spack checks signatures"),
    # Real Spack keeps one cache of its packages, so these tests run one after the other in one process.
    pytest.mark.xdist_group("spack"),
    pytest.mark.shared,
]

SCRIPT = "pjm7evfp5p7s6d6clwjnufbjo44n5sd4"
DATA = "l2etucs"
PYTHON = (
    "python@3.11.2 +bz2+crypt+ctypes+dbm~debug+libxml2+lzma~optimizations+pic+pyexpat~pythoncmd+readline+shared"
    "+sqlite3+ssl~static~tests~tkinter+uuid+zlib os=debian12 target=x86_64"
)


@dataclass(frozen=True)
class CleanSpack:
    """Spack with a configuration, install tree, keyring and caches of its own."""

    folder: Path
    cache: Path
    """Of what Spack computes from its recipes, which takes minutes; may be shared."""

    def __call__(self, *arguments: str, code: int | None = 0) -> str:
        """Run it; return all that it printed."""
        own = {
            "SPACK_USER_CACHE_PATH": str(self.cache),
            "SPACK_USER_CONFIG_PATH": str(self.folder / "configuration"),
            "SPACK_SYSTEM_CONFIG_PATH": str(self.folder / "system"),
            "SPACK_GNUPGHOME": str(self.folder / "gpg"),
        }
        # With this, what is added would be written into the Spack that others use.
        others = {key: value for key, value in os.environ.items() if key != "SPACK_DISABLE_LOCAL_CONFIG"}
        ended = subprocess.run(
            [str(Path(SPACK_ROOT) / "bin" / "spack"), *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
            env={**others, **own},
        )
        if code is not None:
            assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def uses(self, address: str) -> None:
        """Add the mirror and trust its keys."""
        self("mirror", "add", "--scope", "user", "--signed", "virtual", address)
        told = self("buildcache", "keys", "--install", "--trust")
        assert "imported: 1" in told


@pytest.fixture(scope="module")
def recipes_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of whoever runs the tests, if named; else one for these tests."""
    named = os.environ.get("SPACK_USER_CACHE_PATH")
    return Path(named) if named else tmp_path_factory.mktemp("recipes")


@pytest.fixture
def clean_spack(tmp_path: Path, shared: Path, recipes_cache: Path) -> Iterator[CleanSpack]:
    folder = tmp_path / "s"
    configuration = folder / "configuration"
    configuration.mkdir(parents=True)
    for name in ("gpg", "system"):
        (folder / name).mkdir(mode=0o700)
    files = {
        "repos.yaml": {
            "repos:": {
                "crafted": str(shared / "recipes" / "spack-1.2" / "spack_repo" / "crafted"),
                "builtin": str(PACKAGES / "repos" / "spack_repo" / "builtin"),
            }
        },
        "config.yaml": {
            "config": {
                # The archives were made for prefixes of this length and more.
                "install_tree": {"root": str(folder / "o"), "padded_length": 0},
                "build_stage": [str(folder / "stage")],
                "source_cache": str(folder / "sources"),
            }
        },
        "concretizer.yaml": {"concretizer": {"reuse": True}},
        # Spack reuses what needs an external if this host has the same one, by its own word.
        "packages.yaml": {"packages": {"python": {"externals": [{"spec": PYTHON, "prefix": "/usr"}]}}},
    }
    for name, content in files.items():
        (configuration / name).write_text(json.dumps(content))  # JSON is YAML
    yield CleanSpack(folder, recipes_cache)
    # A keyring's agent outlives the command that started it.
    subprocess.run(["gpgconf", "--homedir", str(folder / "gpg"), "--kill", "all"], check=False)


@contextmanager
def served(db: Path, *options: str) -> Iterator[str]:
    """Serve a catalogue; yields the address of the site."""
    with start("serve", "--port", "0", *options, db=db, environment={"PYTHONUNBUFFERED": "1"}) as server:
        assert server.stdout is not None
        told = server.stdout.readline().decode()
        drained = threading.Thread(target=server.stdout.read)
        drained.start()
        try:
            yield told.split()[3].rstrip("/")
        finally:
            server.terminate()
            drained.join()


def _catalogue(db: Path, **mirrors: str) -> None:
    with OpenCatalogue(db) as opened:
        for name, address in mirrors.items():
            opened.sync(name, address)


def _installed(clean_spack: CleanSpack) -> set[str]:
    return set(clean_spack("find", "-l").splitlines())


def test_a_clean_spack_installs_from_a_virtual_mirror_by_redirect(
    clean_spack: CleanSpack, tmp_path: Path, shared: Path, run: CommandLine
) -> None:
    db = tmp_path / "catalogue.sqlite"
    with MirrorServer(folder=shared / "caches" / "v3-crafted-signed") as source:
        _catalogue(db, crafted=source.url)
        told = run.well("--db", db, "virtual", "define", "lab", "--from", "crafted").text
        assert "72 specs whose run closure has gaps" in told
        assert "gcc-runtime@12.2.0" in told
        with served(db) as site:
            clean_spack.uses(f"{site}/mirror/lab")
            listed = clean_spack("buildcache", "list", "-al")
            assert "cr-script@1.1" in listed
            assert "cr-plugin" not in listed, "it lacks gcc-runtime, so it is left out"

            wanted = "cr-script@1.1 os=debian12 target=x86_64_v3"
            assert SCRIPT[:7] in clean_spack("spec", "-l", "--reuse", wanted)

            source.requests.clear()
            clean_spack("install", "--cache-only", f"/{SCRIPT[:7]}")
            assert _installed(clean_spack) >= {
                f"{SCRIPT[:7]} cr-script@1.1",
                f"{DATA[:7]} cr-data@2024.10.01",
            }
    # The manifests were fetched by the server, the archives by Spack itself from where it was sent.
    agents = {
        one.headers.get("user-agent", "").split("/")[0] for one in source.requests if "/blobs/" in one.path
    }
    assert "Spackbot" in agents


@pytest.mark.parametrize("way", ["stream", "store"])
def test_a_clean_spack_installs_what_the_server_hands_on(
    way: str, clean_spack: CleanSpack, tmp_path: Path, shared: Path
) -> None:
    db = tmp_path / "catalogue.sqlite"
    options = ("--stream",) if way == "stream" else ("--store", str(tmp_path / "store"))
    with MirrorServer(folder=shared / "caches" / "v3-crafted-signed") as source:
        _catalogue(db, crafted=source.url)
        with served(db, *options) as site:
            clean_spack.uses(f"{site}/mirror/crafted/root")
            clean_spack("install", "--cache-only", f"/{SCRIPT[:7]}")
    assert _installed(clean_spack) >= {f"{SCRIPT[:7]} cr-script@1.1", f"{DATA[:7]} cr-data@2024.10.01"}
    # Spack asked the server alone.
    agents = {one.headers.get("user-agent", "").split("/")[0] for one in source.requests}
    assert "Spackbot" not in agents


def test_a_clean_spack_installs_from_a_folder_that_was_pulled(
    clean_spack: CleanSpack, tmp_path: Path, shared: Path, run: CommandLine
) -> None:
    db, pulled = tmp_path / "catalogue.sqlite", tmp_path / "pulled"
    cache = shared / "caches" / "v3-crafted-signed"
    _catalogue(db, crafted=str(cache))
    key = tmp_path / "key.asc"
    key.write_bytes(_public_key(cache))
    run.well("--db", db, "pull", f"/{SCRIPT}", "--from", "crafted", "--to", pulled, "--trust", key)
    clean_spack.uses(pulled.as_uri())
    clean_spack("install", "--cache-only", f"/{SCRIPT[:7]}")
    assert _installed(clean_spack) >= {f"{SCRIPT[:7]} cr-script@1.1", f"{DATA[:7]} cr-data@2024.10.01"}


def _public_key(cache: Path) -> bytes:
    (manifest,) = (cache / "v3" / "manifests" / "key").glob("*.key.manifest.json")
    digest: str = json.loads(manifest.read_bytes())["data"][0]["checksum"]
    return (cache / "blobs" / "sha256" / digest[:2] / digest).read_bytes()


def test_a_clean_spack_installs_from_a_union_whose_sources_are_folders(
    clean_spack: CleanSpack, tmp_path: Path, shared: Path, run: CommandLine
) -> None:
    """The first source has the index and manifests of one package alone, the second all the rest; the server gives the bytes."""
    db = tmp_path / "catalogue.sqlite"
    _catalogue(
        db,
        pdm=str(shared / "caches" / "v3-pdm-unsigned"),
        crafted=str(shared / "caches" / "v3-crafted-signed"),
    )
    told = run.well(
        "--db", db, "virtual", "define", "both", "--from", "pdm", "--from", "crafted", "--json"
    ).json
    assert [one["gives"] > 0 for one in told["given_by"]] == [True, True]
    with served(db) as site:
        clean_spack.uses(f"{site}/mirror/both")
        clean_spack("install", "--cache-only", f"/{SCRIPT[:7]}")
        assert _installed(clean_spack) >= {f"{SCRIPT[:7]} cr-script@1.1", f"{DATA[:7]} cr-data@2024.10.01"}


def test_what_is_left_out_is_refused_by_name(
    clean_spack: CleanSpack, tmp_path: Path, shared: Path, run: CommandLine
) -> None:
    db = tmp_path / "catalogue.sqlite"
    _catalogue(db, crafted=str(shared / "caches" / "v3-crafted-signed"))
    run.well("--db", db, "virtual", "define", "lab", "--from", "crafted")
    with served(db) as site:
        clean_spack.uses(f"{site}/mirror/lab")
        told = clean_spack("install", "--cache-only", "/pet3k57", code=None)
    assert "pet3k57" in told
    assert "cr-plugin" not in clean_spack("find", code=None)


@pytest.mark.parametrize("damage", ["changed", "lost"])
def test_an_archive_that_is_changed_or_lost_is_not_installed(
    damage: str, clean_spack: CleanSpack, tmp_path: Path, shared: Path, run: CommandLine
) -> None:
    db = tmp_path / "catalogue.sqlite"
    folder = tmp_path / "changed"
    shutil.copytree(shared / "caches" / "v3-crafted-signed", folder)
    (manifest,) = folder.glob(f"v3/manifests/spec/cr-script/*{SCRIPT}*")
    digest = manifest.read_text().split('"checksum":"')[1][:64]
    blob = folder / "blobs" / "sha256" / digest[:2] / digest
    if damage == "changed":
        blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    else:
        blob.unlink()
    with MirrorServer({"/never": Answer()}, folder=folder) as source:
        _catalogue(db, crafted=source.url)
        run.well("--db", db, "virtual", "define", "lab", "--from", "crafted")
        with served(db) as site:
            clean_spack.uses(f"{site}/mirror/lab")
            told = clean_spack("install", "--cache-only", f"/{SCRIPT[:7]}", code=1)
    assert "No binary found" in told or "checksum" in told.lower()
    assert "cr-script" not in clean_spack("find", code=None)
