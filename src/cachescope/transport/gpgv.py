"""Verifies clearsigned documents with ``gpgv`` of GnuPG, whose other half (``gpg``) Spack itself verifies with.

Only the keys that are given count: neither the user's keyring nor any trust that is set there is looked at.
"""

import base64
import binascii
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cachescope.model.errors import UntrustedSignature, UserInputError

__all__ = ["TrustedKeys", "Verified"]

_PROGRAM = "gpgv"
_SECONDS = 60
_PACKET = 0x80
"""The bit that every OpenPGP packet begins with."""

_ARMOUR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\s*?\n(?:[^\n]*:[^\n]*\n)*\s*\n(.*?)-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)
_CHECKSUM = re.compile(rb"^=[A-Za-z0-9+/]{4}\s*$", re.MULTILINE)
_STATUS = re.compile(r"^\[GNUPG:\] (\w+) ?(.*)$", re.MULTILINE)
_OTHER_KEYS = "name the file of the key with --trust, or leave signatures unchecked with --no-verify"
_REFUSED = {
    "BADSIG": (
        "its signature does not belong to this text",
        "do not use it: it was changed after it was signed",
    ),
    "EXPSIG": ("its signature has expired", "ask the maintainer of the mirror to sign it anew"),
    "REVKEYSIG": ("the key that signed it was revoked", "ask the maintainer of the mirror to sign it anew"),
}


@dataclass(frozen=True, slots=True)
class Verified:
    """A document that one of the keys signed."""

    text: bytes
    """What was signed."""

    fingerprint: str
    """Of the primary key."""

    is_expired: bool
    """Whether the key has expired since; Spack takes such signatures too."""


class TrustedKeys:
    """The keys that signatures are verified against. Safe to use from several threads; closing removes what it wrote."""

    def __init__(self, files: Iterable[Path]) -> None:
        """Raises ``UserInputError`` for a file that holds no public key, and where GnuPG is not installed."""
        rings = [_public_keys(file) for file in files]
        with ExitStack() as closing:
            folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="cachescope-keys-")))
            self._ring = folder / "trusted.gpg"
            self._ring.write_bytes(b"".join(rings))
            self._environment = {**os.environ, "GNUPGHOME": str(folder), "LC_ALL": "C"}
            self._run(["--version"], b"")
            self._closing = closing.pop_all()

    def verify(self, document: bytes, *, where: str) -> Verified:
        """Verify a document. Raises ``UntrustedSignature`` where none of the keys signed all of it."""
        arguments = ["--keyring", str(self._ring), "--status-fd", "2", "--output", "-", "-"]
        try:
            ended = self._run(arguments, document)
        except subprocess.TimeoutExpired as error:
            raise UntrustedSignature(
                f"its signature could not be verified in {_SECONDS} s", where=where, hint="try again later"
            ) from error
        told = _STATUS.findall(ended.stderr.decode("utf-8", "replace"))
        states = dict(told)
        for word, (message, hint) in _REFUSED.items():
            if word in states:
                raise UntrustedSignature(message, where=where, hint=hint)
        if "NO_PUBKEY" in states:
            raise UntrustedSignature(
                f"it is signed by the key {states['NO_PUBKEY'].split()[0]}, which is not trusted",
                where=where,
                hint=_OTHER_KEYS,
            )
        if ended.returncode or [word for word, _ in told].count("VALIDSIG") != 1:
            raise UntrustedSignature(
                "it holds no signature that can be verified", where=where, hint=_OTHER_KEYS
            )
        return Verified(ended.stdout, states["VALIDSIG"].split()[-1], "EXPKEYSIG" in states)

    def _run(self, arguments: list[str], text: bytes) -> "subprocess.CompletedProcess[bytes]":
        try:
            return subprocess.run(  # noqa: S603 - a program of our choice; the document goes in by its input
                [_PROGRAM, *arguments],
                input=text,
                capture_output=True,
                env=self._environment,
                timeout=_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise UserInputError(
                f"signatures cannot be verified: there is no {_PROGRAM}",
                hint="install GnuPG, which Spack needs as well, or leave them unchecked with --no-verify",
            ) from error

    def close(self) -> None:
        """Remove the keyring."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _public_keys(file: Path) -> bytes:
    """Return the keys of a file as packets; it may be armoured, and hold several."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserInputError(
            f"the file of trusted keys cannot be read ({error.strerror})",
            where=str(file),
            hint="name a file with public keys, for example of 'spack gpg export'",
        ) from error
    try:
        packets = b"".join(
            base64.b64decode(_CHECKSUM.sub(b"", block), validate=False) for block in _ARMOUR.findall(data)
        )
    except binascii.Error:
        packets = b""
    packets = packets or data
    if not packets or not packets[0] & _PACKET:
        raise UserInputError(
            "the file holds no OpenPGP public key",
            where=str(file),
            hint="name a file of 'spack gpg export' or 'gpg --export', armoured or not",
        )
    return packets
