"""The OpenAPI document: it tells of all routes there are and no others, and answers are as it says."""

import copy
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from jsonschema import Draft202012Validator
from litestar import Litestar
from litestar.testing import TestClient

from cachescope.present import urls
from cachescope.web.openapi import operation_of, routes_of
from cachescope.web.operations import OPERATIONS, PARAMETERS, PATH_PARAMETERS
from tests import mirrors
from tests.catalogues import OpenCatalogue
from tests.fakes import filled_catalogue
from tests.web import api_examples
from tests.web.conftest import read_sample
from tests.web.site import ASKING, client

JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenCatalogue]:
    """The bundled sample with sizes, as the examples are made of it."""
    with OpenCatalogue(tmp_path_factory.mktemp("sample") / "catalogue.sqlite") as opened:
        read_sample(opened)
        opened.sizes()
        yield opened


@pytest.fixture(scope="module")
def site(filled: OpenCatalogue) -> Iterator[TestClient[Litestar]]:
    with api_examples.sample_client(filled) as made:
        yield made


@pytest.fixture(scope="module")
def document(site: TestClient[Litestar]) -> dict[str, Any]:
    found: dict[str, Any] = site.get("/api/v1/openapi.json").json()
    return found


def _strict(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """Return what refuses keys beside those that are documented: clients must bear them, we must document them."""
    components = copy.deepcopy(document["components"])
    for one in components["schemas"].values():
        if "properties" in one:
            one["additionalProperties"] = False
    return Draft202012Validator({**schema, "components": components})


def _answer_schema(document: dict[str, Any], path: str, method: str = "get") -> dict[str, Any]:
    content = document["paths"][path][method]["responses"]["200"]["content"]["application/json"]
    schema: dict[str, Any] = content["schema"]
    return schema


# -- routes -----------------------------------------------------------------------------------------------------------


def test_every_route_of_the_api_is_described_and_every_description_has_a_route(
    site: TestClient[Litestar],
) -> None:
    routes = routes_of(site.app.routes)
    assert [one for one in routes if operation_of(*one) is None] == []
    described = [operation_of(*one) for one in routes]
    assert {one.name for one in described if one} == {one.name for one in OPERATIONS.values()}
    assert len(described) == len(OPERATIONS)


def test_document_tells_of_the_routes_and_of_no_others(
    site: TestClient[Litestar], document: dict[str, Any]
) -> None:
    told = {(method.upper(), path) for path, found in document["paths"].items() for method in found}
    assert len(told) == len(routes_of(site.app.routes))
    for method, path in told:
        address = path
        for name, one in PATH_PARAMETERS.items():
            address = address.replace(f"{{{name}}}", one.example)
        assert "{" not in address
        assert site.options(address).headers["allow"].count(method) == 1, address
        if method == "GET":
            assert "HEAD" in site.options(address).headers["allow"]


def test_parts_of_a_path_are_those_of_its_parameters(document: dict[str, Any]) -> None:
    for path, found in document["paths"].items():
        for one in found.values():
            names = [each["name"] for each in one.get("parameters", ()) if each["in"] == "path"]
            assert [f"{{{name}}}" in path for name in names] == [True] * path.count("{")


def test_every_described_parameter_is_used() -> None:
    assert {name for one in OPERATIONS.values() for name in one.query} == set(PARAMETERS)
    assert {name for one in OPERATIONS.values() for name in one.path} == set(PATH_PARAMETERS)


def test_every_schema_is_one_and_every_answer_has_a_name(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
        assert schema.get("description"), schema
    for found in document["paths"].values():
        for one in found.values():
            assert one["summary"]
            assert one["tags"][0] != "Others"


# -- answers ----------------------------------------------------------------------------------------------------------

_TOLD = [key for key, one in OPERATIONS.items() if one.answer is not None]


@pytest.mark.parametrize("key", _TOLD, ids=[OPERATIONS[one].name for one in _TOLD])
def test_answer_out_of_the_sample_is_as_its_schema_says(
    site: TestClient[Litestar], document: dict[str, Any], key: tuple[str, str]
) -> None:
    operation = OPERATIONS[key]
    method, address, body = api_examples.request_of(key, operation)
    answer = site.request(method, address, json=body, headers=JSON)
    assert answer.status_code == 200
    path = next(
        path
        for path, found in document["paths"].items()
        if any(one["operationId"] == operation.name for one in found.values())
    )
    _strict(document, _answer_schema(document, path, method.lower())).validate(answer.json())


@pytest.mark.parametrize("address", ASKING)
def test_answer_in_every_state_is_as_its_schema_says(document: dict[str, Any], address: str) -> None:
    with client(filled_catalogue()) as site:
        api = urls.api(address.partition("?")[0]).rstrip("/")
        (route,) = [
            one.path for one in site.app.routes if one.path.startswith(urls.API) and _matches(one.path, api)
        ]
        operation = operation_of("GET", route)
        assert operation is not None
        path = next(
            path
            for path, found in document["paths"].items()
            if found.get("get", {}).get("operationId") == operation.name
        )
        answer = site.get(urls.api(address)).json()
    _strict(document, _answer_schema(document, path)).validate(answer)


def _matches(route: str, address: str) -> bool:
    parts, given = route.split("/"), address.split("/")
    return len(parts) == len(given) and all(
        part.startswith("{") or part == one for part, one in zip(parts, given, strict=True)
    )


@pytest.mark.parametrize(
    "address",
    ["/api/v1/nowhere", "/api/v1/spec/0", "/api/v1/search?q=a@@b", "/api/v1/package/unknown", "/api/v1/why"],
)
def test_refusal_is_as_its_schema_says(
    site: TestClient[Litestar], document: dict[str, Any], address: str
) -> None:
    answer = site.get(address)
    assert answer.status_code >= 400
    schema = {"$ref": "#/components/schemas/ErrorAnswer"}
    _strict(document, schema).validate(answer.json())


def test_schema_refuses_what_is_no_answer(document: dict[str, Any]) -> None:
    """The checks above can fail."""
    validator = _strict(document, {"$ref": "#/components/schemas/ErrorAnswer"})
    right = {"code": "a", "message": "b", "where": "", "hint": ""}
    assert validator.is_valid({"error": right})
    assert not validator.is_valid({"error": {**right, "more": 1}})
    assert not validator.is_valid({"error": {"code": "a"}})


# -- examples ---------------------------------------------------------------------------------------------------------


def test_examples_are_what_the_sample_answers(filled: OpenCatalogue) -> None:
    """Written anew by scripts/make-api-examples."""
    assert api_examples.FILE.read_text("utf-8") == api_examples.written(api_examples.examples(filled))


def test_examples_stand_in_the_document_and_fit_their_schemas(document: dict[str, Any]) -> None:
    held = json.loads(api_examples.FILE.read_text("utf-8"))
    assert str(Path.home()) not in json.dumps(held)
    shown = 0
    for path, found in document["paths"].items():
        for method, one in found.items():
            content = one["responses"].get("200", {}).get("content", {}).get("application/json", {})
            if "example" in content:
                _strict(document, _answer_schema(document, path, method)).validate(content["example"])
                shown += 1
            for parameter in one.get("parameters", ()):
                if "example" in parameter:
                    Draft202012Validator(parameter["schema"]).validate(parameter["example"])
    assert shown == len(held) == len(_TOLD) - 1


# -- lists in parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("/api/v1/packages?limit=3", "packages"),
        ("/api/v1/packages?limit=4&sort=-present&ref=crafted", "packages"),
        ("/api/v1/search?q=cr-*&limit=7", "specs"),
        ("/api/v1/search?q=%25gcc&limit=5&ref=crafted&stack=v2-signed", "specs"),
    ],
)
def test_next_leads_through_the_whole_list(site: TestClient[Litestar], address: str, key: str) -> None:
    found, total, following = [], 0, address
    while following:
        answer = site.get(following)
        page = answer.json()
        found += [one.get("hash", one["name"]) for one in page[key]]
        total, following = page["total"], page.get("next", "")
        link = f'<{following}>; rel="next"' if following else None
        assert answer.headers.get("link") == link
    assert len(found) == len(set(found)) == total > 7


def test_pages_of_a_package_lead_on(tmp_path: Path) -> None:
    nodes = [mirrors.node("app", f"1.{number}") for number in range(45)]
    mirrors.write_v3(tmp_path / "mirror", mirrors.index(mirrors.installs(nodes)))
    with OpenCatalogue(tmp_path / "catalogue.sqlite") as opened:
        opened.sync("site", tmp_path / "mirror")
        with client(opened.reader) as site:
            versions, following = [], "/api/v1/package/app"
            while following:
                page = site.get(following).json()
                versions += [one["version"] for one in page["groups"]]
                following = page.get("next", "")
    assert sorted(versions) == sorted(one["version"] for one in nodes)


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        "cursor=%C3%BC",
        "cursor=bnVsbA",
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=",
        "limit=1e3",
        "page=0",
        "page=",
        "page=1&cursor=x",
        "prefix=%00",
    ],
)
def test_place_or_length_that_is_none_is_refused(site: TestClient[Litestar], query: str) -> None:
    answer = site.get(f"/api/v1/packages?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_input"
    assert answer.json()["error"]["hint"]


def test_cursor_belongs_to_its_question(site: TestClient[Litestar]) -> None:
    following = site.get("/api/v1/packages?limit=2&prefix=cr").json()["next"]
    assert site.get(following).status_code == 200
    assert site.get(following.replace("prefix=cr", "prefix=c")).status_code == 400
    assert site.get(following.replace("/packages", "/search") + "&q=cr-zlib").status_code == 400


@pytest.mark.parametrize(
    "place", [("cr-zlib", "many"), ("cr-zlib", "9" * 30), ("cr\0", "1"), ("cr-zlib", "-1")]
)
def test_cursor_that_somebody_made_up_is_refused(site: TestClient[Litestar], place: tuple[str, str]) -> None:
    following = site.get("/api/v1/packages?limit=2&sort=present").json()["next"]
    (mine,) = parse_qs(urlsplit(following).query)["cursor"]
    digest = json.loads(urlsafe_b64decode(mine + "=" * (-len(mine) % 4)))[0]
    cursor = urlsafe_b64encode(msgspec.json.encode([digest, *place])).decode().rstrip("=")
    answer = site.get("/api/v1/packages", params={"limit": "2", "sort": "present", "cursor": cursor})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_input")


def test_page_of_a_search_goes_on_where_it_ends(site: TestClient[Litestar]) -> None:
    first = site.get("/search?q=cr-*&limit=5", headers={"Accept": "text/html"})
    assert 'rel="next"' in first.text
    assert 'rel="next"' not in site.get("/search?q=cr-zlib", headers={"Accept": "text/html"}).text
