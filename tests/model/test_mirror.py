"""Addresses of mirrors are made absolute, cleaned and shown without their secrets."""

from pathlib import Path

import pytest

from cachescope.model.errors import UserInputError
from cachescope.model.mirror import MirrorUrl, parse_mirror_url

CWD = Path("/srv")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("mirror", "file:///srv/mirror"),
        ("./a/../mirror/", "file:///srv/mirror"),
        ("/data/mirror/", "file:///data/mirror"),
        ("file:///data/mirror/", "file:///data/mirror"),
        ("FILE:///data//mirror", "file:///data/mirror"),
        ("with space", "file:///srv/with space"),
        ("file:///with%20space/50%25", "file:///with space/50%"),
        ("as%20written", "file:///srv/as%20written"),
        ("https://binaries.spack.io/develop/", "https://binaries.spack.io/develop"),
        ("https://binaries.spack.io/develop//", "https://binaries.spack.io/develop"),
        ("https://binaries.spack.io", "https://binaries.spack.io"),
        ("https://binaries.spack.io/", "https://binaries.spack.io"),
        ("HTTP://Host:8000/M", "http://Host:8000/M"),
        ("http://user:secret@host/m/", "http://user:secret@host/m"),
        ("http://[::1]:8000/m", "http://[::1]:8000/m"),
    ],
)
def test_address_is_absolute_and_without_trailing_slash(text: str, address: str) -> None:
    assert parse_mirror_url(text, cwd=CWD).text == address


def test_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert parse_mirror_url("~/mirror", cwd=CWD).text == "file:///home/ada/mirror"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "an empty text"),
        ("s3://bucket/m", "mirrors of the kind s3:// are not read yet"),
        ("oci://host/m", "mirrors of the kind oci:// are not read yet"),
        ("file://relative", "file:// needs an absolute path"),
        ("file://", "file:// needs an absolute path"),
        ("https://host/m?signature=x", "cannot hold '?' or '#'"),
        ("https://host/m#part", "cannot hold '?' or '#'"),
        ("https://", "names no host"),
        ("https:///m", "names no host"),
        ("https://:8000/m", "names no host"),
        ("https://host:port/m", "port"),
        ("https://host:99999/m", "out of range"),
        ("https://[::1/m", "Invalid IPv6"),
        ("https://a\u2100b/m", "NFKC"),
        ("a\0b", "not the path of a folder"),
        ("file:///a\0b", "not the path of a folder"),
        ("file:///a%00b", "not the path of a folder"),
        ("file:///a%ffb", "not valid UTF-8"),
        ("m\udcff", "not valid UTF-8"),
        ("https://host/m\udcff", "not valid UTF-8"),
        ("~no-such-user-here/m", "not the path of a folder"),
    ],
)
def test_what_is_no_address_of_a_mirror_is_refused(text: str, problem: str) -> None:
    with pytest.raises(UserInputError) as caught:
        parse_mirror_url(text, cwd=CWD)
    assert problem.lower() in caught.value.message.lower()
    assert caught.value.exit_code == 2


def test_links_are_kept_so_that_they_may_point_elsewhere_later(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("2026-11")
    assert parse_mirror_url("current/", cwd=tmp_path).text == f"file://{tmp_path}/current"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ada:secret@host:8000/m", "https://ada:***@host:8000/m"),
        ("https://token-secret@host/m", "https://***@host/m"),
        ("https://a:b@secret@host/m", "https://a:***@host/m"),
        ("https://host/m", "https://host/m"),
        ("file:///data/a@b", "file:///data/a@b"),
    ],
)
def test_address_is_shown_without_its_secret(address: str, shown: str) -> None:
    url = parse_mirror_url(address, cwd=CWD)
    assert (url.text, str(url), f"{url}") == (address, shown, shown)


@pytest.mark.parametrize(
    "text",
    [
        "https://ada:secret@host/m?x",
        "https://ada:secret@host:port/m",
        "https://ada:secret@/m",
        "s3://ada:secret@host/m",
        "https://ada:secret@[::1/m",
    ],
)
def test_refusal_of_an_address_does_not_show_its_secret(text: str) -> None:
    with pytest.raises(UserInputError) as caught:
        parse_mirror_url(text, cwd=CWD)
    assert "secret" not in str(caught.value)
    assert "secret" not in str(caught.value.as_json())


@pytest.mark.parametrize(
    ("address", "scheme", "host"),
    [
        ("https://ada:secret@host:8000/m", "https", "host:8000"),
        ("http://host", "http", "host"),
        ("file:///data/m", "file", ""),
    ],
)
def test_address_tells_scheme_and_host(address: str, scheme: str, host: str) -> None:
    url = MirrorUrl(address)
    assert (url.scheme, url.host) == (scheme, host)


def test_address_of_a_folder_tells_its_path() -> None:
    assert parse_mirror_url("m", cwd=CWD).path == Path("/srv/m")


@pytest.mark.parametrize(
    ("folder", "shown"),
    [
        ("/data/mirror", "file:///data/mirror"),
        ("/with space/50%", "file:///with%20space/50%25"),
        ("/what?/#1", "file:///what%3F/%231"),
        ("/Größe", "file:///Größe"),
    ],
)
def test_address_of_a_folder_is_shown_as_it_is_read_again(folder: str, shown: str) -> None:
    url = parse_mirror_url(folder, cwd=CWD)
    assert str(url) == shown
    assert parse_mirror_url(shown, cwd=CWD) == url
    assert url.path == Path(folder)
