"""What can be set about reading mirrors, as one frozen value that ``compose`` makes from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

__all__ = ["TransportOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportOptions:
    """Limits, patience and route; hints of errors name a field where a setting of that name exists."""

    connect_timeout: float = 10.0
    """Seconds for one attempt to reach a host."""

    read_timeout: float = 60.0
    """Seconds of silence that are borne once connected; not a bound for the whole document."""

    retries: int = 3
    """Attempts after the first, for failures that may pass."""

    backoff: float = 0.5
    """Seconds before the first retry; each further wait is twice as long."""

    longest_wait: float = 60.0
    """Seconds that one wait may take; a server that asks for more (``Retry-After``) is given up at once."""

    max_unpacked_bytes: int = 4 * 1024**3
    """Bytes of one document after all compression is undone."""

    max_redirects: int = 10
    """Redirects that are followed for one document."""

    connections_per_host: int = 8
    """Connections to one host that are kept for further questions."""

    ca_file: Path | None = None
    """PEM file of certificate authorities that are trusted beside those of the system."""

    user_agent: str = "cachescope"

    proxies: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Proxies by scheme (``http``, ``https``, ``all``), and the exceptions under ``no``.

    The form of ``urllib.request.getproxies()``. Not in ``repr``: addresses of proxies may hold a password.
    """

    temporary_folder: Path | None = None
    """Where large documents are held while they are read; None is the system's choice."""
