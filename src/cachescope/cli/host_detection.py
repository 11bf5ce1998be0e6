"""What this machine is, in Spack's words: archspec's detection, the name of the system, and the C library.

Source of the names of systems: Spack 1.2 ``operating_systems.linux_distro`` and ``mac_os``.
"""

import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from cachescope.model.hosts import Host, Libc
from cachescope.query.hosts import MACOS_RELEASES, PLATFORMS

__all__ = ["detect_host", "linux_name", "macos_name", "musl_version"]

_RENAMED = {"ol": "oracle", "opensuse-leap": "opensuse"}
_MUSL_LOADERS = "ld-musl-*.so.1"
_LOADER_PATIENCE = 5
"""Seconds; the loader only prints its version."""


def detect_host() -> Host:
    """Ask this machine what it is. What cannot be found out is None."""
    import archspec.cpu  # reads its table: only where a host is asked for

    kind = platform.system().lower()
    system, libc = None, None
    if kind == "linux":
        libc = _libc()
        system = linux_name(_os_release(), libc)
    elif kind == "darwin":
        system = macos_name(platform.mac_ver()[0])
    elif kind in PLATFORMS:
        system = f"{kind}{platform.release().partition('-')[0]}"
    target = archspec.cpu.host().name
    return Host(platform=kind, os=system, target=target, libc=libc)


def linux_name(os_release: Mapping[str, str], libc: Libc | None = None) -> str | None:
    """Return Spack's name of a Linux distribution from its ``os-release``; None where that says nothing.

    The name and the first part of its version, ``rhel9``; of Ubuntu two parts, ``ubuntu22.04``. openSUSE Tumbleweed, which
    has no releases, is named by its C library.
    """
    name = os_release.get("ID", "").lower().replace(" ", "_")
    name = _RENAMED.get(name, name)
    if not name:
        return None
    parts = re.split(r"[^\w-]", os_release.get("VERSION_ID", ""))
    version = ".".join(parts[:2]) if "ubuntu" in name else parts[0]
    if "opensuse" in name and "tumbleweed" in name:
        name, version = "opensuse", f"tumbleweed{libc.version if libc is not None else ''}"
    return f"{name.replace('-', '_')}{version.replace('-', '_')}"


def macos_name(version: str) -> str | None:
    """Return Spack's name of a release of macOS; None for one that is not known."""
    parts = version.split(".")
    return MACOS_RELEASES.get(parts[0]) or MACOS_RELEASES.get(".".join(parts[:2]))


def musl_version(banner: str) -> str | None:
    """Read what musl's loader prints when it is started alone."""
    found = re.search(r"^musl libc.*\nVersion (\S+)", banner, re.MULTILINE)
    return found[1] if found is not None else None


def _os_release() -> Mapping[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:  # a system without that file
        return {}


def _libc() -> Libc | None:
    name, version = platform.libc_ver()
    if name in {"glibc", "musl"} and version:
        return Libc(name, version)
    return _musl(sorted(Path("/lib").glob(_MUSL_LOADERS)))


def _musl(loaders: Iterable[Path]) -> Libc | None:
    for loader in loaders:
        try:
            started = subprocess.run(  # noqa: S603 - the system's own loader, without any input
                [loader], capture_output=True, text=True, timeout=_LOADER_PATIENCE, check=False
            )
        except (OSError, subprocess.SubprocessError):  # a loader for another machine
            continue
        version = musl_version(started.stderr)
        if version is not None:
            return Libc("musl", version)
    return None
