"""The route table without a server, as an export uses it."""

import json

import pytest

from cachescope.present.pages import Moved, PageRequest
from cachescope.present.surfaces import json_of, text_of
from cachescope.web.routes import ROUTES, SUBJECT, Route
from tests.fakes import DEMO, NOW, filled_catalogue

CATALOGUE = filled_catalogue()


@pytest.mark.parametrize("route", ROUTES, ids=[one.name for one in ROUTES])
def test_row_answers_without_a_server(route: Route[object]) -> None:
    subject = DEMO[0].hash if route.name == "spec" else "py-demo" if SUBJECT in route.path else ""
    page = route.answer(CATALOGUE, PageRequest(now=NOW, subject=subject, query="py-demo"))
    assert not isinstance(page, Moved)
    assert page.frame.address.startswith(route.path.replace(SUBJECT, subject))
    assert json.loads(json_of(page))
    assert text_of(page)


def test_only_search_cannot_be_exported() -> None:
    assert [one.name for one in ROUTES if not one.exportable] == ["search"]


def test_names_and_paths_are_unique() -> None:
    assert len({one.name for one in ROUTES}) == len({one.path for one in ROUTES}) == len(ROUTES)
