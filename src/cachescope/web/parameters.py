"""What stands in the query string of an address, read once for all pages."""

from collections.abc import Mapping
from datetime import datetime

from cachescope.model.errors import UserInputError
from cachescope.model.identity import Stack, parse_mirror_name, parse_ref
from cachescope.present.pages import PageRequest
from cachescope.present.urls import Scope
from cachescope.query.hosts import HOST_KEYS

__all__ = ["read_request", "read_scope"]

_LONGEST_QUERY = 2000
_MOST_DIGITS = 6


def read_request(
    parameters: Mapping[str, str], *, subject: str, now: datetime, other: str = ""
) -> PageRequest:
    """Understand a request; parameters that no page has are ignored. Raises ``UserInputError``."""
    query = parameters.get("q", "").strip()
    if len(query) > _LONGEST_QUERY:
        raise UserInputError(
            "the query is too long", hint=f"a query has at most {_LONGEST_QUERY:,} characters"
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
        limit=_number(parameters, "limit", least=0),
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


def _number(parameters: Mapping[str, str], name: str, *, least: int) -> int | None:
    text = parameters.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text) >= least):
        raise UserInputError(f"{name} cannot be {text[:20]!r}", hint=f"write a whole number from {least} on")
    return int(text)
