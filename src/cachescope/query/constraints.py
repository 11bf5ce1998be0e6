"""What a query may ask of a version: ranges, exact versions, git versions, and lists of them.

``@a:b`` is the half-open interval from a to before next(b); ``@a`` means ``@a:a``; a missing bound is infinite; ``@=a`` is
only a. Source: Spack 1.2 ``version.version_types``; intervals are kept as keys of ``versions``, so SQL can compare them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cachescope.query.versions import next_version_key, parse_git_version, version_key

__all__ = ["ExactVersion", "GitReference", "VersionItem", "VersionList", "VersionRange", "parse_version_list"]


@dataclass(frozen=True, slots=True)
class VersionRange:
    """``low:high``, with what stood in the text; an empty text is no bound."""

    low: str
    high: str

    @property
    def low_key(self) -> bytes:
        """Least key inside."""
        return version_key(self.low) if self.low else b""

    @property
    def high_key(self) -> bytes | None:
        """First key beyond; None without an upper bound."""
        return next_version_key(self.high) if self.high else None

    @property
    def is_empty(self) -> bool:
        """Whether no version can be inside."""
        high = self.high_key
        return high is not None and self.low_key >= high

    def holds(self, key: bytes) -> bool:
        """Say whether the version with this key is inside."""
        high = self.high_key
        return self.low_key <= key and (high is None or key < high)

    def __str__(self) -> str:
        if self.low and self.low == self.high:
            return self.low
        return f"{self.low}:{self.high}"


@dataclass(frozen=True, slots=True)
class ExactVersion:
    """``=text``: this version and no other, not even a git version that equals it."""

    text: str

    def __str__(self) -> str:
        return f"={self.text}"


@dataclass(frozen=True, slots=True)
class GitReference:
    """``git.REF=STANDARD`` or without the standard version: then the ref alone is compared."""

    text: str

    def __str__(self) -> str:
        return self.text


VersionItem = VersionRange | ExactVersion | GitReference


@dataclass(frozen=True, slots=True)
class VersionList:
    """A version matches if it matches any item; ranges that touch are one."""

    items: tuple[VersionItem, ...]

    def matches(self, version: str) -> bool:
        """Say whether a concrete version satisfies this."""
        key = version_key(version)
        git = parse_git_version(version)
        for item in self.items:
            if isinstance(item, VersionRange):
                # A range compares the standard version that a git version stands for.
                compared = version_key(git.standard or "develop") if git is not None else key
                if item.holds(compared):
                    return True
            elif isinstance(item, ExactVersion):
                if git is None and version_key(item.text) == key:
                    return True
            elif git is not None:
                asked = parse_git_version(item.text)
                if (
                    asked is not None
                    and asked.ref == git.ref
                    and _same_standard(asked.standard, git.standard)
                ):
                    return True
        return False

    def intersection(self, other: "VersionList") -> "VersionList":
        """Return what both hold; its items may be none."""
        found: list[VersionItem] = []
        for one in self.items:
            for two in other.items:
                both = _both(one, two)
                if both is not None:
                    found.append(both)
        return VersionList(_merged(found))

    def __str__(self) -> str:
        return ",".join(map(str, self.items))


def _same_standard(asked: str, found: str) -> bool:
    return not asked or version_key(asked) == version_key(found or "develop")


def _both(one: VersionItem, two: VersionItem) -> VersionItem | None:
    if isinstance(one, VersionRange) and isinstance(two, VersionRange):
        low = max(one, two, key=lambda side: side.low_key).low
        bounded = [side for side in (one, two) if side.high]
        high = min(bounded, key=lambda side: side.high_key or b"").high if bounded else ""
        both = VersionRange(low, high)
        return None if both.is_empty else both
    if isinstance(one, VersionRange):
        one, two = two, one
    if isinstance(two, VersionRange):
        return one if VersionList((two,)).matches(one.text) else None  # type: ignore[union-attr]  # one is no range
    return one if one == two else None


def _merged(items: Iterable[VersionItem]) -> tuple[VersionItem, ...]:
    """Order the items and join ranges that overlap or touch, as Spack prints a list."""
    unique = list(dict.fromkeys(items))
    ranges = sorted((one for one in unique if isinstance(one, VersionRange)), key=lambda one: one.low_key)
    joined: list[VersionRange] = []
    for one in ranges:
        last = joined[-1] if joined else None
        if last is not None and (last.high_key is None or one.low_key <= last.high_key):
            if last.high_key is not None and (one.high_key is None or one.high_key > last.high_key):
                joined[-1] = VersionRange(last.low, one.high)
            continue
        joined.append(one)
    others = [
        one
        for one in unique
        if not isinstance(one, VersionRange)
        and not any(VersionList((range_,)).matches(one.text) for range_ in joined)
    ]
    return tuple(sorted((*joined, *others), key=_item_key))


def _item_key(item: VersionItem) -> bytes:
    return item.low_key if isinstance(item, VersionRange) else version_key(item.text)


_VALID = re.compile(r"[A-Za-z0-9_.-][=A-Za-z0-9_.-]*")
_COMMIT = re.compile(r"[A-Fa-f0-9]{40}")


def parse_version_list(text: str) -> VersionList:
    """Read what stands behind ``@``. Raises ``ValueError`` with a sentence for a person."""
    bare = re.sub(r"\s+", "", text)
    items = [_parse_item(one) for one in bare.split(",")]
    if len(items) > 1 and any(isinstance(one, GitReference) for one in items):
        raise ValueError("a git version stands alone, not in a list")
    return VersionList(_merged(items))


def _parse_item(text: str) -> VersionItem:
    if ":" in text:
        low, _, high = text.partition(":")
        for bound in (low, high):
            if bound.startswith("="):
                raise ValueError("a bound of a range cannot have '='")
        found = VersionRange(_checked(low), _checked(high))
        # A range that ends where it begins (1.3:1.2) is merely empty, as in Spack.
        if found.high_key is not None and found.low_key > found.high_key:
            raise ValueError(f"the range {text} is empty: {low} is after {high}")
        return found
    if text.startswith("="):
        exact = text[1:]
        return GitReference(exact) if _is_git(exact) else ExactVersion(_checked(exact))
    if _is_git(text):
        return GitReference(text)
    return VersionRange(_checked(text), _checked(text))


def _is_git(text: str) -> bool:
    return text.startswith("git.") or _COMMIT.fullmatch(text) is not None or "=" in text[1:]


def _checked(text: str) -> str:
    if text and not _VALID.fullmatch(text):
        raise ValueError(f"{text!r} is not a version")
    return text.rstrip(".-")  # separators mean nothing at the end
