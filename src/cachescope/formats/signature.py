"""The OpenPGP cleartext envelope around Spack's signed documents. Unwrapping only: nothing is verified here.

::

    -----BEGIN PGP SIGNED MESSAGE-----
    Hash: SHA512

    {"version":3,"data":[...]}
    -----BEGIN PGP SIGNATURE-----
    ...
"""

from cachescope.model.errors import MalformedDocument

__all__ = ["unwrap"]

_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"


def unwrap(document: bytes) -> tuple[bytes, bool]:
    """Return the text inside the envelope, and whether there was one.

    Liberal as RFC 9580 section 7 allows: CRLF, any number of ``Hash`` headers, dash-escaped lines.
    Raises ``MalformedDocument`` for an envelope that does not end.
    """
    if not document.startswith(_BEGIN):
        return document, False
    lines = document.replace(b"\r\n", b"\n").split(b"\n")
    try:
        start = lines.index(b"", 1) + 1
        end = lines.index(_SIGNATURE, start)
    except ValueError as error:
        raise MalformedDocument(
            "the signed document has no complete OpenPGP envelope", hint="the file may be truncated"
        ) from error
    return b"\n".join(line.removeprefix(b"- ") for line in lines[start:end]), True
