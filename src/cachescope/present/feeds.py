"""Atom feeds (RFC 4287) of what is new: packages and versions of a scope, or versions of one package."""

import re
import uuid
from xml.etree.ElementTree import Element, SubElement, tostring

from cachescope.model.identity import PackageName
from cachescope.model.news import NewMirror, News, NewVersion
from cachescope.present import urls, wording
from cachescope.present.urls import Scope
from cachescope.present.xml_text import DECLARATION, plain_xml

__all__ = ["MEDIA_TYPE", "write_feed"]

MEDIA_TYPE = "application/atom+xml; charset=utf-8"
_NAMESPACE = "http://www.w3.org/2005/Atom"
_NEVER = "1970-01-01T00:00:00Z"
"""A feed must say when it changed last, also one of nothing."""

_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/cachescope/cachescope#feeds")
_TYPEABLE = re.compile(r"[A-Za-z0-9_.-]+")
_LONGEST = 200


def write_feed(
    news: News, scope: Scope, *, base: str, version: str, package: PackageName | None = None
) -> bytes:
    """Write a feed; ``base`` is where the site stands, without a slash at the end.

    Ids are made of what an entry is about, not of where the site stands: it may move, and they stay.
    """
    feed = Element("feed", xmlns=_NAMESPACE)
    subject = str(package) if package is not None else "packages and versions"
    page = urls.package(package, scope) if package is not None else urls.packages(scope)
    _text(feed, "id", _id("feed", package or "", scope.words))
    _text(
        feed,
        "title",
        f"cachescope: new {subject} in {scope.words}"
        if package is None
        else f"cachescope: {subject} in {scope.words}",
    )
    newest = max((one.at for one in news.entries), default=news.read_at)
    _text(feed, "updated", wording.rfc3339(newest) if newest is not None else _NEVER)
    SubElement(_author(feed), "name").text = "cachescope"
    generator = SubElement(feed, "generator", version=plain_xml(version))
    generator.text = "cachescope"
    address = base + urls.feed(scope, package=package or "")
    SubElement(feed, "link", rel="self", type="application/atom+xml", href=plain_xml(address))
    SubElement(feed, "link", rel="alternate", type="text/html", href=plain_xml(base + page))
    for one in news.entries:
        if isinstance(one, NewMirror):
            _mirror(feed, one, base)
        else:
            _version(feed, one, scope, base, within=package is not None)
    document: bytes = tostring(feed, encoding="utf-8")
    return DECLARATION + document + b"\n"


def _author(feed: Element) -> Element:
    return SubElement(feed, "author")


def _version(feed: Element, one: NewVersion, scope: Scope, base: str, *, within: bool) -> None:
    named = f"{one.package} {wording.cut(one.version, _LONGEST)}"
    kind = "new package" if one.is_new_package and not within else "new version"
    # A version that the query language cannot spell leads to its package.
    query = f"{one.package}@={one.version}" if _TYPEABLE.fullmatch(one.version) else ""
    _entry(
        feed,
        identifier=_id("version", one.package, one.version, scope.words),
        title=f"{named} ({kind})",
        at=wording.rfc3339(one.at),
        href=base + urls.package(one.package, scope, query=query),
        summary=f"{scope.words} has {wording.count(one.binaries, 'binary', 'binaries')} of {named}, "
        f"first seen {wording.moment(one.at)}.",
    )


def _mirror(feed: Element, one: NewMirror, base: str) -> None:
    _entry(
        feed,
        identifier=_id("mirror", str(one.name)),
        title=f"{one.name} (new cache)",
        at=wording.rfc3339(one.at),
        href=base + urls.cache(one.name),
        summary=f"{one.name} was read for the first time: {wording.count(one.binaries, 'binary', 'binaries')} now.",
    )


def _entry(feed: Element, *, identifier: str, title: str, at: str, href: str, summary: str) -> None:
    entry = SubElement(feed, "entry")
    _text(entry, "id", identifier)
    _text(entry, "title", title)
    _text(entry, "updated", at)
    _text(entry, "published", at)
    SubElement(entry, "link", rel="alternate", type="text/html", href=plain_xml(href))
    _text(entry, "summary", summary)


def _text(parent: Element, name: str, text: str) -> None:
    """Add an element of text; without a type it is plain text in Atom, whatever it looks like."""
    SubElement(parent, name).text = plain_xml(text)


def _id(*parts: str) -> str:
    name = "\0".join(parts).encode("utf-8", "surrogatepass").hex()
    return uuid.uuid5(_IDS, name).urn
