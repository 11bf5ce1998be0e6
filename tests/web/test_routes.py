"""The route table without a server, as an export uses it."""

import json
import re

import pytest

from cachescope.present.pages import Moved, PageRequest
from cachescope.present.surfaces import json_of, text_of
from cachescope.web.routes import OTHER, ROUTES, SUBJECT, Route
from tests.fakes import DEMO, NOW, filled_catalogue
from tests.web.site import ADDRESSES

CATALOGUE = filled_catalogue()


SUBJECTS = {
    "package": ("py-demo", ""),
    "spec": (DEMO[0].hash, ""),
    "compare": (DEMO[0].hash, DEMO[1].hash),
    "cache": ("develop", "e4s"),
}
PAGES = [one for one in ROUTES if one.name != "comparing"]


@pytest.mark.parametrize("route", PAGES, ids=[one.name for one in PAGES])
def test_row_answers_without_a_server(route: Route[object]) -> None:
    subject, other = SUBJECTS.get(route.name, ("", ""))
    page = route.answer(CATALOGUE, PageRequest(now=NOW, subject=subject, other=other, query="py-demo"))
    assert not isinstance(page, Moved)
    assert page.frame.address.startswith(route.path.replace(SUBJECT, subject).replace(OTHER, other))
    assert json.loads(json_of(page))
    assert text_of(page)


def test_what_asks_freely_cannot_be_exported() -> None:
    asked_freely = {"search", "suggest", "compare", "comparing", "diff"}
    assert {one.name for one in ROUTES if not one.exportable} == asked_freely


def test_two_hashes_of_a_form_lead_to_their_comparison() -> None:
    row = next(one for one in ROUTES if one.name == "comparing")
    request = PageRequest(now=NOW, subject="/abc", other="def")
    assert row.answer(CATALOGUE, request) == Moved("/compare/abc/def")
    assert row.answer(CATALOGUE, PageRequest(now=NOW)) == Moved("/search")


def test_names_and_paths_are_unique() -> None:
    assert len({one.name for one in ROUTES}) == len({one.path for one in ROUTES}) == len(ROUTES)


_LEAD_ELSEWHERE = {"comparing"}
"""Rows that answer with another address alone."""


def test_every_page_is_looked_at_in_a_browser() -> None:
    """The browser and axe go through ``ADDRESSES``: a row that is missing there would be looked at by nobody."""
    paths = {one.partition("?")[0] for one in ADDRESSES}
    missing = []
    for row in ROUTES:
        pattern = re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(row.path)))
        if row.name not in _LEAD_ELSEWHERE and not any(map(pattern.fullmatch, paths)):
            missing.append(row.name)
    assert missing == []
