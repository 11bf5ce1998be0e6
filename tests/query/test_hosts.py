"""Whether a binary runs on a host: how a host is described, and the verdict with its reason."""

import archspec.cpu
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachescope.model.errors import UserInputError
from cachescope.model.hosts import Host, Libc, Runnable
from cachescope.model.spec import Architecture
from cachescope.query.hosts import MACOS_RELEASES, PLATFORMS, judge, parse_host

HERE = Host(os="debian12", target="zen2", libc=Libc("glibc", "2.36"))
FOCAL = "os=ubuntu20.04,target=zen3,glibc=2.31"
RELEASES = list(MACOS_RELEASES.values())


def here() -> Host:
    return HERE


def host(text: str) -> Host:
    return parse_host(text, detect=here)


# -- describing a host ------------------------------------------------------------------------------------------------


def test_host_is_this_machine() -> None:
    assert host("host") == HERE
    assert host(" host ") == HERE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "os=ubuntu22.04,target=zen3,glibc=2.35",
            Host(platform="linux", os="ubuntu22.04", target="zen3", libc=Libc("glibc", "2.35")),
        ),
        (" glibc=2.35 , target = zen3 ", Host(target="zen3", libc=Libc("glibc", "2.35"))),
        (
            "os=alpine3,target=aarch64,musl=1.2.4",
            Host(os="alpine3", target="aarch64", libc=Libc("musl", "1.2.4")),
        ),
        ("os=sequoia,target=m2", Host(platform="darwin", os="sequoia", target="m2")),
        ("platform=freebsd,os=freebsd13.2", Host(platform="freebsd", os="freebsd13.2")),
        ("target=zen3", Host(target="zen3")),
    ],
)
def test_host_is_described_by_its_parts_in_any_order(text: str, expected: Host) -> None:
    assert host(text) == expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "'' does not describe a host", "known are platform, os, target, glibc, musl"),
        ("zen3", "'zen3' does not describe a host", "known are"),
        ("target=zen3,", "'' does not describe a host", "known are"),
        ("cpu=zen3", "'cpu=zen3' does not describe a host", "known are"),
        ("os=debian12,os=debian13", "os is given twice", "for example"),
        ("os=", "'' is not the name of an operating system", "for example"),
        ("target=zen2:", "'zen2:' is not the name of a target", "for example"),
        ("target=*", "'*' is not the name of a target", "for example"),
        ("platform=lunix", "'lunix' is not a platform", "known are linux, darwin"),
        ("glibc=new", "'new' is not a version of glibc", "glibc=2.35"),
        ("musl=", "'' is not a version of musl", "musl=1.2.4"),
        ("glibc=2.35,musl=1.2.4", "one C library", "for example"),
    ],
)
def test_host_that_is_not_understood_is_refused_with_what_is_known(
    text: str, message: str, hint: str
) -> None:
    with pytest.raises(UserInputError) as caught:
        host(text)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.where == text


_words = st.from_regex(r"[a-z][a-z0-9_.]{0,8}", fullmatch=True)
_libcs = st.builds(
    Libc, st.sampled_from(("glibc", "musl")), st.from_regex(r"[0-9]\.[0-9]{1,2}", fullmatch=True)
)


@given(
    st.builds(
        Host,
        platform=st.sampled_from(PLATFORMS),
        os=st.none() | _words,
        target=st.none() | _words,
        libc=st.none() | _libcs,
    )
)
def test_text_of_a_host_describes_that_host(one: Host) -> None:
    assert host(str(one)) == one


# -- judging ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("described", "built", "libc", "kind", "sentence"),
    [
        # the system itself
        (FOCAL, "linux-ubuntu20.04-zen3", ("glibc", "2.31"), Runnable.RUNS, "runs"),
        (FOCAL, "linux-ubuntu20.04-x86_64_v3", ("glibc", "2.31"), Runnable.RUNS, "runs"),
        (FOCAL, "linux-ubuntu20.04-zen3", None, Runnable.RUNS, "runs"),
        ("os=ubuntu20.04,target=zen3", "linux-ubuntu20.04-zen3", ("glibc", "2.31"), Runnable.RUNS, "runs"),
        # targets
        (
            FOCAL,
            "linux-ubuntu20.04-zen4",
            ("glibc", "2.31"),
            Runnable.TARGET_TOO_NEW,
            "target too new: needs zen4, host is zen3",
        ),
        (
            "os=ubuntu20.04,target=x86_64_v3",
            "linux-ubuntu20.04-haswell",
            None,
            Runnable.TARGET_TOO_NEW,
            "target too new: needs haswell, host is x86_64_v3",
        ),
        (
            FOCAL,
            "linux-ubuntu20.04-haswell",
            ("glibc", "2.31"),
            Runnable.OTHER_TARGET,
            "other target: built for haswell, host is zen3",
        ),
        (
            FOCAL,
            "linux-ubuntu20.04-neoverse_v1",
            ("glibc", "2.31"),
            Runnable.OTHER_TARGET,
            "other target: built for neoverse_v1, host is zen3",
        ),
        ("os=new1,target=zen99", "linux-new1-zen99", None, Runnable.RUNS, "runs"),
        (
            "os=new1,target=zen99",
            "linux-new1-zen3",
            None,
            Runnable.UNKNOWN,
            "unknown: built for zen3, host is zen99: archspec does not know the target zen99",
        ),
        (
            "os=new1,target=zen3",
            "linux-new1-zen99",
            None,
            Runnable.UNKNOWN,
            "unknown: built for zen99, host is zen3: archspec does not know the target zen99",
        ),
        (
            "os=ubuntu20.04,glibc=2.31",
            "linux-ubuntu20.04-zen3",
            ("glibc", "2.31"),
            Runnable.UNKNOWN,
            "unknown: built for zen3, the host's target is not given",
        ),
        # platforms
        (
            FOCAL,
            "darwin-sequoia-m1",
            None,
            Runnable.OTHER_PLATFORM,
            "other platform: built for darwin, host is linux",
        ),
        (FOCAL, "--", None, Runnable.UNKNOWN, "unknown: nothing is recorded of where it was built"),
        # the C library
        (
            FOCAL,
            "linux-ubuntu22.04-zen3",
            ("glibc", "2.35"),
            Runnable.LIBC_TOO_OLD,
            "needs glibc 2.35, host has 2.31",
        ),
        (
            FOCAL,
            "linux-ubuntu20.04-zen3",
            ("glibc", "2.35"),
            Runnable.LIBC_TOO_OLD,
            "needs glibc 2.35, host has 2.31",
        ),
        (
            FOCAL,
            "linux-rhel8-zen3",
            ("glibc", "2.28"),
            Runnable.OTHER_OS_PROBABLY_FINE,
            "other os (rhel8), probably fine: needs glibc 2.28, host has 2.31",
        ),
        (
            "os=debian12,target=zen3,glibc=2.9",
            "linux-centos6-zen3",
            ("glibc", "2.12"),
            Runnable.LIBC_TOO_OLD,
            "needs glibc 2.12, host has 2.9",
        ),
        (
            FOCAL,
            "linux-alpine3-zen3",
            ("musl", "1.2.4"),
            Runnable.OTHER_LIBC,
            "needs musl 1.2.4, host has glibc 2.31",
        ),
        (
            "os=alpine3,target=zen3,musl=1.2.5",
            "linux-void-zen3",
            ("musl", "1.2.4"),
            Runnable.OTHER_OS_PROBABLY_FINE,
            "other os (void), probably fine: needs musl 1.2.4, host has 1.2.5",
        ),
        (
            FOCAL,
            "linux-rhel8-zen3",
            None,
            Runnable.UNKNOWN,
            "unknown: other os (rhel8), and its record names no C library",
        ),
        (
            "os=ubuntu20.04,target=zen3",
            "linux-rhel8-zen3",
            ("glibc", "2.28"),
            Runnable.UNKNOWN,
            "unknown: other os (rhel8), needs glibc 2.28, the host's C library is not given",
        ),
        (
            "target=zen3,glibc=2.31",
            "linux-rhel8-zen3",
            ("glibc", "2.28"),
            Runnable.OTHER_OS_PROBABLY_FINE,
            "built on rhel8, probably fine: needs glibc 2.28, host has 2.31",
        ),
        # what certainly stands in the way is told before what is not known
        (
            "target=zen3",
            "linux-rhel8-zen4",
            None,
            Runnable.TARGET_TOO_NEW,
            "target too new: needs zen4, host is zen3",
        ),
        (
            "os=debian12,glibc=2.20",
            "linux-rhel8-zen4",
            ("glibc", "2.28"),
            Runnable.LIBC_TOO_OLD,
            "needs glibc 2.28, host has 2.20",
        ),
        # macOS
        ("os=sequoia,target=m2", "darwin-sequoia-m1", None, Runnable.RUNS, "runs"),
        (
            "os=sequoia,target=m2",
            "darwin-sonoma-m1",
            None,
            Runnable.OTHER_OS_PROBABLY_FINE,
            "older macOS, probably fine: built on sonoma, host is sequoia",
        ),
        (
            "os=sonoma,target=m2",
            "darwin-tahoe-m1",
            None,
            Runnable.OS_TOO_NEW,
            "os too new: built on tahoe, host is sonoma",
        ),
        (
            "os=sonoma,target=m2",
            "darwin-macos-m1",
            None,
            Runnable.UNKNOWN,
            "unknown: built on macos, host is sonoma",
        ),
        (
            "platform=darwin,target=m2",
            "darwin-sonoma-m1",
            None,
            Runnable.UNKNOWN,
            "unknown: built on sonoma, the host's os is not given",
        ),
        # elsewhere only the same system is known to do
        ("platform=freebsd,os=freebsd14,target=zen3", "freebsd-freebsd14-zen3", None, Runnable.RUNS, "runs"),
        (
            "platform=freebsd,os=freebsd14,target=zen3",
            "freebsd-freebsd13-zen3",
            None,
            Runnable.UNKNOWN,
            "unknown: built on freebsd13, host is freebsd14",
        ),
    ],
)
def test_verdict_says_whether_a_binary_runs_and_why(
    described: str, built: str, libc: tuple[str, str] | None, kind: Runnable, sentence: str
) -> None:
    verdict = judge(host(described), Architecture(*built.split("-")), libc)
    assert (verdict.kind, verdict.sentence) == (kind, sentence)
    assert verdict.runnable is (kind in {Runnable.RUNS, Runnable.OTHER_OS_PROBABLY_FINE})


@pytest.mark.parametrize("target", ["zen3", "icelake", "power9le", "neoverse_v1", "m2", "x86_64"])
def test_host_runs_its_own_target_and_exactly_its_ancestors(target: str) -> None:
    one = Host(os="debian12", target=target)
    runs = {
        name
        for name in archspec.cpu.TARGETS
        if judge(one, Architecture("linux", "debian12", name), None).runnable
    }
    assert runs == {target, *(each.name for each in archspec.cpu.TARGETS[target].ancestors)}


@given(st.sampled_from(RELEASES), st.sampled_from(RELEASES))
def test_release_of_macos_runs_what_older_ones_built(built: str, release: str) -> None:
    verdict = judge(
        Host(platform="darwin", os=release, target="m2"), Architecture("darwin", built, "m1"), None
    )
    assert verdict.runnable is (RELEASES.index(built) <= RELEASES.index(release))
