"""What a page leads to, for tests that follow every link: of a served site, and of a site of files."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.web.site import Document

_LINKS = {"a": "href", "link": "href", "script": "src", "img": "src", "form": "action"}
OUTSIDE = "https://packages.spack.io/"
"""Where the recipe of a package is described: a link that a reader may follow, nothing that a page loads."""


@dataclass(frozen=True, slots=True)
class Link:
    """Something that a page refers to; ``loads`` says whether a browser fetches it by itself."""

    tag: str
    address: str
    fields: str
    """Of a form: the names of its fields."""

    @property
    def loads(self) -> bool:
        return self.tag in {"link", "script", "img"}


def links_of(html: str) -> Iterator[Link]:
    """Yield all that a page refers to."""
    page = Document(html)
    for element in page.all(*_LINKS):
        address = element.attributes.get(_LINKS[element.tag])
        method = element.attributes.get("method") or "get"
        if address is None or method != "get":
            continue
        fields = [one.attributes.get("name") for one in element.children if one.tag in {"input", "select"}]
        yield Link(element.tag, address, ",".join(one for one in fields if one))
    for element in page.elements:
        assert not any(name in element.attributes for name in ("style", "onclick", "onload", "srcdoc")), (
            element
        )


def fragment_holds(html: str, fragment: str) -> bool:
    """Say whether a page has the place that a link leads to."""
    return not fragment or any(one.attributes.get("id") == fragment for one in Document(html).elements)


def is_outside(address: str) -> bool:
    """Say whether an address is of another host."""
    return bool(urlsplit(address).netloc)
