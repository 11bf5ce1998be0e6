"""What is new in a scope: packages and versions that no earlier snapshot of it had."""

from dataclasses import dataclass
from datetime import datetime

from cachescope.model.identity import MirrorName, PackageName

__all__ = ["NewMirror", "NewVersion", "News"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version of a package of which the scope has binaries for the first time."""

    at: datetime
    """Of the snapshot that first had one."""

    package: PackageName
    version: str
    binaries: int
    """That the scope ever had of it."""

    is_new_package: bool
    """Whether no version of the package was there before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMirror:
    """A mirror that was read for the first time: what it has is new to the catalogue, and not worth telling one by one."""

    at: datetime
    name: MirrorName
    binaries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is new, newest first."""

    entries: tuple[NewVersion | NewMirror, ...]
    read_at: datetime | None
    """Of the newest snapshot of the scope; None where nothing was ever read."""
