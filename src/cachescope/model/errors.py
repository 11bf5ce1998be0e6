"""Every error that a user can cause or meet, as one small tree.

Each class states once, for all surfaces, its stable ``code`` (JSON), its process ``exit_code`` and its ``http_status``;
a test walks all subclasses. The text is one sentence that says what; ``where`` is the place (a file, an address, a path
inside a document), ``hint`` is what to do.
"""

from typing import ClassVar

__all__ = [
    "AccessDenied",
    "AmbiguousHash",
    "AnswerTooSlow",
    "CachescopeError",
    "CatalogueUnusable",
    "MalformedDocument",
    "MalformedRecord",
    "MalformedUpload",
    "MethodNotAllowed",
    "MirrorUnavailable",
    "NotInCatalogue",
    "QuerySyntaxError",
    "ServerBusy",
    "TooLarge",
    "UnknownAddress",
    "UnsupportedVersion",
    "UntrustedSignature",
    "UserInputError",
]


class CachescopeError(Exception):
    """What is wrong, where, and what to do about it."""

    code: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 70
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    def as_json(self) -> dict[str, object]:
        """Return the one error shape of command line and API (without the outer ``error`` key)."""
        return {"code": self.code, "message": self.message, "where": self.where, "hint": self.hint}


class UserInputError(CachescopeError):
    """The request itself cannot be understood or carried out."""

    code = "bad_input"
    exit_code = 2
    http_status = 400


class UnknownAddress(UserInputError):
    """An address of the server at which there is nothing."""

    code = "unknown_address"
    http_status = 404


class MethodNotAllowed(UserInputError):
    """A method of HTTP that an address does not take."""

    code = "method_not_allowed"
    http_status = 405


class TooLarge(UserInputError):
    """More than the server takes at once."""

    code = "too_large"
    http_status = 413


class QuerySyntaxError(UserInputError):
    """A query that cannot be parsed; ``start`` and ``end`` are the offending span in characters."""

    code = "bad_query"

    def __init__(self, message: str, *, query: str, start: int, end: int, hint: str = "") -> None:
        super().__init__(message, where=query, hint=hint)
        self.query = query
        self.start = start
        self.end = end

    def __str__(self) -> str:
        return self.message

    def as_json(self) -> dict[str, object]:
        """Return the error shape with the span."""
        return {**super().as_json(), "start": self.start, "end": self.end}


class AmbiguousHash(UserInputError):
    """A hash prefix that several specs share; ``matches`` are the first of them."""

    code = "ambiguous_hash"

    def __init__(self, prefix: str, matches: tuple[str, ...]) -> None:
        listed = ", ".join(f"/{match}" for match in matches)
        super().__init__(
            f"/{prefix} is the beginning of several hashes",
            where=listed,
            hint="give more characters of the hash",
        )
        self.matches = matches

    def __str__(self) -> str:
        return f"{self.message}: {self.where}"


class NotInCatalogue(CachescopeError):
    """A package, spec, mirror or ref that the catalogue has no record of."""

    code = "not_in_catalogue"
    exit_code = 3
    http_status = 404


class MirrorUnavailable(CachescopeError):
    """A mirror that could not be asked: nothing is known, which is not "there is nothing"."""

    code = "mirror_unavailable"
    exit_code = 4
    http_status = 502


class AccessDenied(MirrorUnavailable):
    """A mirror that wants other credentials, or hides that there is no such document (401, 403)."""

    code = "access_denied"


class MalformedDocument(CachescopeError):
    """A document of a mirror that breaks its format, its checksum or a limit."""

    code = "malformed_document"
    exit_code = 5
    http_status = 502


class UnsupportedVersion(MalformedDocument):
    """A document of a version that is newer than what this cachescope reads."""

    code = "unsupported_version"


class UntrustedSignature(MalformedDocument):
    """A document without a signature, or with one that none of the trusted keys made."""

    code = "untrusted_signature"


class MalformedUpload(MalformedDocument):
    """A document that was handed in to a server and breaks its format: the fault of the asker, not of a mirror."""

    code = "malformed_upload"
    http_status = 400


class MalformedRecord(MalformedDocument):
    """One record of an otherwise readable index; ``where`` is its path inside the document."""

    code = "malformed_record"


class CatalogueUnusable(CachescopeError):
    """The database is locked, read-only, full, of a newer schema, or not a database."""

    code = "catalogue_unusable"
    exit_code = 6
    http_status = 500


class AnswerTooSlow(CatalogueUnusable):
    """A question that the database was not given more time for."""

    code = "too_slow"
    http_status = 503


class ServerBusy(CachescopeError):
    """A server that answers as many as it may at a time."""

    code = "busy"
    exit_code = 6
    http_status = 503
