"""Every error has its code, exit code and HTTP status, and one shape in JSON."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import cachescope
from cachescope.model.errors import (
    AccessDenied,
    AmbiguousHash,
    AnswerTooSlow,
    CachescopeError,
    CatalogueUnusable,
    MalformedDocument,
    MalformedRecord,
    MalformedUpload,
    MethodNotAllowed,
    MirrorUnavailable,
    NotInCatalogue,
    QuerySyntaxError,
    ServerBusy,
    TooLarge,
    UnknownAddress,
    UnsupportedVersion,
    UntrustedSignature,
    UserInputError,
)

TABLE: dict[type[CachescopeError], tuple[str, int, int]] = {
    CachescopeError: ("internal", 70, 500),
    UserInputError: ("bad_input", 2, 400),
    UnknownAddress: ("unknown_address", 2, 404),
    MethodNotAllowed: ("method_not_allowed", 2, 405),
    TooLarge: ("too_large", 2, 413),
    QuerySyntaxError: ("bad_query", 2, 400),
    AmbiguousHash: ("ambiguous_hash", 2, 400),
    NotInCatalogue: ("not_in_catalogue", 3, 404),
    MirrorUnavailable: ("mirror_unavailable", 4, 502),
    AccessDenied: ("access_denied", 4, 502),
    MalformedDocument: ("malformed_document", 5, 502),
    UnsupportedVersion: ("unsupported_version", 5, 502),
    UntrustedSignature: ("untrusted_signature", 5, 502),
    MalformedUpload: ("malformed_upload", 5, 400),
    MalformedRecord: ("malformed_record", 5, 502),
    CatalogueUnusable: ("catalogue_unusable", 6, 500),
    AnswerTooSlow: ("too_slow", 6, 503),
    ServerBusy: ("busy", 6, 503),
}


def _with_subclasses(error: type[CachescopeError]) -> Iterator[type[CachescopeError]]:
    yield error
    for one in error.__subclasses__():
        yield from _with_subclasses(one)


def _import_all_modules() -> None:
    for module in pkgutil.walk_packages(cachescope.__path__, "cachescope."):
        # '__main__' runs the command line, 'env' a migration.
        if not module.name.endswith(("__main__", "migrations.env")):
            importlib.import_module(module.name)


def test_every_error_has_its_row_in_the_table_of_codes() -> None:
    _import_all_modules()
    found = {one: (one.code, one.exit_code, one.http_status) for one in _with_subclasses(CachescopeError)}
    assert found == TABLE


def test_no_two_errors_share_a_code() -> None:
    assert len({code for code, _, _ in TABLE.values()}) == len(TABLE)


@pytest.mark.parametrize("error", [one for one in TABLE if one not in {QuerySyntaxError, AmbiguousHash}])
def test_error_has_one_shape_in_json_and_one_sentence(error: type[CachescopeError]) -> None:
    plain = error("it is broken")
    assert plain.as_json() == {"code": error.code, "message": "it is broken", "where": "", "hint": ""}
    assert str(plain) == "it is broken"
    full = error("it is broken", where="a/b", hint="mend it")
    assert full.as_json() == {
        "code": error.code,
        "message": "it is broken",
        "where": "a/b",
        "hint": "mend it",
    }
    assert str(full) == "a/b: it is broken"


def test_syntax_error_gives_its_span() -> None:
    error = QuerySyntaxError("unexpected '@'", query="zlib @@", start=6, end=7, hint="take one away")
    assert error.as_json() == {
        "code": "bad_query",
        "message": "unexpected '@'",
        "where": "zlib @@",
        "hint": "take one away",
        "start": 6,
        "end": 7,
    }
    assert str(error) == "unexpected '@'"


def test_ambiguous_hash_lists_what_it_may_be() -> None:
    error = AmbiguousHash("33", ("33a", "33b"))
    assert error.matches == ("33a", "33b")
    assert str(error) == "/33 is the beginning of several hashes: /33a, /33b"
    assert error.as_json()["code"] == "ambiguous_hash"
    assert error.as_json()["hint"]
