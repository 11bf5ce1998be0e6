"""Tokens of the spec language, and where they stand.

Token kinds are tried in the order of ``_KINDS``, which is part of the language (source: Spack 1.2 ``spec_parser``,
``SpecTokens``): ``-`` begins a variant only where a token may begin, ``a=b`` behind ``%`` is a virtual and its provider.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from cachescope.model.errors import QuerySyntaxError

__all__ = ["Token", "tokenize"]

_ID = r"(?:[a-zA-Z_0-9][a-zA-Z_0-9\-]*)"
_DOTTED = rf"(?:{_ID}(?:\.{_ID})+)"
_NAME = r"[a-zA-Z_0-9][a-zA-Z_0-9\-.]*"
_VALUE = r"""(?:[a-zA-Z_0-9\-+*.,:=%^~/\\]+|'(?:[^']|(?<=\\)')*'|"(?:[^"]|(?<=\\)")*")"""
_VERSION = r"=?(?:[a-zA-Z0-9_][a-zA-Z_0-9\-.]*\b)"
_RANGE = rf"(?:(?:{_VERSION})?:(?:{_VERSION}(?!\s*=))?)"
_GIT = r"(?:git\.[a-zA-Z_0-9][a-zA-Z_0-9./\-]*|[A-Fa-f0-9]{40})"
_ASSIGNMENT = rf"(?P<{{0}}>{_ID}(?:,{_ID})*)=(?P<{{1}}>{_DOTTED}|{_ID})"

_KINDS = (
    ("edge_open", r"(?:\^|%%|%)\["),
    ("edge_close", rf"\](?:\s*{_ASSIGNMENT.format('closed_virtuals', 'closed_provider')})?"),
    ("sigil", rf"(?:\^|%%|%)(?:\s*{_ASSIGNMENT.format('virtuals', 'provider')})?"),
    (
        "version",
        rf"@(?:{_GIT}={_VERSION}|{_GIT}|\s*(?:{_RANGE}|{_VERSION})(?:\s*,\s*(?:{_RANGE}|{_VERSION}))*)",
    ),
    ("propagated_bool", rf"(?:\+\+|~~|--)\s*{_NAME}"),
    ("bool", rf"[~+-]\s*{_NAME}"),
    ("propagated_pair", rf"{_NAME}:?=={_VALUE}"),
    ("pair", rf"{_NAME}:?={_VALUE}"),
    ("file", r"(?:\.|/|[a-zA-Z0-9-_]*/)[a-zA-Z0-9-_./]*(?:\.json|\.yaml)"),
    ("dotted_name", _DOTTED),
    ("name", rf"{_ID}|\*"),
    ("hash", r"/[a-zA-Z_0-9]+"),
    ("space", r"\s+"),
)
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS))

LONGEST_QUERY = 10_000
"""Characters; more is refused, so that no query takes long to read."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the query, with its place in characters."""

    kind: str
    text: str
    start: int
    virtuals: tuple[str, ...] = field(default=())
    """Of ``%c,cxx=gcc``: c and cxx."""

    provider: str = ""
    """Of ``%c,cxx=gcc``: gcc."""

    @property
    def end(self) -> int:
        """First character behind it."""
        return self.start + len(self.text)


_QUOTE = re.compile(r"""(?::?==?)?(?P<quote>['"])""")


def _refuse_open_quote(query: str, place: int) -> None:
    """Refuse a quote that nothing closes, where the token begins that it belongs to."""
    found = _QUOTE.match(query, place)
    if found is not None and found["quote"] not in query[found.end() :]:
        raise QuerySyntaxError(
            "this quote is not closed",
            query=query,
            start=found.start("quote"),
            end=found.end(),
            hint=f"write {found['quote']} behind the value, too",
        )


def tokenize(query: str) -> Sequence[Token]:
    """Cut a query into tokens, white space left out. Raises ``QuerySyntaxError``."""
    if len(query) > LONGEST_QUERY:
        raise QuerySyntaxError(
            f"the query has {len(query)} characters; {LONGEST_QUERY} are the most",
            query=query[:80],
            start=0,
            end=80,
        )
    tokens: list[Token] = []
    place = 0
    while place < len(query):
        found = _TOKEN.match(query, place)
        if found is None:
            _refuse_open_quote(query, place)
            raise QuerySyntaxError(
                f"{query[place]!r} is not expected here",
                query=query,
                start=place,
                end=place + 1,
                hint="a name, @version, +variant, name=value, %compiler, ^dependency or /hash may stand here; quote other values",
            )
        kind = next(kind for kind, _ in _KINDS if found[kind] is not None)
        if kind != "space":
            tokens.append(_token(kind, found))
        place = found.end()
    return tokens


def _token(kind: str, found: re.Match[str]) -> Token:
    virtuals = found["virtuals"] or found["closed_virtuals"] or ""
    provider = found["provider"] or found["closed_provider"] or ""
    return Token(kind, found.group(), found.start(), tuple(virtuals.split(",")) if virtuals else (), provider)
