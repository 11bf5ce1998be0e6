"""Hosts on which binaries are to run, and what is said of a binary on such a host."""

import enum
from dataclasses import dataclass

__all__ = ["Host", "HostVerdict", "Libc", "Runnable"]


@dataclass(frozen=True, slots=True)
class Libc:
    """The C library of a host: ``glibc`` or ``musl``, and its version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine as Spack sees it; what is None is not known. ``str()`` is what ``--for`` takes."""

    platform: str = "linux"
    os: str | None = None
    """As Spack names it, for example ``ubuntu22.04`` or ``sequoia``."""

    target: str | None = None
    """Microarchitecture, by archspec's name."""

    libc: Libc | None = None

    def __str__(self) -> str:
        libc = (self.libc.name, self.libc.version) if self.libc is not None else ("glibc", None)
        parts = (("platform", self.platform), ("os", self.os), ("target", self.target), libc)
        return ",".join(f"{name}={value}" for name, value in parts if value)


class Runnable(enum.StrEnum):
    """Whether a binary runs on a host, in the words of JSON."""

    RUNS = "runs"
    OTHER_OS_PROBABLY_FINE = "other_os_probably_fine"
    TARGET_TOO_NEW = "target_too_new"
    OTHER_TARGET = "other_target"
    """Neither older nor newer: another family, or another branch of it."""

    OTHER_PLATFORM = "other_platform"
    LIBC_TOO_OLD = "libc_too_old"
    """The host's; the binary needs a newer one."""

    OTHER_LIBC = "other_libc"
    """glibc on one side and musl on the other."""

    OS_TOO_NEW = "os_too_new"
    """The binary's release of macOS is newer than the host's."""

    UNKNOWN = "unknown"


_RUNNABLE = frozenset({Runnable.RUNS, Runnable.OTHER_OS_PROBABLY_FINE})


@dataclass(frozen=True, slots=True)
class HostVerdict:
    """Whether one binary runs on a host, and why."""

    kind: Runnable
    sentence: str
    """For people, with the reason, for example ``needs glibc 2.35, host has 2.31``."""

    @property
    def runnable(self) -> bool:
        """Whether the binary runs, certainly or probably."""
        return self.kind in _RUNNABLE
