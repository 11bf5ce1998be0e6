"""The OpenAPI document: routes of the running application, words of ``operations``, schemas of the types that answers have.

OpenAPI 3.1, whose schemas are JSON Schema 2020-12, which msgspec derives from the types.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from importlib import resources
from typing import Annotated, Any

import msgspec

from cachescope.present import shapes, urls
from cachescope.web.operations import OPERATIONS, PARAMETERS, PATH_PARAMETERS, Operation, Parameter
from cachescope.web.routes import ROUTES

__all__ = ["openapi_document", "operation_of", "routes_of"]

_REFERENCE = "#/components/schemas/{name}"
_VARYING = re.compile(r"\{[^}]*\}")
_ROWS = {urls.api(row.path.rstrip("/")): row.name for row in ROUTES}
_JSON = "application/json"
_REFUSALS = {
    400: "The request cannot be understood: a parameter, a query, a hash that is the beginning of several, a document.",
    404: "Not in the catalogue, or no such address.",
    413: "The document is larger than the server takes.",
    414: "The address is longer than the server takes.",
    503: "Too many ask at the moment, or the answer took too long; Retry-After says when to come again.",
}
_FAILURE = "Something failed inside the server; the message names the entry in its log."
_HASHES = list[Annotated[str, msgspec.Meta(pattern="^[a-z2-7]{32}$")]]
_TEXT = """What the pages show, as JSON. Every page's address below `/api/v1` gives the bytes of the page asked with
`Accept: application/json`.

* Every GET address takes HEAD, has an `ETag` and answers `If-None-Match` with 304.
* A long list ends in `next`, the address of what follows; `Link: <...>; rel="next"` says the same.
* A refusal has one shape, with a stable `code`. Keys may be added to any answer, none is taken away within `/api/v1`.
* Parameters that an address does not name are ignored. An empty `ref` or `stack` is none."""


def routes_of(routes: Iterable[Any]) -> Sequence[tuple[str, str]]:
    """Return methods and paths of an application's routes that the document tells of, sorted."""
    found = [
        (method, route.path)
        for route in routes
        for method in getattr(route, "methods", ())
        if method in {"GET", "POST"}
        and (
            route.path.startswith(f"{urls.API}/")
            or route.path == urls.API
            or operation_of(method, route.path) is not None
        )
    ]
    return sorted(found, key=lambda one: (one[1], one[0]))


def operation_of(method: str, path: str) -> Operation | None:
    """Return what is said of a route; None for one that is no part of the API, or that nobody described."""
    row = _ROWS.get(path)
    return OPERATIONS.get((method, row if row is not None else _VARYING.sub("{}", path)))


def openapi_document(
    routes: Sequence[tuple[str, str]], *, version: str, base_path: str = ""
) -> dict[str, Any]:
    """Describe these routes of a site that stands at ``base_path``, empty for ``/``."""
    described = [
        (
            method,
            path,
            operation_of(method, path) or Operation(name=f"{method} {path}", group="Others", summary=path),
        )
        for method, path in routes
    ]
    types = [kind for _, _, one in described for kind in _types(one)]
    schemas, components = msgspec.json.schema_components(
        [shapes.ErrorAnswer, *types], ref_template=_REFERENCE
    )
    derived = iter(schemas[1:])
    answers = {one.name: _either([next(derived) for _ in _types(one)]) for _, _, one in described}
    paths: dict[str, dict[str, Any]] = {}
    for method, path, one in described:
        paths.setdefault(_template(path, one), {})[method.lower()] = _operation(one, answers.get(one.name))
    groups = dict.fromkeys(one.group for _, _, one in described)
    return {
        "openapi": "3.1.0",
        "info": {"title": "cachescope", "version": version, "description": _TEXT, "license": {"name": "MIT"}},
        "servers": [{"url": base_path or "/"}],
        "tags": [{"name": group} for group in groups],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {
                **{f"Refused{status}": _error(text) for status, text in _REFUSALS.items()},
                "Failed": _error(_FAILURE),
            },
            "headers": {
                "ETag": _header("Validator of these bytes, for If-None-Match."),
                "Link": _header('Address of the next part: <...>; rel="next".'),
                "X-Cachescope-Exit": _header("Exit code of the command that asks the same."),
            },
        },
    }


def _types(one: Operation) -> Sequence[Any]:
    if one.answer is None:
        return ()
    return one.answer if isinstance(one.answer, tuple) else (one.answer,)


def _either(schemas: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    if not schemas:
        return None
    return schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}


def _template(path: str, one: Operation) -> str:
    names = iter(one.path)
    return _VARYING.sub(lambda _: f"{{{next(names, 'subject')}}}{one.suffix}", path)


def _operation(one: Operation, answer: Mapping[str, Any] | None) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": one.name, "tags": [one.group], "summary": one.summary}
    if one.text:
        found["description"] = one.text
    parameters = [_parameter(name, PATH_PARAMETERS[name], "path") for name in one.path]
    parameters += [_parameter(name, PARAMETERS[name], "query") for name in one.query]
    if parameters:
        found["parameters"] = parameters
    if one.body:
        found["requestBody"] = _body(one)
    found["responses"] = _responses(one, answer)
    return found


def _parameter(name: str, one: Parameter, place: str) -> dict[str, Any]:
    schema = msgspec.json.schema(one.kind)
    found: dict[str, Any] = {
        "name": name,
        "in": place,
        "description": one.text,
        "schema": {"type": "array", "items": schema} if one.many else schema,
    }
    if place == "path":
        found["required"] = True
    if one.example:
        number = schema.get("type") in {"integer", "number"}
        example: object = float(one.example) if number else one.example
        found["example"] = [example] if one.many else int(one.example) if number else example
    return found


def _body(one: Operation) -> dict[str, Any]:
    hashes = [PATH_PARAMETERS["hash"].example, PATH_PARAMETERS["other_hash"].example]
    return {
        "description": one.body,
        "required": True,
        "content": {
            _JSON: {
                "schema": {"anyOf": [msgspec.json.schema(_HASHES), {"type": "object"}]},
                "example": hashes,
            },
            "text/plain": {"schema": {"type": "string"}, "example": "\n".join(hashes)},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["lock"],
                    "properties": {
                        "lock": {"type": "string", "contentMediaType": "application/octet-stream"}
                    },
                }
            },
        },
    }


def _responses(one: Operation, answer: Mapping[str, Any] | None) -> dict[str, Any]:
    content: dict[str, Any] = {media: {"schema": {"type": "string"}} for media in one.media}
    if answer is not None:
        content[_JSON] = {"schema": answer}
        if one.name in _examples():
            content[_JSON]["example"] = _examples()[one.name]
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _headers(one)}
    found: dict[str, Any] = {}
    if answer is not None or one.media != (_JSON,):
        found["200"] = {"description": one.summary, "content": content}
        if headers:
            found["200"]["headers"] = headers
        for status in one.also:
            found[str(status)] = {**found["200"], "description": HTTPStatus(status).phrase}
    if one.moved:
        found["302"] = {"description": "It stands at the address in Location."}
    if one.kept:
        found["304"] = {"description": "The asker's copy is current."}
    for status in sorted(one.statuses):
        found[str(status)] = {"$ref": f"#/components/responses/Refused{status}"}
    found["500"] = {"$ref": "#/components/responses/Failed"}
    # Any address may be asked of a server that is full.
    found.setdefault("414", {"$ref": "#/components/responses/Refused414"})
    found.setdefault("503", {"$ref": "#/components/responses/Refused503"})
    return found


def _headers(one: Operation) -> list[str]:
    return [
        *(["ETag"] if one.kept else []),
        *(["Link"] if {"page", "cursor"} & set(one.query) else []),
        *(["X-Cachescope-Exit"] if one.body else []),
    ]


def _error(text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {_JSON: {"schema": {"$ref": _REFERENCE.format(name="ErrorAnswer")}}},
    }


def _header(text: str) -> dict[str, Any]:
    return {"description": text, "schema": {"type": "string"}}


@cache
def _examples() -> Mapping[str, Any]:
    """Return answers by the name of their operation: those of the bundled sample, cut where a list is long."""
    file = resources.files("cachescope.web").joinpath("api_examples.json")
    return dict(json.loads(file.read_bytes()))
