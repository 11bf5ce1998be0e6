"""This machine in Spack's words."""

import os

import archspec.cpu
import pytest

from cachescope.cli.host_detection import detect_host, linux_name, macos_name, musl_version
from cachescope.model.hosts import Libc
from cachescope.query.hosts import MACOS_RELEASES, parse_host


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("ubuntu", "22.04", "ubuntu22.04"),
        ("debian", "12", "debian12"),
        ("debian", "", "debian"),
        ("rhel", "9.4", "rhel9"),
        ("rocky", "9.3", "rocky9"),
        ("almalinux", "8.9", "almalinux8"),
        ("centos", "7", "centos7"),
        ("amzn", "2", "amzn2"),
        ("fedora", "40", "fedora40"),
        ("sles", "15.5", "sles15"),
        ("opensuse-leap", "15.5", "opensuse15"),
        ("opensuse-tumbleweed", "20260901", "opensusetumbleweed2.40"),
        ("ol", "8.9", "oracle8"),
        ("alpine", "3.20.3", "alpine3"),
        ("arch", "", "arch"),
        ("My Linux", "1-b", "my_linux1_b"),
        ("", "12", None),
    ],
)
def test_linux_is_named_as_spack_names_it(name: str, version: str, expected: str | None) -> None:
    assert linux_name({"ID": name, "VERSION_ID": version}, Libc("glibc", "2.40")) == expected


def test_linux_without_os_release_has_no_name() -> None:
    assert linux_name({}) is None


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("10.15.7", "catalina"),
        ("11.6", "bigsur"),
        ("15.1", "sequoia"),
        ("26.0", "tahoe"),
        ("10.4", None),
        ("", None),
    ],
)
def test_macos_is_named_by_its_release(version: str, expected: str | None) -> None:
    assert macos_name(version) == expected


def test_every_release_of_macos_is_found_by_its_version() -> None:
    assert [macos_name(f"{version}.1") for version in MACOS_RELEASES] == list(MACOS_RELEASES.values())


@pytest.mark.parametrize(
    ("banner", "expected"),
    [
        ("musl libc (x86_64)\nVersion 1.2.4_git20230717\nDynamic Program Loader\n", "1.2.4_git20230717"),
        ("musl libc (aarch64)\nVersion 1.1.24\nUsage: ...", "1.1.24"),
        ("ld.so (GNU libc) stable release version 2.36.\n", None),
        ("", None),
    ],
)
def test_musl_tells_its_version(banner: str, expected: str | None) -> None:
    assert musl_version(banner) == expected


@pytest.mark.skipif(os.name != "posix", reason="asks this machine's own C library")
def test_this_machine_is_detected_and_can_be_written_down() -> None:
    found = detect_host()
    assert found.platform == os.uname().sysname.lower()
    assert found.target == archspec.cpu.host().name
    if "CS_GNU_LIBC_VERSION" in os.confstr_names:
        assert str(found.libc) == os.confstr("CS_GNU_LIBC_VERSION")
    assert parse_host(str(found), detect=detect_host) == found
    assert parse_host("host", detect=detect_host) == found
