"""Text for XML: what a document cannot hold is replaced, whatever somebody's index names a version."""

import re

__all__ = ["DECLARATION", "plain_xml"]

DECLARATION = b'<?xml version="1.0" encoding="utf-8"?>\n'

_FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    "|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""What is no character of XML 1.0 (control characters, halves of pairs, U+FFFE and U+FFFF) or discouraged there (C1
controls), and what turns the direction of text."""


def plain_xml(text: str) -> str:
    """Return a text with a replacement character for each that XML forbids; escaping is left to who writes the document."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
