"""What a part of the catalogue holds at a time, or a lock file, and how two of them differ."""

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from cachescope.model.errors import UserInputError
from cachescope.model.identity import DagHash
from cachescope.model.results import SpecSummary
from cachescope.model.sightings import Against, parse_against

__all__ = [
    "ChangeKind",
    "ChangedSpec",
    "ContentsDiff",
    "ContentsPage",
    "PackageChange",
    "PackageTotals",
    "Part",
    "SideTotal",
    "is_part_text",
    "parse_part",
]

_AT = re.compile(r"(?P<part>.*)@\{(?P<moment>[^{}]*)\}", re.DOTALL)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_EXAMPLE = "for example develop/e4s@{2026-11-01} or ref:develop@{2026-11-01T09:30}; times are UTC"


@dataclass(frozen=True, slots=True)
class Part:
    """A mirror, one view of it, or a whole ref; now, or at a point in time."""

    against: Against
    moment: datetime | None = None
    """None is now. The state is that of the last sync up to then."""

    text: str = ""
    """As it was typed."""


def is_part_text(text: str) -> bool:
    """Say whether a text can only mean a part of the catalogue: ``ref:...``, ``.../...`` or ``...@{...}``."""
    return text.startswith("ref:") or "@{" in text or "/" in text.removeprefix("/")


def parse_part(text: str) -> Part:
    """Read a part of the catalogue. A day alone is its end, so that what was synced on it counts. Raises ``UserInputError``."""
    found = _AT.fullmatch(text)
    if found is None:
        return Part(parse_against(text), text=text)
    return Part(parse_against(found["part"]), _moment(found["moment"].strip(), text), text)


def _moment(given: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise UserInputError(f"{given!r} is not a point in time", where=text, hint=_EXAMPLE) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if _DAY.fullmatch(given):
        # The day's last microsecond; adding a day would overflow at the end of the calendar.
        return datetime.combine(moment.date(), time.max, UTC)
    try:
        return moment.astimezone(UTC) + timedelta(0)
    except OverflowError as error:
        raise UserInputError(f"{given!r} is not a point in time", where=text, hint=_EXAMPLE) from error


class ChangeKind(enum.StrEnum):
    """How a package differs, in the words of JSON."""

    CAME = "came"
    WENT = "went"
    VERSIONS = "versions"
    """Both have the package, in other versions."""

    BUILDS = "builds"
    """Both have the same versions of it, in other builds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """One package of which the two sides have not the same specs; lists of specs by version, then hash."""

    name: str
    kind: ChangeKind
    versions_before: tuple[str, ...]
    """Oldest first."""

    versions_after: tuple[str, ...]
    came: tuple[SpecSummary, ...]
    went: tuple[SpecSummary, ...]
    stay: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SideTotal:
    """One side."""

    name: str
    moment: datetime | None
    specs: int
    packages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentsDiff:
    """What came and went from the first to the second."""

    first: SideTotal
    second: SideTotal
    stay: int
    """Specs that both have."""

    packages: tuple[PackageChange, ...]
    """By name."""

    @property
    def came(self) -> int:
        """Specs that the second alone has."""
        return self.second.specs - self.stay

    @property
    def went(self) -> int:
        """Specs that the first alone has."""
        return self.first.specs - self.stay

    def of_kind(self, kind: ChangeKind) -> Sequence[PackageChange]:
        """Return the packages that differ in this way."""
        return [one for one in self.packages if one.kind is kind]


@dataclass(frozen=True, slots=True)
class ChangedSpec:
    """A spec that one side alone has."""

    hash: DagHash
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageTotals:
    """One package of which the two sides have not the same specs, counted."""

    name: str
    kind: ChangeKind
    versions_before: tuple[str, ...]
    """Oldest first."""

    versions_after: tuple[str, ...]
    came: int
    went: int
    stay: int
    first_came: tuple[ChangedSpec, ...] = ()
    """The first of those that came, by hash."""

    first_went: tuple[ChangedSpec, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentsPage:
    """What came and went between two parts of the catalogue: all of it counted, one page of the packages named."""

    first: SideTotal
    second: SideTotal
    stay: int
    kinds: Mapping[ChangeKind, int]
    """Packages by how they differ."""

    packages: tuple[PackageTotals, ...]
    """Of this page, by name."""

    page: int
    pages: int

    @property
    def came(self) -> int:
        """Specs that the second alone has."""
        return self.second.specs - self.stay

    @property
    def went(self) -> int:
        """Specs that the first alone has."""
        return self.first.specs - self.stay

    @property
    def changed(self) -> int:
        """Packages that differ."""
        return sum(self.kinds.values())
