"""The order of versions, as Spack has it, as bytes that any database compares in that order.

Source: Spack 1.2 ``version.version_types``. A version is split into numbers and words; ``.``, ``_`` and ``-`` only
separate. Component by component: ordinary word < number < infinity word (``stable`` < ``nightly`` < ... < ``develop``);
a longer version is greater than its prefix; then a pre-release (``alpha`` < ``beta`` < ``rc``) is less than the release.
A git version (``git.main=1.2.3``) stands just after the version that it equals.
"""

import re
from typing import NamedTuple

__all__ = ["GitVersion", "next_version_key", "parse_git_version", "version_key"]

_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+")
_INFINITY = {
    word: rank
    for rank, word in enumerate(("stable", "nightly", "trunk", "head", "master", "main", "develop"))
}
_PRERELEASE = {"alpha": 1, "beta": 2, "rc": 3}
_FINAL = 4
_GIT = re.compile(r"(?:git\.(?P<ref>.*?)|(?P<commit>[0-9a-f]{40}))(?:=(?P<standard>.*))?", re.DOTALL)

# First bytes of a component. The end of the components is less than any component, so a prefix is less.
_END, _WORD, _NUMBER, _INFINITE = b"\x01", b"\x02", b"\x03", b"\x04"
_NO_NUMBER = (
    b"\x00"  # a pre-release without a number is less than one with; no key is the beginning of another
)
_GIT_REF = b"\x01"
_LONG = 255


def version_key(text: str) -> bytes:
    """Return the order-preserving key of a version: ``key(a) < key(b)`` exactly if Spack sorts a before b.

    Versions that Spack holds equal (``1.2``, ``1-2``, ``01.2``) have equal keys.
    """
    git = _GIT.fullmatch(text)
    if git is not None:
        # Without '=version' Spack asks the repository; a catalogue cannot, and old records meant 'develop'.
        standard = git["standard"] or "develop"
        ref = git["ref"] if git["ref"] is not None else git["commit"]
        return _standard_key(standard) + _GIT_REF + ref.encode("utf-8", "surrogatepass")
    return _standard_key(text)


class GitVersion(NamedTuple):
    """``git.REF=STANDARD`` or ``COMMIT=STANDARD``; without ``=STANDARD`` that part is empty."""

    ref: str
    standard: str


def parse_git_version(text: str) -> GitVersion | None:
    """Read a git version; None for any other version."""
    git = _GIT.fullmatch(text)
    if git is None:
        return None
    return GitVersion(git["ref"] if git["ref"] is not None else git["commit"], git["standard"] or "")


def next_version_key(text: str) -> bytes:
    """Return the key of the first version after all that begin with ``text``: ranges end before it.

    The last number or word is raised by one; of a pre-release, its number (``1.2-rc1`` to ``1.2-rc2``).
    """
    segments, stage, number = _split_prerelease(_SEGMENT.findall(text))
    if stage != _FINAL:
        return _key(segments, stage, number + 1)
    if not segments:
        return _key(["A"], _FINAL, -1)
    last = segments[-1]
    if last in _INFINITY:
        raised = _INFINITE + bytes((_INFINITY[last] + 1,))
    elif last.isdecimal():
        raised = _NUMBER + _number(int(last[:4000]) + 1)
    else:
        raised = _component(_next_word(last))
    return b"".join(map(_component, segments[:-1])) + raised + _END + bytes((_FINAL,)) + _NO_NUMBER


def _next_word(word: str) -> str:
    """Return the next word in the order A to Z, a to z that is no infinity word."""
    while True:
        if word[-1] == "z":
            word += "A"
        else:
            word = word[:-1] + ("a" if word[-1] == "Z" else chr(ord(word[-1]) + 1))
        if word not in _INFINITY:
            return word


def _standard_key(text: str) -> bytes:
    return _key(*_split_prerelease(_SEGMENT.findall(text)))


def _key(segments: list[str], stage: int, number: int) -> bytes:
    tag = _NO_NUMBER if number < 0 else _NUMBER + _number(number)
    return b"".join(map(_component, segments)) + _END + bytes((stage,)) + tag


def _split_prerelease(segments: list[str]) -> tuple[list[str], int, int]:
    """Cut a trailing ``rc``, ``rc1``, ``final`` and the like; the number is -1 where there is none."""
    if len(segments) > 1 and (segments[-1] in _PRERELEASE or segments[-1] == "final"):
        return segments[:-1], _PRERELEASE.get(segments[-1], _FINAL), -1
    if len(segments) > 2 and segments[-2] in _PRERELEASE and segments[-1].isdecimal():  # noqa: PLR2004 - word, number
        return segments[:-2], _PRERELEASE[segments[-2]], int(segments[-1][:4000])
    return segments, _FINAL, -1


def _component(segment: str) -> bytes:
    if segment.isdecimal():
        return _NUMBER + _number(int(segment[:4000]))
    if segment in _INFINITY:
        return _INFINITE + bytes((_INFINITY[segment],))
    return _WORD + segment.encode("ascii") + b"\x00"


def _number(value: int) -> bytes:
    """Write a number so that a shorter one is less: its length in bytes, then the bytes."""
    size = (value.bit_length() + 7) // 8
    head = bytes((size,)) if size < _LONG else bytes((_LONG,)) + size.to_bytes(4, "big")
    return head + value.to_bytes(size, "big")
