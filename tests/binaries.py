"""A small mirror that has all that Spack asks for: signed manifests, archives, spec documents and keys, in either layout."""

import gzip
import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests import mirrors

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODYS_FINGERPRINT = "AB" * 20
NOBODYS_KEY = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nnobody\n-----END PGP PUBLIC KEY BLOCK-----\n"

# 'app' needs 'lib' to run, 'tool' to be built and glibc of the host; 'broken' needs 'gone', which nobody has.
GLIBC = mirrors.node("glibc", "2.36", external={"path": "/usr"})
TOOL = mirrors.node("tool")
LIB = mirrors.node("lib", "2.0", needs=[(GLIBC, "link", "libc")])
APP = mirrors.node("app", "1.1", needs=[(GLIBC, "link", "libc"), (LIB, "link", ""), (TOOL, "build", "")])
GONE = mirrors.node("gone", needs=[(GLIBC, "link", "libc")])
BROKEN = mirrors.node("broken", needs=[(GONE, "run", "")])
ABOVE = mirrors.node("above", needs=[(BROKEN, "run", "")])
PRESENT = (LIB, APP, BROKEN, ABOVE)
MENTIONED = (GLIBC, TOOL, GONE)


@dataclass(frozen=True)
class Signer:
    """Signs with a key of its own, made for a test."""

    home: Path
    fingerprint: str

    def clearsign(self, text: bytes) -> bytes:
        return _gpg(self.home, "--clearsign", "--digest-algo", "SHA256", data=text)

    @property
    def public_key(self) -> bytes:
        return _gpg(self.home, "--armor", "--export", self.fingerprint)


@contextmanager
def new_signer(home: Path) -> "Iterator[Signer]":
    """Make a key. Needs gpg."""
    home.mkdir(mode=0o700)
    _gpg(
        home, "--passphrase", "", "--quick-gen-key", "Test <test@example.invalid>", "ed25519", "sign", "never"
    )
    listed = _gpg(home, "--with-colons", "--list-keys").decode()
    fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))
    try:
        yield Signer(home, fingerprint)
    finally:
        # The agent outlives the commands that started it.
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


def has_gpg() -> bool:
    return shutil.which("gpg") is not None and shutil.which("gpgconf") is not None


def verifies(home: Path, key: bytes, document: bytes) -> bool:
    """Say whether a document is signed with a key, in a keyring that knows nothing else."""
    home.mkdir(mode=0o700)
    try:
        _gpg(home, "--import", data=key)
        (home / "document").write_bytes(document)
        command = ["gpg", "--homedir", str(home), "--batch", "--verify", str(home / "document")]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


def _gpg(home: Path, *arguments: str, data: bytes = b"") -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--yes", "--pinentry-mode", "loopback", *arguments]
    return subprocess.run(command, check=True, capture_output=True, input=data).stdout


def archive_of(one: mirrors.Node) -> bytes:
    """The bytes of a binary: what is in it does not matter here."""
    return gzip.compress(f"archive of {one['name']} {one['hash']}".encode() * 50, mtime=0)


def write_binaries(
    folder: Path,
    present: Sequence[mirrors.Node] = PRESENT,
    mentioned: Sequence[mirrors.Node] = MENTIONED,
    *,
    signer: Signer | None = None,
    view: str = "",
) -> Path:
    """Write a mirror of layout v3 with all documents; without a signer the envelopes hold no real signature."""
    mirrors.write_v3(folder, mirrors.index(mirrors.installs(present, mentioned)), view=view)
    mirrors.write(folder, "v3/layout.json", b'{"signing": "gpg"}')
    for one in present:
        document = gzip.compress(
            json.dumps({"spec": {"_meta": {"version": 5}, "nodes": [one]}}).encode(), mtime=0
        )
        archive = archive_of(one)
        for blob in (document, archive):
            mirrors.write(folder, mirrors.blob_place(blob), blob)
        text = json.dumps(
            {
                "version": 3,
                "data": [
                    _entry(archive, "application/vnd.spack.install.v2.tar+gzip", "gzip"),
                    _entry(document, "application/vnd.spack.spec.v5+json", "gzip"),
                ],
            },
            indent=0,
        ).encode()
        signed = signer.clearsign(text) if signer is not None else _envelope(text)
        mirrors.write(folder, mirrors.spec_manifest_place(one), signed)
    _write_keys(folder, signer)
    return folder


def _write_keys(folder: Path, signer: Signer | None) -> None:
    fingerprint = signer.fingerprint if signer is not None else NOBODYS_FINGERPRINT
    key = signer.public_key if signer is not None else NOBODYS_KEY
    listed = json.dumps({"keys": {fingerprint: {}}}).encode()
    for name, content, media in (
        ("keys.manifest.json", listed, "application/vnd.spack.keyindex.v1+json"),
        (f"{fingerprint}.key.manifest.json", key, "application/pgp-keys"),
    ):
        mirrors.write(folder, mirrors.blob_place(content), content)
        text = json.dumps({"version": 3, "data": [_entry(content, media, "none")]}, indent=0).encode()
        mirrors.write(folder, f"v3/manifests/key/{name}", text)


def _entry(content: bytes, media: str, compression: str) -> dict[str, object]:
    return {
        "contentLength": len(content),
        "mediaType": media,
        "compression": compression,
        "checksumAlgorithm": "sha256",
        "checksum": hashlib.sha256(content).hexdigest(),
    }


def _envelope(text: bytes) -> bytes:
    return (
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
        + text
        + b"\n-----BEGIN PGP SIGNATURE-----\n\niQIz\n-----END PGP SIGNATURE-----\n"
    )


def write_old_binaries(folder: Path) -> tuple[Path, mirrors.Node]:
    """Write a mirror of layout v2 with one binary, as Spack 0.23 does; returns it too."""
    one: mirrors.Node = {
        "name": "old",
        "version": "0.9",
        "arch": {"platform": "linux", "platform_os": "debian12", "target": "x86_64"},
        "compiler": {"name": "gcc", "version": "12.2.0"},
        "namespace": "made",
        "parameters": {"build_system": "generic", "cflags": [], "cppflags": [], "cxxflags": [], "fflags": [],
                       "ldflags": [], "ldlibs": []},
        "package_hash": "q" * 52 + "====",
        "hash": "o" * 32,
    }  # fmt: skip
    archive = archive_of(one)
    mirrors.write_v2(folder, mirrors.index({one["hash"]: mirrors.record(one)}, version="7"))
    document = {
        "spec": {"_meta": {"version": 4}, "nodes": [one]},
        "buildcache_layout_version": 2,
        "binary_cache_checksum": {"hash_algorithm": "sha256", "hash": hashlib.sha256(archive).hexdigest()},
    }
    name = f"linux-debian12-x86_64-gcc-12.2.0-old-0.9-{one['hash']}"
    mirrors.write(folder, f"build_cache/{name}.spec.json.sig", _envelope(json.dumps(document).encode()))
    mirrors.write(folder, f"build_cache/linux-debian12-x86_64/gcc-12.2.0/old-0.9/{name}.spack", archive)
    mirrors.write(
        folder, "build_cache/_pgp/index.json", json.dumps({"keys": {NOBODYS_FINGERPRINT: {}}}).encode()
    )
    mirrors.write(folder, f"build_cache/_pgp/{NOBODYS_FINGERPRINT}.pub", NOBODYS_KEY)
    return folder, one
