"""Coverage as files that other programs show: a JUnit report and a badge."""

from xml.sax.saxutils import escape, quoteattr

from cachescope.model.coverage import Coverage
from cachescope.model.results import SpecSummary
from cachescope.present import wording
from cachescope.present.coverage import percent, tally_words, title

__all__ = ["render_badge", "render_junit"]

_GOOD, _FAIR = 0.95, 0.75
_COLOURS = {"good": "#2e7d32", "fair": "#b26a00", "bad": "#b3261e"}
_CHARACTER = 6.6
"""Width of a character of the badge's text, in pixels."""


def render_junit(coverage: Coverage) -> bytes:
    """Write a JUnit report: one test case a spec, failed where it is missing, skipped where it needs no binary."""
    cases = [_case(one, "") for one in coverage.present]
    cases += [
        _case(
            one.spec,
            f'<failure message="missing">{_text(f"no binary; {one.dependents} others depend on it")}</failure>',
        )
        for one in coverage.missing
    ]
    cases += [_case(one, '<failure message="not for this host"/>') for one in coverage.not_runnable]
    cases += [_case(one, '<skipped message="unstated"/>') for one in coverage.unstated]
    cases += [_case(one, '<skipped message="external"/>') for one in coverage.external]
    failures = len(coverage.missing) + len(coverage.not_runnable)
    skipped = len(coverage.unstated) + len(coverage.external)
    head = (
        f'<testsuite name="cachescope coverage" tests="{len(cases)}" failures="{failures}" skipped="{skipped}">\n'
        f'<properties><property name="share" value="{coverage.tally.share:.6f}"/></properties>\n'
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{head}{"".join(cases)}</testsuite>\n</testsuites>\n'
    ).encode("utf-8", "backslashreplace")


def _case(spec: SpecSummary, content: str) -> str:
    name = quoteattr(wording.plain(f"{title(spec)} /{spec.hash}"))
    group = quoteattr(wording.plain(str(spec.architecture)))
    end = f">{content}</testcase>" if content else "/>"
    return f"<testcase classname={group} name={name}{end}\n"


def _text(text: str) -> str:
    return escape(wording.plain(text))


def render_badge(coverage: Coverage) -> bytes:
    """Write a badge as SVG: the share, in a colour that says how good it is."""
    label, value = "build cache", percent(coverage.tally.share)
    share = coverage.tally.share
    colour = _COLOURS["good" if share >= _GOOD else "fair" if share >= _FAIR else "bad"]
    left, right = (round(len(text) * _CHARACTER) + 12 for text in (label, value))
    about = escape(f"{label}: {tally_words(coverage.tally)}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{about}">'
        f"<title>{about}</title>"
        f'<rect width="{left}" height="20" rx="3" fill="#444"/>'
        f'<rect x="{left}" width="{right}" height="20" rx="3" fill="{colour}"/>'
        f'<rect x="{left - 3}" width="6" height="20" fill="{colour}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2 - 1:g}" y="14">{label}</text><text x="{left + right / 2:g}" y="14">{value}</text>'
        "</g></svg>\n"
    ).encode()
