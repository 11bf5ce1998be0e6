"""Times in the catalogue: whole microseconds since 1970, UTC, in both directions."""

from datetime import UTC, datetime, timedelta

__all__ = ["from_stored", "to_stored"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_stored(moment: datetime) -> int:
    """Convert an aware time."""
    return (moment - _EPOCH) // _MICROSECOND


def from_stored(stored: int) -> datetime:
    """Convert back to an aware time in UTC."""
    return _EPOCH + stored * _MICROSECOND
