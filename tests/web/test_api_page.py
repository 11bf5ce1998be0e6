"""The page that describes the API: all that the document says, for people, within what a page may weigh."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.catalogues import OpenCatalogue
from tests.web.api_examples import sample_client
from tests.web.site import Document


@pytest.fixture
def site(sample: OpenCatalogue) -> Iterator[TestClient[Litestar]]:
    with sample_client(sample, base_path="/spack") as made:
        yield made


def test_page_names_every_operation_and_shape_of_the_document(site: TestClient[Litestar]) -> None:
    page = site.get("/api", headers={"Accept": "text/html"})
    told = site.get("/api/v1/openapi.json").json()
    read = Document(page.text)
    assert read.misnested == []
    ids = {one.attributes["id"] for one in read.all("article")}
    operations = {one["operationId"] for found in told["paths"].values() for one in found.values()}
    assert ids == operations | {f"shape-{name}" for name in told["components"]["schemas"]}
    local = {
        (one.attributes["href"] or "")[1:]
        for one in read.all("a")
        if (one.attributes["href"] or "").startswith("#")
    }
    assert local <= ids | {"main"}
    assert len(page.content) < 100_000
    assert all(one.children[0].tag == "caption" for one in read.all("table"))


def test_commands_and_document_stand_below_the_path_of_the_site(site: TestClient[Litestar]) -> None:
    text = site.get("/api", headers={"Accept": "text/html"}).text
    assert "/spack/api/v1/search?q=" in text
    assert 'href="/spack/api/v1/openapi.json"' in text
    assert site.get("/api/v1/openapi.json").json()["servers"] == [{"url": "/spack"}]
    assert site.get("/api/v1/packages?limit=1").json()["next"].startswith("/spack/api/v1/packages?")
    assert site.get("/api/v1/packages?limit=1").headers["link"].startswith("</spack/api/v1/packages?")
    assert "/spack/feeds/new.atom" in site.get("/feeds/new.atom").text


def test_page_has_the_forms_of_every_page(site: TestClient[Litestar]) -> None:
    as_json = site.get("/api", headers={"Accept": "application/json"})
    assert as_json.content == site.get("/api/v1/openapi.json").content
    assert (
        "GET /api/v1/search: Specs that match a query"
        in site.get("/api", headers={"Accept": "text/plain"}).text
    )
    assert 'href="/spack/api"' in site.get("/", headers={"Accept": "text/html"}).text
