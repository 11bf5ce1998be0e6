"""Where a list goes on, as one opaque word in an address.

A cursor holds a place of the order (what stood last), not a number of items to skip: what comes or goes before it moves
nothing, and its item need not be there any more. It belongs to one question, of which it carries a short digest.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from cachescope.model.errors import UserInputError

__all__ = ["read_cursor", "refused_cursor", "write_cursor"]

_DIGEST_LENGTH = 8


def write_cursor(question: tuple[str | None, ...], place: tuple[str, ...]) -> str:
    """Write a place in the list that a question has as its answer."""
    value = msgspec.json.encode([_digest(question), *place])
    return urlsafe_b64encode(value).decode().rstrip("=")


def read_cursor(text: str, question: tuple[str | None, ...], parts: int) -> tuple[str, ...]:
    """Read a place of so many parts. Raises ``UserInputError`` for what was not written for this question."""
    try:
        value = msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=list[str])
    except (ValueError, msgspec.MsgspecError) as error:
        raise refused_cursor(text) from error
    place = tuple(value[1:])
    # Written again it is the same, or it was not written by us.
    if len(place) != parts or write_cursor(question, place) != text:
        raise refused_cursor(text)
    return place


def _digest(question: tuple[str | None, ...]) -> str:
    return hashlib.sha256(repr(question).encode()).hexdigest()[:_DIGEST_LENGTH]


def refused_cursor(text: str) -> UserInputError:
    """Return what is told of a cursor that was not written for the list."""
    return UserInputError(
        f"{text[:20]!r} does not continue this list",
        hint="take the cursor out of 'next', with the same parameters; or begin anew without it",
    )
