"""What a package is taken along as: a badge for a README, and its binaries as a table."""

import csv
import io
from collections.abc import Sequence
from html import escape

from cachescope.model.results import SpecSummary

__all__ = ["badge", "table"]

_LETTER = 6.6
_PADDING = 12
_LONGEST = 60
_COLUMNS = (
    "hash",
    "name",
    "version",
    "compiler",
    "os",
    "platform",
    "target",
    "variants",
    "mirrors",
    "presence",
)


def badge(label: str, figure: str) -> bytes:
    """Draw a badge: a name and a figure side by side."""
    label, figure = label[:_LONGEST], figure[:_LONGEST]
    left, right = (round(len(text) * _LETTER) + _PADDING for text in (label, figure))
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{_plain(label)}: {_plain(figure)}"><title>{_plain(label)}: {_plain(figure)}</title>'
        f'<path fill="#38434b" d="M3 0h{left - 3}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z"/>'
        f'<path fill="#0b5a8c" d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{right - 3}z"/>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2:g}" y="14">{_plain(label)}</text>'
        f'<text x="{left + right / 2:g}" y="14">{_plain(figure)}</text></g></svg>\n'
    )
    return text.encode("utf-8", "replace")


def _plain(text: str) -> str:
    """Escape a text for XML, which has no place for control characters."""
    return escape("".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text))


def table(specs: Sequence[SpecSummary]) -> bytes:
    """Write specs as CSV with a heading.

    A value that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    written = io.StringIO(newline="")
    rows = csv.writer(written)
    rows.writerow(_COLUMNS)
    for spec in specs:
        arch = spec.architecture
        cells = (
            spec.hash, spec.name, spec.version, spec.compiler_name, arch.os, arch.platform, arch.target,
            " ".join(spec.variant_texts), " ".join(map(str, spec.mirrors)), spec.presence.word,
        )  # fmt: skip
        rows.writerow([f"'{cell}" if cell[:1] in _FORMULA else cell for cell in cells])
    return written.getvalue().encode("utf-8", "replace")


_FORMULA = frozenset("=@\t\r")
