"""Signatures: whose they are, and what is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cachescope.model.errors import UntrustedSignature, UserInputError
from cachescope.transport.gpgv import TrustedKeys, Verified
from tests.signing import Signer

DOCUMENT = b'{\n"version":3,\n"data":[]\n}'


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    made = Signer(tmp_path_factory.mktemp("gpg") / "one")
    yield made
    made.close()


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    made = Signer(tmp_path_factory.mktemp("gpg") / "two", "Stranger")
    yield made
    made.close()


def _file(tmp_path: Path, data: bytes) -> Path:
    file = tmp_path / "key"
    file.write_bytes(data)
    return file


def _verified(tmp_path: Path, key: bytes, document: bytes) -> Verified:
    with TrustedKeys([_file(tmp_path, key)]) as keys:
        return keys.verify(document, where="a manifest")


@pytest.mark.parametrize("form", ["armoured", "packets", "several"])
def test_document_of_a_trusted_key_is_verified(
    form: str, signer: Signer, stranger: Signer, tmp_path: Path
) -> None:
    key = {
        "armoured": b"A key of ours:\n\n" + signer.public_key,
        "packets": signer.public_packets,
        "several": stranger.public_key + signer.public_key,
    }[form]
    with TrustedKeys([_file(tmp_path, key)]) as keys:
        verified = keys.verify(signer.sign(DOCUMENT), where="a manifest")
    assert verified.text.strip() == DOCUMENT
    assert (verified.fingerprint, verified.is_expired) == (signer.fingerprint, False)


def test_key_that_is_not_trusted_is_named(signer: Signer, stranger: Signer, tmp_path: Path) -> None:
    with pytest.raises(UntrustedSignature, match=f"key {stranger.fingerprint[-16:]}, which is not trusted"):
        _verified(tmp_path, signer.public_key, stranger.sign(DOCUMENT))


def test_changed_document_is_refused(signer: Signer, tmp_path: Path) -> None:
    changed = signer.sign(DOCUMENT).replace(b'"version":3', b'"version":4')
    with pytest.raises(UntrustedSignature, match="does not belong to this text"):
        _verified(tmp_path, signer.public_key, changed)


@pytest.mark.parametrize(
    "document", [b"", DOCUMENT, b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nx\n"]
)
def test_document_without_a_signature_is_refused(document: bytes, signer: Signer, tmp_path: Path) -> None:
    with pytest.raises(UntrustedSignature, match="no signature that can be verified"):
        _verified(tmp_path, signer.public_key, document)


def test_revoked_key_is_refused(tmp_path: Path) -> None:
    signer = Signer(tmp_path / "gpg")
    signed = signer.sign(DOCUMENT)
    try:
        key = signer.revoke()
    finally:
        signer.close()
    with pytest.raises(UntrustedSignature, match="was revoked"):
        _verified(tmp_path, key, signed)


@pytest.mark.parametrize(
    "content",
    [b"", b"no key", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!\n-----END PGP PUBLIC KEY BLOCK-----"],
)
def test_file_without_a_key_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="holds no OpenPGP public key"):
        TrustedKeys([_file(tmp_path, content)])


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="cannot be read"):
        TrustedKeys([tmp_path / "nothing"])


def test_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signer: Signer) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserInputError, match="there is no gpgv") as caught:
        TrustedKeys([_file(tmp_path, signer.public_key)])
    assert "--no-verify" in caught.value.hint
