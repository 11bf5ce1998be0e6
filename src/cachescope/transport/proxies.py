"""Which proxy, if any, stands between us and a host."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

__all__ = ["proxy_for"]


def proxy_for(url: str, proxies: Mapping[str, str]) -> str | None:
    """Return the address of the proxy for ``url``, or None for the direct way.

    ``proxies`` as in ``TransportOptions``. The exceptions under ``no``, by commas: a host, a domain with all below it
    (with or without a leading dot), ``host:port``, a network such as ``10.0.0.0/8``, or ``*`` for all.
    """
    parts = urlsplit(url)
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    host = (parts.hostname or "").rstrip(".")
    if not proxy or any(
        _covers(one.strip().lower(), host, parts.port) for one in proxies.get("no", "").split(",")
    ):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _covers(exception: str, host: str, port: int | None) -> bool:
    if not exception:
        return False
    if exception == "*":
        return True
    if "/" in exception:
        return _in_network(host, exception)
    name, colon, wanted_port = exception.rpartition(":")
    if colon and wanted_port.isdecimal() and not name.count(":"):
        return port == int(wanted_port) and _covers(name, host, port)
    name = exception.removeprefix("*").strip(".[]")
    return host == name or host.endswith(f".{name}")


def _in_network(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:  # a host by name, or no network: neither is an exception that covers
        return False
