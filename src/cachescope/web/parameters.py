"""What stands in the query string of an address, read once for all pages."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from litestar.datastructures import MultiDict

from cachescope.model.errors import UserInputError
from cachescope.model.identity import Stack, parse_mirror_name, parse_ref
from cachescope.present.pages import LARGEST_PART, PageRequest
from cachescope.present.urls import Scope
from cachescope.query.hosts import HOST_KEYS

__all__ = ["HIGHEST_PAGE", "LONGEST_NAME", "LONGEST_QUERY", "first_values", "read_request", "read_scope"]

LONGEST_QUERY = 2000
LONGEST_NAME = 200
HIGHEST_PAGE = 999_999
_NAMES = frozenset({"prefix", "first", "second", *HOST_KEYS})


def first_values(parameters: MultiDict[Any]) -> Mapping[str, str]:
    """Return the first value of each parameter."""
    return {key: parameters.getall(key)[0] for key in parameters}


def read_request(
    parameters: Mapping[str, str], *, subject: str, now: datetime, other: str = ""
) -> PageRequest:
    """Understand a request; parameters that no page has are ignored. Raises ``UserInputError``."""
    for name, value in parameters.items():
        if "\0" in value:
            raise UserInputError(f"{name} holds a NUL", hint="no name, version or query has one")
        if name in _NAMES and len(value) > LONGEST_NAME:
            raise UserInputError(f"{name} is too long", hint=f"at most {LONGEST_NAME} characters")
    query = parameters.get("q", "").strip()
    if len(query) > LONGEST_QUERY:
        raise UserInputError(
            "the query is too long", hint=f"a query has at most {LONGEST_QUERY:,} characters"
        )
    versions = parameters.get("versions", "")
    if versions not in {"", "all"}:
        raise UserInputError(f"versions cannot be {versions!r}", hint="leave it out, or write versions=all")
    return PageRequest(
        now=now,
        scope=read_scope(parameters),
        subject=subject,
        query=query,
        prefix=parameters.get("prefix", "").strip(),
        page=_number(parameters, "page", least=1) or 1,
        limit=_number(parameters, "limit", least=1, most=LARGEST_PART),
        cursor=_cursor(parameters),
        all_versions=versions == "all",
        other=other,
        sort=parameters.get("sort", "") or "name",
        host=_host(parameters),
    )


def _host(parameters: Mapping[str, str]) -> str:
    """Write the parts of a host as ``--for`` takes them; empty where none is given."""
    given = {key: parameters.get(key, "").strip() for key in HOST_KEYS}
    if any("," in value or "=" in value for value in given.values()):
        raise UserInputError("a part of a host is one name or version", hint="for example os=ubuntu22.04")
    return ",".join(f"{key}={value}" for key, value in given.items() if value)


def read_scope(parameters: Mapping[str, str]) -> Scope:
    """Read ``ref`` and ``stack``; an empty one is none. Raises ``UserInputError``."""
    ref, stack = parameters.get("ref", ""), parameters.get("stack", "")
    return Scope(parse_ref(ref) if ref else None, _stack(stack) if stack else None)


def _stack(text: str) -> Stack:
    """A stack follows the rules of a mirror's name, whatever its ref."""
    return parse_mirror_name(f"any/{text}").stack


def _cursor(parameters: Mapping[str, str]) -> str:
    cursor = parameters.get("cursor", "")
    if cursor and "page" in parameters:
        raise UserInputError("a list goes on by cursor or by page, not both", hint="leave one of them out")
    return cursor


def _number(parameters: Mapping[str, str], name: str, *, least: int, most: int = HIGHEST_PAGE) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise UserInputError(
            f"{name} cannot be {text[:20]!r}", hint=f"write a whole number from {least} to {most:,}"
        )
    return int(text)
