"""What programs that walk the site are told: ``robots.txt``, and the list of addresses in parts (sitemaps.org, 0.9)."""

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, tostring

from cachescope.present import urls
from cachescope.present.xml_text import DECLARATION, plain_xml

__all__ = ["LARGEST_PART", "hash_prefixes", "write_robots", "write_sitemap", "write_sitemap_index"]

LARGEST_PART = 25_000
"""Addresses of one part. 50,000 are allowed, and 50 MB: of so many each may have 2,000 characters."""

_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"
"""Of hashes; they fall evenly on their beginnings."""


def hash_prefixes(specs: int) -> list[str]:
    """Return the beginnings of hashes by which so many specs are parted: a part stays one, whatever comes and goes."""
    prefixes = [""]
    # Half of what a part may hold, since they fall evenly but not exactly so.
    while specs / len(prefixes) > LARGEST_PART / 2:
        prefixes = [prefix + one for prefix in prefixes for one in _ALPHABET]
    return prefixes


def write_sitemap(addresses: Iterable[str], *, base: str) -> bytes:
    """Write a part: addresses of pages."""
    return _written("urlset", "url", addresses, base)


def write_sitemap_index(parts: Iterable[str], *, base: str) -> bytes:
    """Write the list of parts."""
    return _written("sitemapindex", "sitemap", (urls.sitemap(one) for one in parts), base)


def _written(outer: str, inner: str, addresses: Iterable[str], base: str) -> bytes:
    root = Element(outer, xmlns=_NAMESPACE)
    for address in addresses:
        SubElement(SubElement(root, inner), "loc").text = plain_xml(base + address)
    document: bytes = tostring(root, encoding="utf-8")
    return DECLARATION + document + b"\n"


def write_robots(*, base: str, path: str) -> bytes:
    """Write ``robots.txt``; ``path`` is where the site begins on its host.

    Pages with parameters are the same facts narrowed and ordered without end: what is worth finding stands in the site map,
    of which nothing may be shut. Below ``/mirror/`` a question can make an index be written.
    """
    shut = [
        urls.API,
        urls.search(),
        urls.suggestions(),
        urls.comparing(),
        urls.virtual("").rstrip("/") + "/",
        "/*?",
    ]
    lines = [
        "User-agent: *",
        *(f"Disallow: {path}{one}" for one in shut),
        # A page without its style is judged as who has none sees it.
        f"Allow: {path}/static/",
        f"Sitemap: {base}{urls.sitemap()}",
    ]
    return ("\n".join(lines) + "\n").encode()
