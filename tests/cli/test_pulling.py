"""``pull``: what is copied, what is refused, and what is on disk whatever happens on the way."""

import fcntl
import gzip
import hashlib
import json
import signal
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cachescope.catalogue.address import CatalogueAddress
from tests.commands import CommandLine, Ended, start
from tests.mirrors import (
    Node,
    as_json,
    blob_place,
    index,
    installs,
    node,
    read_installs,
    spec_manifest_place,
    write,
    write_v2,
    write_v3,
)
from tests.servers import Answer, MirrorServer, Seen
from tests.signing import Signer

SYSTEM = node("glibc", "2.36", external={"path": "/usr", "module": None, "extra_attributes": {}})
BUILDER = node("builder", "3.0")
DATA = node("data", "2.0", needs=[(SYSTEM, "link", "libc")])
TOOL = node("tool", "1.0", needs=[(DATA, "link,run", ""), (BUILDER, "build", ""), (SYSTEM, "link", "libc")])
OTHER = node("other", "1.0", needs=[(DATA, "run", "")])
ALL = (BUILDER, DATA, TOOL, OTHER)

UNAVAILABLE, MALFORMED, ABSENT, BAD_INPUT = 4, 5, 3, 2


def _archive(one: Node) -> bytes:
    return gzip.compress(hashlib.shake_256(one["hash"].encode()).digest(200_000), mtime=0)


def _spec_blob(one: Node) -> bytes:
    return gzip.compress(as_json({"spec": {"_meta": {"version": 5}, "nodes": [one]}}), mtime=0)


def _manifest(one: Node, **changes: object) -> bytes:
    def entry(stored: bytes, media_type: str) -> dict[str, object]:
        return {
            "contentLength": len(stored),
            "mediaType": media_type,
            "compression": "gzip",
            "checksumAlgorithm": "sha256",
            "checksum": hashlib.sha256(stored).hexdigest(),
        }

    archive = entry(_archive(one), "application/vnd.spack.install.v2.tar+gzip")
    spec = entry(_spec_blob(one), "application/vnd.spack.spec.v5+json")
    return json.dumps({"version": 3, "data": [{**archive, **changes}, spec]}, indent=0).encode()


def _write_keys(folder: Path, signer: Signer) -> None:
    for place, content, media_type in (
        (f"{signer.fingerprint}.key", signer.public_key, "application/pgp-keys"),
        ("keys", as_json({"keys": {signer.fingerprint: {}}}), "application/vnd.spack.keyindex.v1+json"),
    ):
        write(folder, blob_place(content), content)
        blob = {
            "contentLength": len(content),
            "mediaType": media_type,
            "compression": "none",
            "checksumAlgorithm": "sha256",
            "checksum": hashlib.sha256(content).hexdigest(),
        }
        write(folder, f"v3/manifests/key/{place}.manifest.json", as_json({"version": 3, "data": [blob]}))


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    made = Signer(tmp_path_factory.mktemp("gpg") / "home")
    yield made
    made.close()


@pytest.fixture(scope="session")
def signed(signer: Signer) -> Mapping[str, bytes]:
    """The manifests of all binaries, signed, by hash."""
    return {one["hash"]: signer.sign(_manifest(one)) for one in ALL}


@pytest.fixture
def mirror(tmp_path: Path, signer: Signer, signed: Mapping[str, bytes]) -> Path:
    """A signed mirror of four binaries and a mentioned external."""
    folder = tmp_path / "mirror"
    write_v3(folder, index(installs(ALL, [SYSTEM])))
    for one in ALL:
        write(folder, spec_manifest_place(one), signed[one["hash"]])
        write(folder, blob_place(_archive(one)), _archive(one))
        write(folder, blob_place(_spec_blob(one)), _spec_blob(one))
    _write_keys(folder, signer)
    return folder


@pytest.fixture
def key(tmp_path: Path, signer: Signer) -> Path:
    return write(tmp_path, "key.asc", signer.public_key)


@pytest.fixture
def server(mirror: Path) -> Iterator[MirrorServer]:
    with MirrorServer(folder=mirror) as running:
        yield running


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: MirrorServer) -> CommandLine:
    """A command line whose catalogue knows the mirror as ``site``."""
    monkeypatch.setenv("CACHESCOPE_DB", str(tmp_path / "catalogue.sqlite"))
    monkeypatch.setenv("CACHESCOPE_RETRIES", "0")
    made = CommandLine()
    made.well("sync", server.url, "--as", "site")
    server.requests.clear()
    return made


def _pull(command: CommandLine, tmp_path: Path, what: str | Path, key: Path, *more: str | Path) -> Ended:
    return command("pull", what, "--from", "site", "--to", tmp_path / "to", "--trust", key, *more)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(folder)): one.read_bytes()
        for one in sorted(folder.rglob("*"))
        if one.is_file() and one.name != ".pull.lock"
    }


def _binaries(folder: Path) -> set[str]:
    return {one.name.partition("-")[0] for one in folder.rglob("*.spec.manifest.json")}


def _index(folder: Path) -> dict[str, bool]:
    """What the index of a folder says: names, and whether they are present."""
    found = json.loads((folder / "v3/manifests/index/index.manifest.json").read_bytes())["data"][0]
    blob = (folder / f"blobs/sha256/{found['checksum'][:2]}/{found['checksum']}").read_bytes()
    assert hashlib.sha256(blob).hexdigest() == found["checksum"]
    assert len(blob) == found["contentLength"]
    return {one["spec"]["name"]: one["in_buildcache"] for one in read_installs(blob).values()}


class TestWhatIsCopied:
    def test_binary_comes_with_its_run_closure_byte_for_byte(
        self, command: CommandLine, tmp_path: Path, key: Path, mirror: Path, signer: Signer
    ) -> None:
        ended = _pull(command, tmp_path, "tool", key, "--json")

        assert ended.code == 0, ended
        assert ended.json["binaries"] == 2
        assert ended.json["externals"] == 1
        assert ended.json["signers"] == [signer.fingerprint]
        assert (
            ended.json["bytes"]
            == ended.json["bytes_copied"]
            == sum(len(_archive(one)) + len(_spec_blob(one)) for one in (TOOL, DATA))
        )
        pulled, original = _files(tmp_path / "to"), _files(mirror)
        for one in (TOOL, DATA):
            for place in (spec_manifest_place(one), blob_place(_archive(one)), blob_place(_spec_blob(one))):
                assert pulled[place] == original[place]
        for place in pulled:
            if "/key/" in place:
                assert json.loads(pulled[place]) == json.loads(original[place])
        assert pulled["v3/layout.json"] == b'{"signing": "gpg"}'
        assert _binaries(tmp_path / "to") == {"tool", "data"}
        assert _index(tmp_path / "to") == {"tool": True, "data": True, "builder": False, "glibc": False}

    def test_what_only_building_needs_comes_when_it_is_asked_for(
        self, command: CommandLine, tmp_path: Path, key: Path
    ) -> None:
        assert _pull(command, tmp_path, "tool", key, "--deptypes", "all").code == 0
        assert _binaries(tmp_path / "to") == {"tool", "data", "builder"}

    @pytest.mark.parametrize("deptypes", ["run", "all"])
    def test_lock_file_names_what_comes(
        self, command: CommandLine, tmp_path: Path, key: Path, deptypes: str
    ) -> None:
        nodes = {one["hash"]: one for one in (SYSTEM, BUILDER, DATA, TOOL)}
        lock = {
            "_meta": {"file-type": "spack-lockfile", "lockfile-version": 6, "specfile-version": 5},
            "roots": [{"hash": TOOL["hash"], "spec": "tool"}],
            "concrete_specs": nodes,
        }
        file = write(tmp_path, "spack.lock", as_json(lock))
        assert _pull(command, tmp_path, file, key, "--deptypes", deptypes).code == 0
        expected = {"tool", "data"} | ({"builder"} if deptypes == "all" else set())
        assert _binaries(tmp_path / "to") == expected

    @pytest.mark.parametrize("name", ["to", "1.0", "no", "1e3"])
    def test_guides_say_how_spack_is_told(
        self, command: CommandLine, tmp_path: Path, key: Path, name: str
    ) -> None:
        folder = tmp_path / name
        command.well(
            *("pull", "tool", "--from", "site", "--to", folder, "--trust", key), "--url", "file:///srv/cache"
        )
        guide = (folder / "mirrors.yaml").read_text()
        # Bare, the last three are numbers and a truth to YAML.
        assert guide == f'mirrors:\n  "{name}":\n    url: "file:///srv/cache"\n    signed: true\n'
        assert f"spack mirror add --signed {name} file:///srv/cache" in (folder / "README.md").read_text()

    def test_it_comes_from_a_catalogue_in_postgresql_too(
        self,
        server: MirrorServer,
        tmp_path: Path,
        key: Path,
        catalogue_database: CatalogueAddress,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        assert not isinstance(catalogue_database, Path)
        monkeypatch.setenv("CACHESCOPE_DB", catalogue_database.url)
        command = CommandLine()
        command.well("sync", server.url, "--as", "site")
        assert _pull(command, tmp_path, "tool", key).code == 0
        assert _binaries(tmp_path / "to") == {"tool", "data"}
        assert _index(tmp_path / "to") == {"tool": True, "data": True, "builder": False, "glibc": False}

    def test_second_pull_copies_what_is_new_and_lists_all(
        self, command: CommandLine, tmp_path: Path, key: Path, server: MirrorServer
    ) -> None:
        _pull(command, tmp_path, "tool", key)
        first = _files(tmp_path / "to")
        server.requests.clear()

        again = _pull(command, tmp_path, "tool", key, "--json")
        assert again.json["bytes_copied"] == 0
        assert again.json["bytes_there"] == again.json["bytes"]
        assert not [one.path for one in server.requests if _archive_path(TOOL) == one.path]
        assert _files(tmp_path / "to") == first

        more = _pull(command, tmp_path, "other", key, "--json")
        assert more.json["binaries_new"] == 1
        assert more.json["indexed"] == 3
        assert _index(tmp_path / "to") == {
            "tool": True,
            "data": True,
            "other": True,
            "builder": False,
            "glibc": False,
        }
        indexes = [one for one in _files(tmp_path / "to").values() if one.startswith(b'{"database"')]
        assert len(indexes) == 1  # the former one went

    def test_order_of_pulls_does_not_change_the_index(
        self, command: CommandLine, tmp_path: Path, key: Path
    ) -> None:
        for place, names in (("a", ("tool", "other")), ("b", ("other", "tool"))):
            for name in names:
                to = tmp_path / place / "to"
                assert (
                    command("pull", name, "--from", "site", "--to", to, "--trust", key, "--url", "u").code
                    == 0
                )
        assert _files(tmp_path / "a") == _files(tmp_path / "b")

    def test_one_file_holds_all_and_is_the_same_each_time(
        self, command: CommandLine, tmp_path: Path, key: Path
    ) -> None:
        for place in ("a", "b"):
            to, tar = tmp_path / place / "to", tmp_path / f"{place}.tar"
            command("pull", "tool", "--from", "site", "--to", to, "--trust", key, "--url", "u", "--tar", tar)
        assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
        with tarfile.open(tmp_path / "a.tar") as packed:
            packed.extractall(tmp_path / "unpacked", filter="data")
        assert _files(tmp_path / "unpacked" / "to") == _files(tmp_path / "a" / "to")

    def test_file_in_the_folder_itself_does_not_hold_the_one_before(
        self, command: CommandLine, tmp_path: Path, key: Path
    ) -> None:
        tar = tmp_path / "to/all.tar"
        first = [_pull(command, tmp_path, "tool", key, "--tar", tar).code, tar.read_bytes()]
        assert [_pull(command, tmp_path, "tool", key, "--tar", tar).code, tar.read_bytes()] == first

    def test_dry_run_counts_and_copies_nothing(
        self, command: CommandLine, tmp_path: Path, key: Path, server: MirrorServer
    ) -> None:
        ended = _pull(command, tmp_path, "tool", key, "--dry-run")
        assert ended.code == 0
        assert "2 binaries with what they need, 1 external left out" in ended.text
        stated = _pull(command, tmp_path, "tool", key, "--dry-run", "--json").json["bytes"]
        assert stated > 0
        assert f"{stated / 1000:.1f} kB\n" in ended.text
        assert not (tmp_path / "to").exists()
        assert not [one for one in server.requests if "/blobs/" in one.path]

    def test_pulled_mirror_is_a_mirror(self, command: CommandLine, tmp_path: Path, key: Path) -> None:
        _pull(command, tmp_path, "tool", key)
        command.well("sync", tmp_path / "to", "--as", "copy")
        (spec,) = command.well("search", "tool", "--ref", "copy", "--json").json["specs"]
        assert spec["hash"] == TOOL["hash"]
        again = command(
            "pull", "tool", "--from", "copy", "--to", tmp_path / "again", "--trust", key, "--json"
        )
        assert again.json["binaries_new"] == 2


def _archive_path(one: Node) -> str:
    return f"/{blob_place(_archive(one))}"


class TestLayout2:
    @pytest.fixture
    def old(self, tmp_path: Path, signer: Signer) -> Path:
        folder = tmp_path / "old"
        for one in (TOOL, DATA):
            archive = _archive(one)
            document = {
                "spec": {"_meta": {"version": 4}, "nodes": [one]},
                "buildcache_layout_version": 2,
                "binary_cache_checksum": {
                    "hash_algorithm": "sha256",
                    "hash": hashlib.sha256(archive).hexdigest(),
                },
            }
            name = f"linux-debian12-x86_64_v3-none-none-{one['name']}-{one['version']}-{one['hash']}"
            write(folder, f"build_cache/{name}.spec.json.sig", signer.sign(as_json(document)))
            place = f"build_cache/linux-debian12-x86_64_v3/none-none/{one['name']}-{one['version']}"
            write(folder, f"{place}/{name}.spack", archive)
        old_nodes = [
            {key: value for key, value in one.items() if key != "annotations"} for one in (TOOL, DATA, SYSTEM)
        ]
        write_v2(folder, index(installs(old_nodes[:2], old_nodes[2:]), version="7"))
        write(folder, "build_cache/_pgp/index.json", as_json({"keys": {signer.fingerprint: {}}}))
        write(folder, f"build_cache/_pgp/{signer.fingerprint}.pub", signer.public_key)
        return folder

    def test_mirror_of_layout_2_stays_one(
        self, tmp_path: Path, key: Path, old: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CACHESCOPE_DB", str(tmp_path / "old.sqlite"))
        command = CommandLine()
        command.well("sync", old, "--as", "old")
        ended = command("pull", "tool", "--from", "old", "--to", tmp_path / "to", "--trust", key, "--json")

        assert ended.code == 0, ended
        pulled, original = _files(tmp_path / "to"), _files(old)
        assert set(original) - set(pulled) == set()
        assert {one for one in original if pulled[one] != original[one]} <= {
            "build_cache/index.json",
            "build_cache/index.json.hash",
            "build_cache/_pgp/index.json",
        }
        document = pulled["build_cache/index.json"]
        assert hashlib.sha256(document).hexdigest().encode() == pulled["build_cache/index.json.hash"]
        assert {one["spec"]["name"] for one in read_installs(document).values()} >= {"tool", "data"}

    def test_archive_of_layout_2_that_has_other_bytes_is_copied_anew(
        self, tmp_path: Path, key: Path, old: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CACHESCOPE_DB", str(tmp_path / "old.sqlite"))
        command = CommandLine()
        command.well("sync", old, "--as", "old")
        pull = ("pull", "tool", "--from", "old", "--to", tmp_path / "to", "--trust", key)
        command.well(*pull)
        (archive,) = (tmp_path / "to").rglob(f"*{TOOL['hash']}.spack")
        archive.write_bytes(bytes(len(_archive(TOOL))))
        command.well(*pull)
        assert archive.read_bytes() == _archive(TOOL), "its name does not say which bytes it has"


class TestWhatIsRefused:
    def test_gap_in_the_closure_is_named(
        self, command: CommandLine, tmp_path: Path, key: Path, mirror: Path
    ) -> None:
        write_v3(mirror, index(installs((TOOL, OTHER), [DATA, BUILDER, SYSTEM])))
        command.well("sync", "site")
        refused = _pull(command, tmp_path, "tool", key)
        assert refused.code == ABSENT
        assert "no source has a binary of 1 of the specs that are needed: data@2.0 /" in refused.err
        assert "needed by tool@1.0" in refused.err
        assert not (tmp_path / "to").exists()
        looked = _pull(command, tmp_path, "tool", key, "--dry-run")
        assert looked.code == 1
        assert "no binary of data@2.0" in looked.text
        taken = _pull(command, tmp_path, "tool", key, "--incomplete", "--json")
        assert taken.code == 0, taken
        assert [one["name"] for one in taken.json["missing"]] == ["data"]
        assert _index(tmp_path / "to") == {"tool": True, "data": False, "builder": False, "glibc": False}

    def test_nothing_is_pulled_that_does_not_exist(
        self, command: CommandLine, tmp_path: Path, key: Path
    ) -> None:
        assert "site/root has no binary that matches nothing" in _pull(command, tmp_path, "nothing", key).err
        assert (
            command("pull", "tool", "--from", "gone", "--to", tmp_path / "to", "--trust", key).code == ABSENT
        )
        assert _pull(command, tmp_path, "tool@", key).code == BAD_INPUT
        assert _pull(command, tmp_path, tmp_path / "not-there.lock", key).code == BAD_INPUT

    def test_signatures_need_keys_or_a_word(self, command: CommandLine, tmp_path: Path, key: Path) -> None:
        to = ("--from", "site", "--to", tmp_path / "to")
        refused = command("pull", "tool", *to)
        assert refused.code == BAD_INPUT
        assert "no key is trusted" in refused.err
        assert command("pull", "tool", *to, "--no-verify", "--trust", key).code == BAD_INPUT
        assert command("pull", "tool", *to, "--no-verify").code == 0

    def test_keys_may_stand_in_the_settings(
        self, command: CommandLine, tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CACHESCOPE_TRUSTED_KEYS", str(key))
        assert command("pull", "tool", "--from", "site", "--to", tmp_path / "to").code == 0

    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            ("unsigned", "it is not signed"),
            ("changed", "does not belong to this text"),
            ("added to", "no signature that can be verified"),
            ("of another spec", "about another spec than its name says"),
        ],
    )
    def test_document_that_is_not_what_was_signed_is_refused(
        self,
        command: CommandLine,
        tmp_path: Path,
        key: Path,
        mirror: Path,
        signed: Mapping[str, bytes],
        damage: str,
        reason: str,
    ) -> None:
        right = signed[DATA["hash"]]
        documents = {
            "unsigned": _manifest(DATA),
            "changed": right.replace(b'"version": 3', b'"version": 3 '),
            "added to": right.replace(
                b"-----BEGIN PGP SIGNED",
                b'-----BEGIN PGP SIGNED MESSAGE-----\n\n{"version":3}\n-----BEGIN PGP SIGNED',
                1,
            ),
            "of another spec": signed[OTHER["hash"]],
        }
        write(mirror, spec_manifest_place(DATA), documents[damage])
        ended = _pull(command, tmp_path, "tool", key, "--json")
        assert ended.code == MALFORMED, ended
        (failure,) = ended.json["failures"]
        assert failure["name"] == "data"
        assert reason in failure["reason"], failure
        assert ended.json["indexed"] == 0
        assert "data" not in _binaries(tmp_path / "to")
        assert not (tmp_path / "to/v3/manifests/index").exists()

    def test_key_of_somebody_else_is_refused(
        self, command: CommandLine, tmp_path: Path, signer: Signer
    ) -> None:
        stranger = Signer(tmp_path / "gpg", "Stranger")
        stranger.close()
        other = write(tmp_path, "other.asc", stranger.public_key)
        ended = _pull(command, tmp_path, "tool", other, "--json")
        assert ended.code == MALFORMED
        assert {one["code"] for one in ended.json["failures"]} == {"untrusted_signature"}
        assert signer.fingerprint[-16:] in ended.json["failures"][0]["reason"]

    def test_folder_with_other_things_is_left_alone(
        self, command: CommandLine, tmp_path: Path, key: Path
    ) -> None:
        write(tmp_path, "to/thesis.tex", b"")
        refused = _pull(command, tmp_path, "tool", key)
        assert refused.code == BAD_INPUT
        assert "holds something that no pull wrote" in refused.err
        assert list(_files(tmp_path / "to")) == ["thesis.tex"]


def _wait_for_part(folder: Path, size: int) -> None:
    """Wait until so many bytes of an archive have arrived."""
    place = (folder / blob_place(_archive(DATA))).parent
    until = time.monotonic() + 60
    while not any(one.stat().st_size > size for one in place.glob("*.part")):
        assert time.monotonic() < until, "nothing arrived"
        time.sleep(0.01)


class TestFaults:
    def test_manifest_without_an_end_is_refused_and_not_read(
        self, command: CommandLine, tmp_path: Path, key: Path, server: MirrorServer
    ) -> None:
        server.routes["/" + spec_manifest_place(DATA)] = Answer(b" " * 50_000_000, chunked=True)
        ended = _pull(command, tmp_path, "tool", key)
        assert ended.code == MALFORMED
        assert "no document of its kind is so large" in " ".join((ended.text + ended.err).split())

    @pytest.mark.parametrize(
        ("answer", "code", "reason"),
        [
            (Answer(b"other bytes"), MALFORMED, "bytes in place of"),
            (Answer(b"x" * len(_archive(DATA))), MALFORMED, "the bytes are not those of sha256:"),
            (Answer(b"", 404), MALFORMED, "the blob is missing there"),
            (Answer(b"", 503), UNAVAILABLE, "cannot answer now"),
            (Answer(_archive(DATA), cut_after=1000), UNAVAILABLE, "broke before the answer was whole"),
        ],
        ids=["shorter", "other", "lost", "down", "cut"],
    )
    def test_blob_that_does_not_come_leaves_no_index_and_is_gone_on_with(
        self,
        command: CommandLine,
        tmp_path: Path,
        key: Path,
        server: MirrorServer,
        answer: Answer,
        code: int,
        reason: str,
    ) -> None:
        server.routes[_archive_path(DATA)] = answer
        ended = _pull(command, tmp_path, "tool", key)
        assert ended.code == code, ended
        assert "not copied: data@2.0" in ended.text
        assert reason in ended.text
        assert "the index was not written" in ended.text
        assert _binaries(tmp_path / "to") == {"tool"}
        assert blob_place(_archive(DATA)) not in _files(tmp_path / "to")

        del server.routes[_archive_path(DATA)]
        again = _pull(command, tmp_path, "tool", key, "--json")
        assert again.code == 0, again
        assert again.json["binaries_new"] == 1
        assert not [one for one in _files(tmp_path / "to") if ".part" in one]

    def test_blob_is_taken_from_another_source_with_the_same_digest(
        self, command: CommandLine, tmp_path: Path, key: Path, server: MirrorServer, mirror: Path
    ) -> None:
        command.well("sync", mirror, "--as", "second")
        server.routes[_archive_path(DATA)] = Answer(b"wrong")
        assert _pull(command, tmp_path, "tool", key, "--from", "second").code == 0

    def test_mirror_that_is_gone_is_given_up_soon(
        self, command: CommandLine, tmp_path: Path, key: Path, server: MirrorServer
    ) -> None:
        server.close()
        ended = _pull(command, tmp_path, "*", key, "--json")
        assert ended.code == UNAVAILABLE
        assert len(ended.json["failures"]) == len(ALL)
        assert "signed: true" in (tmp_path / "to/mirrors.yaml").read_text(), "no guide lowers what is asked"

    def test_killed_pull_leaves_nothing_half_and_is_gone_on_with(
        self, command: CommandLine, tmp_path: Path, key: Path, server: MirrorServer
    ) -> None:
        server.routes[_archive_path(DATA)] = Answer(_archive(DATA), hangs_after=150_000)
        arguments = ("pull", "tool", "--from", "site", "--to", tmp_path / "to", "--trust", key)
        with start(*arguments, db=tmp_path / "catalogue.sqlite") as running:
            _wait_for_part(tmp_path / "to", 40_000)
            running.send_signal(signal.SIGKILL)
        for place, content in _files(tmp_path / "to").items():
            if place.startswith("blobs/") and not place.endswith(".part"):
                assert hashlib.sha256(content).hexdigest() == place.rpartition("/")[2]
        assert not (tmp_path / "to/v3/manifests/index").exists()
        assert "data" not in _binaries(tmp_path / "to")

        def rest(request: Seen) -> Answer:
            begin = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
            assert begin > 40_000
            size = len(_archive(DATA))
            return Answer(_archive(DATA)[begin:], 206, {"Content-Range": f"bytes {begin}-{size - 1}/{size}"})

        server.routes[_archive_path(DATA)] = rest
        ended = _pull(command, tmp_path, "tool", key, "--json")
        assert ended.code == 0, ended
        assert ended.json["bytes_copied"] < ended.json["bytes"]
        assert (tmp_path / "to" / blob_place(_archive(DATA))).read_bytes() == _archive(DATA)

    def test_interrupted_pull_says_so(
        self, command: CommandLine, tmp_path: Path, key: Path, server: MirrorServer
    ) -> None:
        command.well("caches")
        server.routes[_archive_path(DATA)] = Answer(_archive(DATA), hangs_after=150_000)
        arguments = ("pull", "tool", "--from", "site", "--to", tmp_path / "to", "--trust", key)
        with start(*arguments, db=tmp_path / "catalogue.sqlite") as running:
            _wait_for_part(tmp_path / "to", 40_000)
            running.send_signal(signal.SIGINT)
            assert running.wait(60) == 130
        assert not (tmp_path / "to/v3/manifests/index").exists()

    def test_full_disk_is_named_and_leaves_nothing_half(
        self,
        command: CommandLine,
        tmp_path: Path,
        key: Path,
        small_disk: Callable[[int], AbstractContextManager[None]],
    ) -> None:
        with small_disk(100_000):
            ended = _pull(command, tmp_path, "tool", key)
        assert ended.code == BAD_INPUT, ended
        assert "there is no room to write the file" in ended.err
        assert not [one for one in _files(tmp_path / "to") if ".part" in one]
        assert _binaries(tmp_path / "to") == set()
        assert _pull(command, tmp_path, "tool", key).code == 0

    def test_passwords_are_told_to_nobody(
        self, command: CommandLine, tmp_path: Path, key: Path, server: MirrorServer
    ) -> None:
        secret = server.url.replace("://", "://user:sesame@")
        command.well("sync", secret, "--as", "secret")
        server.routes[_archive_path(DATA)] = Answer(b"", 401)
        ended = command("pull", "tool", "--from", "secret", "--to", tmp_path / "to", "--trust", key, "--json")
        assert ended.code == UNAVAILABLE
        assert b"does not accept the user or password" in ended.out
        assert b"sesame" not in ended.out + ended.err.encode()
        assert not any(b"sesame" in one for one in _files(tmp_path / "to").values())

    def test_only_one_pull_writes_to_a_folder_at_a_time(
        self, command: CommandLine, tmp_path: Path, key: Path
    ) -> None:
        _pull(command, tmp_path, "tool", key)
        with (tmp_path / "to/.pull.lock").open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            refused = _pull(command, tmp_path, "tool", key)
        assert refused.code == BAD_INPUT
        assert "another pull writes to this folder" in refused.err
