"""Mirrors: where they are and how their paths are arranged."""

import enum
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from cachescope.model.errors import UserInputError
from cachescope.model.identity import ROOT, MirrorName

__all__ = ["Layout", "Mirror", "MirrorUrl", "mirror_add", "parse_mirror_url"]


class Layout(enum.StrEnum):
    """How the paths of a source are arranged."""

    V3 = "v3"
    """Content-addressed, with manifests (Spack 1.0 and newer)."""

    V2 = "v2"
    """The ``build_cache`` folder (Spack up to 0.23; read by 1.x)."""

    OCI = "oci"
    """An OCI registry. Named here because results name it; not read yet."""

    PAGES = "pages"
    """Published Markdown pages in the form of the public site; no mirror of its own."""


@dataclass(frozen=True, slots=True)
class MirrorUrl:
    """Address of a mirror, without a trailing slash; local folders are ``file://`` with an absolute path as it is.

    ``str()`` gives the form for display, in which a password is masked and what a ``file://`` address cannot hold is
    written as ``%20`` and the like, as Spack and ``parse_mirror_url`` read it; ``text`` is the working address.
    """

    text: str

    @property
    def scheme(self) -> str:
        """``file``, ``http`` or ``https``."""
        return self.text.partition("://")[0]

    @property
    def host(self) -> str:
        """Host and port, empty for files; what bounds of concurrency are counted by."""
        return urlsplit(self.text).netloc.rpartition("@")[2]

    @property
    def path(self) -> Path:
        """Folder of a ``file`` mirror."""
        return Path(self.text.removeprefix("file://"))

    def __str__(self) -> str:
        if self.scheme == "file":
            return self.text.translate(_ESCAPED_IN_FILE)
        parts = urlsplit(self.text)
        if "@" not in parts.netloc:
            return self.text
        user, _, host = parts.netloc.rpartition("@")
        masked = f"{user.partition(':')[0]}:***@{host}" if ":" in user else f"***@{host}"
        return urlunsplit(parts._replace(netloc=masked))


def mirror_add(name: MirrorName, url: MirrorUrl) -> str:
    """Return the command by which Spack is told of a mirror: under the name of its ref, and of its stack if that is not the root.

    The address is quoted: it may come from the list of a bucket, and the line goes into a shell.
    """
    label = name.ref if name.stack == ROOT else f"{name.ref}-{name.stack}"
    return f"spack mirror add {label} {shlex.quote(str(url))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A registered mirror; ``url`` is None where only published pages speak of it."""

    name: MirrorName
    url: MirrorUrl | None


_ESCAPED_IN_FILE = str.maketrans({character: f"%{ord(character):02X}" for character in " %?#"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_USER = re.compile(r"(?<=://)[^/?#]*@")
_READABLE = ("file", "http", "https")


def parse_mirror_url(text: str, *, cwd: Path) -> MirrorUrl:
    """Read the address of a mirror: ``file://``, ``http://``, ``https://`` or a plain path, relative to ``cwd``.

    A query or fragment is refused, because Spack loses it when it joins paths.
    """
    _require_utf8(text)
    found = _SCHEME.match(text)
    if found is None:
        if not text:
            raise UserInputError(
                "an empty text is not the address of a mirror", hint="give a folder or an http(s) address"
            )
        return _folder(text, text, cwd)
    scheme = found.group(1).lower()
    if scheme not in _READABLE:
        raise UserInputError(
            f"mirrors of the kind {scheme}:// are not read yet",
            where=_masked(text),
            hint="known are file, http and https",
        )
    if scheme == "file":
        path = unquote(text[found.end() :], errors="surrogateescape")
        if not path.startswith("/"):
            raise UserInputError(
                "file:// needs an absolute path",
                where=text,
                hint="write file:///absolute/path, or the path alone",
            )
        return _folder(path, text, cwd)
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError as error:
        raise UserInputError(str(error), where=_masked(text)) from error
    if parts.query or parts.fragment:
        raise UserInputError(
            "the address of a mirror cannot hold '?' or '#'",
            where=_masked(text),
            hint="give the folder that holds 'v3' or 'build_cache'",
        )
    if not parts.hostname:
        raise UserInputError("the address names no host", where=_masked(text))
    return MirrorUrl(urlunsplit(parts._replace(scheme=scheme, path=parts.path.rstrip("/"))))


def _folder(path: str, text: str, cwd: Path) -> MirrorUrl:
    if "\0" in path:
        raise UserInputError("this is not the path of a folder: it holds a NUL", where=repr(text))
    try:
        # Links are kept: '/mirrors/current' means what it points to when it is read, not when it was registered.
        absolute = os.path.abspath(cwd / Path(path).expanduser())  # noqa: PTH100 - resolve() follows links
    except (ValueError, RuntimeError, OSError) as error:  # a NUL, no such user
        raise UserInputError(f"this is not the path of a folder: {error}", where=text) from error
    _require_utf8(absolute)
    return MirrorUrl(f"file://{absolute}")


def _require_utf8(text: str) -> None:
    """Refuse what was typed, or is named on the disk, in bytes that are no text: no catalogue and no JSON can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserInputError(
            "the address is not valid UTF-8",
            where=text,
            hint="rename the folder, or give a link to it with a plain name",
        ) from error


def _masked(text: str) -> str:
    """Hide user and password of an address that cannot be split."""
    return _USER.sub("***@", text)
