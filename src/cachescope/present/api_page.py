"""The API for people: its OpenAPI document as a page, and nothing that the document does not say."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from cachescope.present import urls
from cachescope.present.pages import Frame

__all__ = ["ApiField", "ApiGroup", "ApiOperation", "ApiPage", "ApiParameter", "ApiShape", "api_page"]

_SHOWN = 250
"""Characters of an example that are shown; all of it stands in the document."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ApiParameter:
    """A parameter in words."""

    name: str
    place: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class ApiField:
    """A key of an answer in words."""

    name: str
    kind: str
    shape: str
    """Which other shape it has; empty for none of ours."""

    optional: bool
    text: str


@dataclass(frozen=True, slots=True)
class ApiShape:
    """An object that answers hold."""

    name: str
    text: str
    fields: tuple[ApiField, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOperation:
    """One address with one method."""

    name: str
    method: str
    path: str
    summary: str
    text: str
    parameters: tuple[ApiParameter, ...]
    body: str
    shape: str
    """Of the answer; empty for none of ours."""

    kind: str
    statuses: tuple[str, ...]
    command: str
    """That asks for an example."""

    example: str
    """Beginning of an answer; empty without one."""


@dataclass(frozen=True, slots=True)
class ApiGroup:
    """Operations about the same."""

    name: str
    operations: tuple[ApiOperation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPage:
    """The description of the API."""

    frame: Frame
    document: Json
    groups: tuple[ApiGroup, ...]
    shapes: tuple[ApiShape, ...]


def api_page(document: Json, *, origin: str, now: datetime) -> ApiPage:
    """Build the page of an OpenAPI document; ``origin`` is where the asker found the site."""
    operations = [
        (one["tags"][0], _operation(method, path, one, origin))
        for path, found in document["paths"].items()
        for method, one in found.items()
    ]
    return ApiPage(
        frame=Frame(title="The API", section="", address="", scope=urls.EVERYWHERE, now=now),
        document=document,
        groups=tuple(
            ApiGroup(tag["name"], tuple(one for group, one in operations if group == tag["name"]))
            for tag in document["tags"]
        ),
        shapes=tuple(
            ApiShape(name, schema.get("description", ""), tuple(_fields(schema)))
            for name, schema in sorted(document["components"]["schemas"].items())
        ),
    )


def _operation(method: str, path: str, one: Json, origin: str) -> ApiOperation:
    content: Json = one["responses"].get("200", {}).get("content", {})
    answer = content.get("application/json", {})
    schema = answer.get("schema", {})
    shape, kind = _kind(schema) if "application/json" in content else ("", ", ".join(content))
    example = json.dumps(answer["example"], indent=1, ensure_ascii=False) if "example" in answer else ""
    return ApiOperation(
        name=one["operationId"],
        method=method.upper(),
        path=path,
        summary=one["summary"],
        text=one.get("description", ""),
        parameters=tuple(
            ApiParameter(each["name"], each["in"], _bounds(each["schema"]), each["description"])
            for each in one.get("parameters", ())
        ),
        body=one.get("requestBody", {}).get("description", ""),
        shape=shape,
        kind=kind,
        statuses=tuple(one["responses"]),
        command=_command(method, path, one, origin),
        example=f"{example[:_SHOWN]}\n..." if len(example) > _SHOWN else example,
    )


def _command(method: str, path: str, one: Json, origin: str) -> str:
    asked = {}
    for each in one.get("parameters", ()):
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", quote(str(each["example"]), safe=""))
        elif each["name"] in {"q", "against", "limit"} and "example" in each:
            value = each["example"]
            asked[each["name"]] = value[0] if isinstance(value, list) else value
    address = f"{origin}{path}" + (f"?{urlencode(asked, safe='/')}" if asked else "")
    if method == "post":
        return f"curl --data-binary @spack.lock '{address}'"
    return f"curl '{address}'"


def _fields(schema: Json) -> Iterator[ApiField]:
    required = set(schema.get("required", ()))
    for name, one in schema.get("properties", {}).items():
        shape, kind = _kind(one)
        yield ApiField(name, kind, shape, name not in required, one.get("description", ""))


def _kind(schema: Json) -> tuple[str, str]:
    """Return which shape a value has, and its sort in words."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2], "object"
    if "anyOf" in schema:
        found = [_kind(one) for one in schema["anyOf"]]
        shape = next((name for name, _ in found if name), "")
        return shape, " or ".join(kind for _, kind in found)
    if schema.get("type") == "array":
        shape, kind = _kind(schema["items"])
        return shape, f"list of {kind}s" if kind in {"object", "string"} else f"list of {kind}"
    return "", _bounds(schema)


def _bounds(schema: Json) -> str:
    """Write the type of a plain value with what it may be."""
    if "enum" in schema:
        return " | ".join("null" if one is None else str(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return f"{_bounds(schema['items'])}, repeatable"
    if "minimum" in schema and "maximum" in schema:
        return f"{schema['type']} {schema['minimum']:g} to {schema['maximum']:g}"
    if schema.get("format"):
        return str(schema["format"])
    return str(schema.get("type", "any"))
