"""OpenPGP keys made for a test, and what they sign: by GnuPG, as Spack does."""

import shutil
import subprocess
from pathlib import Path

import pytest


class Signer:
    """One key, in a folder of its own."""

    def __init__(self, home: Path, name: str = "Test") -> None:
        if shutil.which("gpg") is None or shutil.which("gpgv") is None:
            pytest.skip("no gpg and gpgv here, which sign and verify")
        self._home = home
        home.mkdir(mode=0o700)
        self._gpg(
            "--passphrase", "", "--quick-gen-key", f"{name} <{name}@example.invalid>", "ed25519", "sign"
        )
        listed = self._gpg("--list-keys", "--with-colons").decode()
        self.fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
        self.public_key = self._gpg("--armor", "--export", self.fingerprint)
        self.public_packets = self._gpg("--export", self.fingerprint)

    def sign(self, document: bytes) -> bytes:
        """Return the document in a clear signature."""
        return self._gpg("--clearsign", document=document)

    def revoke(self) -> bytes:
        """Return the public key, revoked."""
        certificate = (self._home / "openpgp-revocs.d" / f"{self.fingerprint}.rev").read_bytes()
        self._gpg("--import", document=certificate.replace(b":-----BEGIN", b"-----BEGIN"))
        return self._gpg("--armor", "--export", self.fingerprint)

    def _gpg(self, *arguments: str, document: bytes = b"") -> bytes:
        # A home is a socket's folder too, whose path may not be long: so it is named relative to itself.
        ended = subprocess.run(
            ["gpg", "--homedir", ".", "--batch", "--quiet", *arguments],
            input=document,
            capture_output=True,
            cwd=self._home,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr.decode()
        return ended.stdout

    def close(self) -> None:
        """End the agent that GnuPG started."""
        subprocess.run(["gpgconf", "--homedir", ".", "--kill", "gpg-agent"], cwd=self._home, check=False)
