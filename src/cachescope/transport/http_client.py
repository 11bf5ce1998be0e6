"""The connections to web servers and proxies: pools, certificates, time-outs."""

import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from threading import Lock
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import urllib3

from cachescope.model.errors import UserInputError
from cachescope.transport.http_address import HttpAddress, basic_credentials
from cachescope.transport.options import TransportOptions
from cachescope.transport.proxies import proxy_for

__all__ = ["HttpClient", "read_to_the_end"]


class HttpClient:
    """Owns the connections of all sources; safe to use from several threads. Nothing is opened before the first ``get``.

    Made and closed by ``compose``.
    """

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._timeout = urllib3.Timeout(connect=options.connect_timeout, read=options.read_timeout)
        self._lock = Lock()
        self._pools: dict[tuple[str | None, bool], urllib3.PoolManager] = {}
        self._paused_until: dict[str, float] = {}

    def ask(
        self, address: HttpAddress, headers: Mapping[str, str], *, method: str = "GET"
    ) -> urllib3.BaseHTTPResponse:
        """Ask once for a document: no redirect, no retry, nothing of the body read. Raises urllib3's errors.

        Waits first where the server asked for a pause.
        """
        self._wait_out_pause(address)
        sent = {"User-Agent": self._options.user_agent, "Accept-Encoding": "gzip", **headers}
        if address.authorization:
            sent["Authorization"] = address.authorization
        return self._pool(address.url).urlopen(
            method,
            address.url,
            headers=sent,
            redirect=False,
            retries=False,
            timeout=self._timeout,
            preload_content=False,
            decode_content=False,
        )

    def pause(self, server: str, seconds: float) -> None:
        """Ask nothing of ``server`` (host and port) for so long: all who read from it were told by one answer."""
        with self._lock:
            until = time.monotonic() + seconds
            self._paused_until[server] = max(until, self._paused_until.get(server, 0.0))

    def _wait_out_pause(self, address: HttpAddress) -> None:
        if self._paused_until:
            wait = self._paused_until.get(urlsplit(address.url).netloc, 0.0) - time.monotonic()
            time.sleep(max(0.0, wait))

    def proxy_shown(self, address: HttpAddress) -> str:
        """Host and port of the proxy that ``address`` is asked through, or empty."""
        return urlsplit(proxy_for(address.url, self._options.proxies) or "").netloc.rpartition("@")[2]

    def close(self) -> None:
        """Close all connections that no read is using."""
        with self._lock:
            for pool in self._pools.values():
                pool.clear()
            self._pools.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pool(self, url: str) -> urllib3.PoolManager:
        proxy = proxy_for(url, self._options.proxies)
        secure = url.startswith("https:")
        with self._lock:
            if (proxy, secure) not in self._pools:
                self._pools[proxy, secure] = self._made_pool(proxy, secure=secure)
            return self._pools[proxy, secure]

    def _made_pool(self, proxy: str | None, *, secure: bool) -> urllib3.PoolManager:
        # The certificates of the system take 20 ms to load: not where all is plain http.
        context = self._tls if secure else None
        if proxy is None:
            return urllib3.PoolManager(maxsize=self._options.connections_per_host, ssl_context=context)
        parts = urlsplit(proxy)
        if parts.scheme not in {"http", "https"}:
            raise UserInputError(
                f"proxies of the kind {parts.scheme}:// are not known",
                where=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
                hint="set http_proxy, https_proxy or all_proxy to an http:// or https:// address",
            )
        user_info, _, host = parts.netloc.rpartition("@")
        credentials = basic_credentials(user_info)
        return urllib3.ProxyManager(
            urlunsplit(parts._replace(netloc=host)),
            maxsize=self._options.connections_per_host,
            proxy_headers={"Proxy-Authorization": credentials} if credentials else None,
            proxy_ssl_context=self._tls if parts.scheme == "https" else None,
            ssl_context=context,
        )

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._options.ca_file is not None:
            try:
                context.load_verify_locations(cafile=self._options.ca_file)
            except OSError as error:  # ssl.SSLError is one
                raise UserInputError(
                    f"certificates cannot be read from this file ({error.strerror or error})",
                    where=str(self._options.ca_file),
                    hint="name a file of certificates in PEM form in the setting ca_file",
                ) from error
        return context


def read_to_the_end(response: urllib3.BaseHTTPResponse, *, worth: int) -> None:
    """Read what is left, so that the connection can be used again; where more comes than ``worth`` bytes, it is given up."""
    left = worth
    with suppress(urllib3.exceptions.HTTPError, OSError):  # the answer is known already
        for piece in response.stream(worth, decode_content=False):
            left -= len(piece)
            if left < 0:
                return
