"""Pages as files: what the server would send, with every link, form and picture led to a file or left out.

The templates write anchors and forms that hold no others, and all text of records escaped, so what is looked for here
is markup of ours alone.
"""

import re
from html import escape, unescape

from cachescope.present.static_addresses import StaticAddresses, root_of
from cachescope.present.surfaces import Page
from cachescope.present.to_html import Framed, HtmlWriter

__all__ = ["StaticHtml"]

_MARKUP = re.compile(
    r"<a\b(?P<a>[^>]*)>(?P<text>.*?)</a>|<form\b(?P<form>[^>]*)>(?P<fields>.*?)</form>"
    r"|<(?P<tag>link|script|img)\b(?P<rest>[^>]*)>",
    re.DOTALL,
)
_ADDRESS = re.compile(r'\b(href|src|action)="([^"]*)"')
_CLASS = re.compile(r'\bclass="[^"]*"')
_ROOT = 'data-root="/"'
_OF_SERVER = re.compile(r'<input type="hidden"[^>]*>| data-suggest="[^"]*"')
"""What a form of the search tells a server."""


class StaticHtml:
    """Writes pages of a site without a server."""

    def __init__(self, writer: HtmlWriter, addresses: StaticAddresses) -> None:
        self._writer = writer
        self._addresses = addresses

    def page(self, page: Page, *, file: str) -> bytes:
        """Write a page that the server has too."""
        return self._led(self._writer.write(page), file)

    def own(self, template: str, page: Framed, *, file: str) -> bytes:
        """Write a page that only the site without a server has."""
        return self._led(self._writer.write_with(template, page), file)

    def _led(self, html: bytes, file: str) -> bytes:
        def led(found: re.Match[str]) -> str:
            if found["a"] is not None:
                return self._anchor(found["a"], found["text"], file)
            if found["form"] is not None:
                return self._form(found["form"], found["fields"], file)
            return self._reference(found["tag"], found["rest"], file)

        return _MARKUP.sub(led, html.decode()).encode()

    def _anchor(self, attributes: str, text: str, file: str) -> str:
        address = _ADDRESS.search(attributes)
        if address is None or not address[2].startswith("/"):
            return f"<a{attributes}>{text}</a>"
        link = self._link(address, file)
        if link is not None:
            return f"<a{attributes[: address.start()]}{link}{attributes[address.end() :]}>{text}</a>"
        # What it says stays, with its looks.
        looks = _CLASS.search(attributes)
        return f"<span {looks[0]}>{text}</span>" if looks else f"<span>{text}</span>"

    def _form(self, attributes: str, fields: str, file: str) -> str:
        address = _ADDRESS.search(attributes)
        link = self._link(address, file) if address is not None and 'role="search"' in attributes else None
        if address is None or link is None:
            return ""
        led = attributes[: address.start()] + link + attributes[address.end() :]
        return f"<form{led}>{_OF_SERVER.sub('', fields)}</form>"

    def _reference(self, tag: str, attributes: str, file: str) -> str:
        address = _ADDRESS.search(attributes)
        link = self._link(address, file) if address is not None else None
        if address is None or link is None:
            return ""
        led = attributes[: address.start()] + link + attributes[address.end() :]
        root = f'data-root="{root_of(file)}"'
        return f"<{tag}{led.replace(_ROOT, root)}>"

    def _link(self, address: re.Match[str], file: str) -> str | None:
        """Return the attribute with a relative link; None where nothing stands for the address."""
        link = self._addresses.link(unescape(address[2]), at=file)
        return None if link is None else f'{address[1]}="{escape(link)}"'
