"""``spack cachescope`` with real Spack: the same answers and exit codes from the command and from a served server.

Runs where ``SPACK_ROOT`` names a Spack 1.0 or newer with the packages repository beside it (``spack-packages``) or at
``SPACK_PACKAGES``. One environment is concretized once; all else reads its lock file.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.catalogues import ROOT, OpenCatalogue
from tests.commands import start
from tests.mirrors import index, installs, write_v3

SPACK_ROOT = os.environ.get("SPACK_ROOT", "")
PACKAGES = Path(os.environ.get("SPACK_PACKAGES") or Path(SPACK_ROOT).parent / "spack-packages")

pytestmark = [
    pytest.mark.skipif(not SPACK_ROOT, reason="SPACK_ROOT names no Spack"),
    pytest.mark.skipif(
        bool(SPACK_ROOT) and not PACKAGES.is_dir(),
        reason=f"no packages of Spack at {PACKAGES} (SPACK_PACKAGES)",
    ),
]
# Real Spack keeps one cache of its packages, so these tests run one after the other in one process.
pytestmark.append(pytest.mark.xdist_group("spack"))


@dataclass(frozen=True)
class Spack:
    """Real Spack with this extension, over a catalogue that has all of an environment but its root."""

    configuration: Path
    environment: Path
    db: Path
    server: str
    user_cache: Path

    def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run ``spack cachescope`` inside of the environment."""
        return spack(
            self.configuration, self.user_cache, "-e", str(self.environment), "cachescope", *arguments
        )


def spack(configuration: Path, user_cache: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run real Spack with its own configuration alone."""
    command = [str(Path(SPACK_ROOT) / "bin" / "spack"), "-C", str(configuration), *arguments]
    own = {
        "SPACK_DISABLE_LOCAL_CONFIG": "1",
        "SPACK_USER_CACHE_PATH": str(user_cache),
        "CACHESCOPE_COMMAND": str(Path(sys.executable).with_name("cachescope")),
    }
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=900, env={**os.environ, **own}
    )


def _configured(folder: Path) -> Path:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("Spack needs a compiler to concretize, and there is no gcc")
    version = subprocess.run([gcc, "-dumpfullversion"], check=True, capture_output=True, text=True).stdout
    prefix = Path(gcc).parent.parent
    files = {
        "repos.yaml": {"repos:": {"builtin": str(PACKAGES / "repos" / "spack_repo" / "builtin")}},
        "config.yaml": {"config": {"extensions": [str(ROOT / "spack-extension" / "spack-cachescope")]}},
        "packages.yaml": {
            "packages": {
                "gcc": {
                    "externals": [
                        {
                            "spec": f"gcc@{version.strip()} languages:='c,c++'",
                            "prefix": str(prefix),
                            "extra_attributes": {"compilers": {"c": gcc, "cxx": str(prefix / "bin" / "g++")}},
                        }
                    ]
                }
            }
        },
    }
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))  # JSON is YAML
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spack]:
    folder = tmp_path_factory.mktemp("spack")
    configuration, user_cache = _configured(folder / "configuration"), folder / "cache"
    environment = folder / "environment"
    environment.mkdir()
    (environment / "spack.yaml").write_text(json.dumps({"spack": {"specs": ["zlib-ng"], "view": False}}))
    ended = spack(configuration, user_cache, "-e", str(environment), "concretize")
    assert ended.returncode == 0, ended.stderr
    lock = json.loads((environment / "spack.lock").read_bytes())
    (root,) = (one["hash"] for one in lock["roots"])
    present = [node for key, node in lock["concrete_specs"].items() if key != root]
    write_v3(folder / "mirror", index(installs([one for one in present if "external" not in one])))
    db = folder / "catalogue.sqlite"
    with OpenCatalogue(db) as catalogue:
        catalogue.sync("develop/e4s", folder / "mirror")
    with start("serve", "--port", "0", db=db, environment={"PYTHONUNBUFFERED": "1"}) as server:
        assert server.stdout is not None
        told = server.stdout.readline().decode()
        drained = threading.Thread(target=server.stdout.read)
        drained.start()
        try:
            yield Spack(configuration, environment, db, told.split()[3].rstrip("/"), user_cache)
        finally:
            server.terminate()
            server.wait(timeout=30)
            drained.join(timeout=30)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("coverage",), 0),
        (("coverage", "--json"), 0),
        (("coverage", "--markdown"), 0),
        (("coverage", "--installable"), 1),
        (("coverage", "--fail-under", "100"), 1),
        (("coverage", "--fail-under", "1", "--deptypes", "all", "--against", "ref:develop"), 0),
        (("coverage", "--against", "nowhere/none", "--json"), 3),
        (("why",), 0),
        (("why", "--json", "--spec", "zlib-ng"), 0),
        (("why", "--if", "target=x86_64_v3"), 0),
        (("search", "gmake"), 0),
        (("search", "--json", "--limit", "1", "gmake"), 0),
        (("search", "zlib-ng@1:3"), 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_server_says_what_the_command_says(real: Spack, arguments: tuple[str, ...], code: int) -> None:
    name, *rest = arguments
    command = real(name, "--db", str(real.db), *rest)
    server = real(name, "--server", real.server, *rest)
    assert (command.returncode, server.returncode) == (code, code), (command.stderr, server.stderr)
    assert command.stdout.strip()
    assert server.stdout == command.stdout


def test_missing_root_is_named_with_the_share_of_the_rest(real: Spack) -> None:
    found = json.loads(real("coverage", "--server", real.server, "--json").stdout)
    assert [one["name"] for one in found["missing"]] == ["zlib-ng"]
    assert len(found["present"]) == found["total"] - 1 > 0


def test_errors_of_a_server_end_with_the_code_of_the_command(real: Spack) -> None:
    ended = real("why", "--server", real.server, "--spec", "zlib@@")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "is not expected here" in ended.stderr
    gone = real("coverage", "--server", "http://127.0.0.1:9")
    assert gone.returncode != 0
    assert "does not answer" in gone.stderr
    host = real("search", "--server", real.server, "--for", "host", "gmake")
    assert host.returncode != 0
    assert "does not judge a search by a host" in host.stderr


def test_specs_are_concretized_as_spack_would(real: Spack) -> None:
    ended = spack(
        real.configuration,
        real.user_cache,
        "cachescope",
        "coverage",
        "--server",
        real.server,
        "--json",
        "zlib-ng",
    )
    assert ended.returncode == 0, ended.stderr
    assert "zlib-ng" in {one["name"] for one in json.loads(ended.stdout)["missing"]}
