"""Whether a binary runs on a host: platform, target, operating system and C library.

A query's ``target=zen3`` is exact, as in Spack; this is the question beside it. A binary for an older target runs on a newer
one of the same line (archspec's partial order). On Linux, the C library decides between systems: a program that was linked
with glibc 2.35 does not start with an older one. On macOS, the release decides.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NoReturn

from cachescope.model.errors import UserInputError
from cachescope.model.hosts import Host, HostVerdict, Libc, Runnable
from cachescope.model.spec import Architecture
from cachescope.query.targets import is_known_target, target_matches
from cachescope.query.versions import version_key

__all__ = ["HOST_KEYS", "LIBCS", "MACOS_RELEASES", "PLATFORMS", "judge", "parse_host"]

PLATFORMS = ("linux", "darwin", "freebsd", "windows")
LIBCS = ("glibc", "musl")
HOST_KEYS = ("platform", "os", "target", *LIBCS)

MACOS_RELEASES: Mapping[str, str] = MappingProxyType(
    {
        "10.10": "yosemite",
        "10.11": "elcapitan",
        "10.12": "sierra",
        "10.13": "highsierra",
        "10.14": "mojave",
        "10.15": "catalina",
        "11": "bigsur",
        "12": "monterey",
        "13": "ventura",
        "14": "sonoma",
        "15": "sequoia",
        "26": "tahoe",
    }
)
"""Spack's names of the releases of macOS by version, oldest first."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_VERSION = re.compile(r"[0-9][A-Za-z0-9_.-]*")
_EXAMPLE = "for example host, or os=ubuntu22.04,target=zen3,glibc=2.35"

LibcNode = tuple[str, str]
"""Name and version of the C library in a binary's DAG."""


def parse_host(text: str, *, detect: Callable[[], Host]) -> Host:
    """Read what stands behind ``--for``: ``host``, which asks ``detect``, or ``os=...,target=...,glibc=...`` in any order.

    The platform is darwin for a release of macOS, else linux. Raises ``UserInputError``.
    """
    if text.strip() == "host":
        return detect()
    parts: dict[str, str] = {}
    for item in text.split(","):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or key not in HOST_KEYS:
            _refuse(
                f"{item.strip()!r} does not describe a host",
                text,
                f"known are {', '.join(HOST_KEYS)}, each with =value",
            )
        if key in parts:
            _refuse(f"{key} is given twice", text, _EXAMPLE)
        parts[key] = _checked(key, value, text)
    if all(libc in parts for libc in LIBCS):
        _refuse("a host has one C library, glibc or musl", text, _EXAMPLE)
    default = "darwin" if parts.get("os") in MACOS_RELEASES.values() else "linux"
    libc = next((Libc(name, parts[name]) for name in LIBCS if name in parts), None)
    return Host(
        platform=parts.get("platform", default), os=parts.get("os"), target=parts.get("target"), libc=libc
    )


def _checked(key: str, value: str, text: str) -> str:
    if key in LIBCS:
        if _VERSION.fullmatch(value) is None:
            _refuse(f"{value!r} is not a version of {key}", text, f"for example {key}={_NEWEST[key]}")
    elif key == "platform":
        if value not in PLATFORMS:
            _refuse(f"{value!r} is not a platform", text, f"known are {', '.join(PLATFORMS)}")
    elif _NAME.fullmatch(value) is None:
        _refuse(f"{value!r} is not the name of {_ARTICLES[key]}", text, _EXAMPLE)
    return value


_NEWEST = {"glibc": "2.35", "musl": "1.2.4"}
_ARTICLES = {"os": "an operating system", "target": "a target"}


def _refuse(message: str, text: str, hint: str) -> NoReturn:
    raise UserInputError(message, where=text, hint=hint)


def judge(host: Host, architecture: Architecture, libc: LibcNode | None) -> HostVerdict:
    """Say whether a binary runs on a host.

    ``libc`` is the C library in the binary's DAG, None where its record names none. What certainly stands in the way comes
    first; what is not known makes the verdict unknown, never a guess.
    """
    if not architecture.platform:
        return _unknown("nothing is recorded of where it was built")
    if architecture.platform != host.platform:
        return HostVerdict(
            Runnable.OTHER_PLATFORM,
            f"other platform: built for {architecture.platform}, host is {host.platform}",
        )
    verdicts = (_by_target(host.target, architecture.target), _by_system(host, architecture, libc))
    for kinds in (_IN_THE_WAY, {Runnable.UNKNOWN}, {Runnable.OTHER_OS_PROBABLY_FINE}):
        for verdict in verdicts:
            if verdict.kind in kinds:
                return verdict
    return _RUNS


_RUNS = HostVerdict(Runnable.RUNS, "runs")
_IN_THE_WAY = frozenset(Runnable) - {Runnable.RUNS, Runnable.OTHER_OS_PROBABLY_FINE, Runnable.UNKNOWN}


def _unknown(reason: str) -> HostVerdict:
    return HostVerdict(Runnable.UNKNOWN, f"unknown: {reason}")


def _by_target(host: str | None, built: str) -> HostVerdict:
    if host is None:
        return _unknown(f"built for {built}, the host's target is not given")
    if built == host or _can_run(host, built):
        return _RUNS
    for name in (built, host):
        if not is_known_target(name):
            return _unknown(f"built for {built}, host is {host}: archspec does not know the target {name}")
    if _can_run(built, host):
        return HostVerdict(Runnable.TARGET_TOO_NEW, f"target too new: needs {built}, host is {host}")
    return HostVerdict(Runnable.OTHER_TARGET, f"other target: built for {built}, host is {host}")


def _can_run(target: str, built: str) -> bool:
    return target_matches(f":{target}", built)


def _by_system(host: Host, architecture: Architecture, libc: LibcNode | None) -> HostVerdict:
    if host.platform == "linux":
        return _by_libc(host, architecture.os, libc)
    if architecture.os == host.os:
        return _RUNS
    if host.os is None:
        return _unknown(f"built on {architecture.os}, the host's os is not given")
    releases = list(MACOS_RELEASES.values()) if host.platform == "darwin" else []
    if architecture.os not in releases or host.os not in releases:
        return _unknown(f"built on {architecture.os}, host is {host.os}")
    if releases.index(architecture.os) > releases.index(host.os):
        return HostVerdict(Runnable.OS_TOO_NEW, f"os too new: built on {architecture.os}, host is {host.os}")
    return HostVerdict(
        Runnable.OTHER_OS_PROBABLY_FINE,
        f"older macOS, probably fine: built on {architecture.os}, host is {host.os}",
    )


def _by_libc(host: Host, built_on: str, libc: LibcNode | None) -> HostVerdict:
    if libc is not None and host.libc is not None:
        name, version = libc
        if name != host.libc.name:
            return HostVerdict(Runnable.OTHER_LIBC, f"needs {name} {version}, host has {host.libc}")
        if version_key(host.libc.version) < version_key(version):
            return HostVerdict(Runnable.LIBC_TOO_OLD, f"needs {name} {version}, host has {host.libc.version}")
    if built_on == host.os:
        return _RUNS
    system = f"other os ({built_on})" if host.os is not None else f"built on {built_on}"
    if libc is None:
        return _unknown(f"{system}, and its record names no C library")
    needed = " ".join(libc)
    if host.libc is None:
        return _unknown(f"{system}, needs {needed}, the host's C library is not given")
    return HostVerdict(
        Runnable.OTHER_OS_PROBABLY_FINE,
        f"{system}, probably fine: needs {needed}, host has {host.libc.version}",
    )
