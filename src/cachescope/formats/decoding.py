"""How a decoder's failure becomes an error of ours: one place for all JSON documents."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from cachescope.model.errors import MalformedDocument

__all__ = ["below", "decoding", "describe", "looks_like_html"]

_PATH = re.compile(r"^(?P<problem>.*?)(?: - at `(?:key in )?\$(?P<path>[^`]*)`)?$", re.DOTALL)
_BYTE = re.compile(r"\(byte (\d+)\)")


def describe(error: Exception) -> tuple[str, str]:
    """Split a decoder's error into what is wrong and the path inside the document (empty for the whole)."""
    if isinstance(error, RecursionError):
        return "nested too deeply", ""
    if isinstance(error, UnicodeDecodeError):
        return "not valid UTF-8", ""
    found = _PATH.match(str(error))
    problem, path = (found["problem"], found["path"] or "") if found else (str(error), "")
    problem = problem.replace("Input data was truncated", "the JSON ends in the middle")
    problem = problem.removeprefix("JSON is malformed: ")
    problem = problem[:1].lower() + problem[1:]
    return problem, path.removeprefix(".")


def below(where: str, path: str) -> str:
    """Join a place and the path below it, which may be empty or begin with a position in brackets."""
    return f"{where}.{path}" if path and not path.startswith("[") else where + path


def looks_like_html(data: memoryview | bytes) -> bool:
    """Say whether a document begins as a web page does, which is what servers send in place of a missing file."""
    return bytes(data[:64]).lstrip().startswith(b"<")


@contextmanager
def decoding(kind: str, data: memoryview | bytes, *, hint: str = "") -> Iterator[None]:
    """Turn whatever a JSON decoder raises into ``MalformedDocument`` about this ``kind`` of document."""
    try:
        yield
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        if len(data) == 0:
            raise MalformedDocument(f"the {kind} is empty (0 bytes)", hint=hint) from error
        if looks_like_html(data):
            raise MalformedDocument(
                f"the {kind} is a web page (HTML), not JSON",
                hint="check the address: it may need a login, or the server answers every path with a page",
            ) from error
        problem, path = describe(error)
        place = f" at {path}" if path else ""
        byte = _BYTE.search(problem)
        read = f" of {len(data)}" if byte else f" ({len(data)} bytes)"
        raise MalformedDocument(f"the {kind} is malformed{place}: {problem}{read}", hint=hint) from error
