"""What wrk prints, read."""

import re
from dataclasses import dataclass

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_SPENT = r"([\d.]+)(us|ms|s|m)"


@dataclass(frozen=True, slots=True)
class Load:
    """What a server did under load."""

    server: str
    per_second: float
    median: float
    """Seconds."""

    slowest: float
    """Seconds within which 99 of 100 are answered."""

    errors: int
    requests: int
    before: int
    """Resident bytes after one round of all pages."""

    after: int


def read_wrk(name: str, said: str, before: int, after: int) -> Load:
    """Read what wrk prints with ``--latency``."""
    requests = re.search(r"(\d+) requests in", said)
    per_second = re.search(r"Requests/sec: +([\d.]+)", said)
    if requests is None or per_second is None:
        raise ValueError(f"wrk said something else: {said[:500]}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    return Load(
        server=name,
        per_second=float(per_second[1]),
        median=_spent(said, "50"),
        slowest=_spent(said, "99"),
        errors=int(refused[1] if refused else 0) + (sum(map(int, broken.groups())) if broken else 0),
        requests=int(requests[1]),
        before=before,
        after=after,
    )


def _spent(said: str, share: str) -> float:
    found = re.search(rf"^ +{share}% +{_SPENT} *$", said, re.MULTILINE)
    if found is None:
        raise ValueError(f"wrk said something else: {said[:500]}")
    return float(found[1]) * _UNITS[found[2]]
