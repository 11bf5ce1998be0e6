"""What went wrong with a web server, in our words: the one place that knows the errors of urllib3 and the statuses."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as AnyTimeoutError

from cachescope.model.errors import AccessDenied, MirrorUnavailable
from cachescope.transport.options import TransportOptions

__all__ = ["Asked", "Failure", "failure_of_error", "failure_of_status"]

_MAY_PASS = frozenset({429, 500, 502, 503, 504})
_LATER = "try again later; if it stays so, tell the maintainer of the mirror"


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that gave no answer."""

    error: MirrorUnavailable
    may_pass: bool = False
    """Whether another attempt makes sense."""

    after: float | None = None
    """Seconds that the server asks to wait."""

    server: str = ""
    """Host and port that asks so."""

    cause: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the question was, as far as an error should tell it."""

    shown: str
    """The address of the document, masked."""

    server: str
    """Host and port that were asked, possibly after a redirect."""

    proxy: str
    """Host and port of the proxy, or empty."""

    with_credentials: bool
    options: TransportOptions


def failure_of_error(error: HTTPError, asked: Asked) -> Failure:
    """Say what an error of urllib3 means."""
    if isinstance(error, ProxyError):
        return _failure(
            f"the proxy {asked.proxy} does not help: {_reason(error.original_error)}",
            "proxies come from http_proxy, https_proxy and all_proxy; hosts to reach directly go into no_proxy",
            asked,
            error,
            may_pass=not isinstance(error.original_error, OSError),
        )
    message, hint, may_pass = _told(error, asked)
    return _failure(message, hint, asked, error, may_pass=may_pass)


def _told(error: HTTPError, asked: Asked) -> tuple[str, str, bool]:
    """Message, hint, and whether it may pass."""
    message, hint, may_pass = f"{asked.server} does not answer as a web server should", _LATER, True
    match error:
        case NameResolutionError():
            message = f"there is no host of the name {asked.server}"
            hint = "check the spelling, and that this machine can look up names; it may need a proxy (https_proxy)"
            # EAI_AGAIN is a name server that does not answer now; the others say that there is no such name.
            may_pass = (
                isinstance(error.__cause__, socket.gaierror) and error.__cause__.errno == socket.EAI_AGAIN
            )
        case NewConnectionError():
            message = f"no connection to {asked.server}: {_reason(error)}"
            hint = (
                "check that the server runs, the port, and whether this machine needs a proxy (https_proxy)"
            )
        case ConnectTimeoutError():
            message = f"no connection to {asked.server} within {asked.options.connect_timeout:g} s"
            hint = "check the network, or give it more time with the setting connect_timeout"
        case AnyTimeoutError():
            message = f"{asked.server} sent nothing for {asked.options.read_timeout:g} s"
            hint = "try again, or give it more time with the setting read_timeout"
        case SSLError():
            return _told_of_tls(error, asked)
        case LocationValueError():
            message = "the address cannot be read"
            hint, may_pass = "check the spelling of the address of the mirror", False
        case ProtocolError():
            message = f"the connection to {asked.server} broke before the answer was whole"
        case _:
            message += f": {_reason(error)}"
    return message, hint, may_pass


def _told_of_tls(error: SSLError, asked: Asked) -> tuple[str, str, bool]:
    reason = _reason(error)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        hint = (
            "if your site has a certificate authority of its own, name its file in the setting ca_file;"
            " else the maintainer must renew the certificate"
        )
        return f"the certificate of {asked.server} cannot be trusted: {reason}", hint, False
    hint = "check that this port speaks https; a proxy in between may also break it"
    return f"no encrypted connection to {asked.server}: {reason}", hint, False


def _reason(error: BaseException) -> str:
    """The innermost text, without addresses of objects and names of classes."""
    inner: BaseException = error
    while (deeper := inner.__cause__ or inner.__context__) is not None:
        inner = deeper
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return str(inner) or type(inner).__name__


def failure_of_status(status: int, headers: Mapping[str, str], asked: Asked) -> Failure:
    """Say what a status means that is neither a document, nor a redirect, nor "not there"."""
    named = _named(status)
    match status:
        case 401 if asked.with_credentials:
            return _denied(
                f"{asked.server} does not accept the user or password ({named})",
                "check them in the address of the mirror, or ask its maintainer",
                asked,
            )
        case 401 | 403:
            hint = "give credentials in the address, https://USER:PASSWORD@HOST/..., or ask the maintainer of the mirror"
            if status == 403:  # noqa: PLR2004 - a status is best known by its number
                hint += "; some stores (S3) also answer 403 where there is no such document"
            return _denied(f"{asked.server} gives no access ({named})", hint, asked)
        case 407:
            hint = "give credentials in the address of the proxy, http://USER:PASSWORD@HOST:PORT"
            return _failure(f"the proxy {asked.proxy} wants credentials ({named})", hint, asked)
        case _ if status in _MAY_PASS:
            failure = _failure(f"{asked.server} cannot answer now ({named})", _LATER, asked)
            after = _seconds_asked_for(headers)
            return Failure(failure.error, may_pass=True, after=after, server=asked.server)
        case _:
            hint = "check that this is the address of a mirror, or ask its maintainer"
            return _failure(f"{asked.server} gave an answer that means nothing here ({named})", hint, asked)


def _denied(message: str, hint: str, asked: Asked) -> Failure:
    return Failure(AccessDenied(message, where=asked.shown, hint=hint), may_pass=False, cause=None)


def _failure(
    message: str, hint: str, asked: Asked, cause: Exception | None = None, *, may_pass: bool = False
) -> Failure:
    return Failure(MirrorUnavailable(message, where=asked.shown, hint=hint), may_pass=may_pass, cause=cause)


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _seconds_asked_for(headers: Mapping[str, str]) -> float | None:
    asked_for = headers.get("Retry-After", "").strip()
    if asked_for.isascii() and asked_for.isdecimal():
        return float(asked_for)
    try:
        # A date counts from the server's own clock, which need not agree with ours.
        wait = parsedate_to_datetime(asked_for) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, wait.total_seconds())
