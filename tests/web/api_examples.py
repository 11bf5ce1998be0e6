"""The examples of the OpenAPI document: what the API answers out of the bundled sample. ``scripts/make-api-examples`` writes them."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

from cachescope.jobs.lock_answers import CatalogueLockAnswers
from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import parse_dag_hash, parse_source_name
from cachescope.model.mirror import Layout, parse_mirror_url
from cachescope.model.sightings import parse_against
from cachescope.model.virtual import (
    FailedSource,
    LackingSpec,
    VirtualMirror,
    VirtualReport,
    VirtualSource,
)
from cachescope.model.virtual_answers import Document, MirrorAnswer, StoredFile
from cachescope.present import urls
from cachescope.web.app import create_app
from cachescope.web.lock_files import UploadLimits
from cachescope.web.operations import OPERATIONS, PATH_PARAMETERS, Operation
from cachescope.web.routes import ROUTES
from tests.catalogues import ROOT, OpenCatalogue
from tests.fakes import NOW

FILE = ROOT / "src" / "cachescope" / "web" / "api_examples.json"
ORIGIN = "http://127.0.0.1:8000"
_ITEMS = 2
"""Of each list."""

_LONGEST_TEXT = 300


class OneVirtualMirror:
    """Stands in for virtual mirrors where only what is said of them matters."""

    mirror = VirtualMirror(name="lab", sources=(parse_against("crafted/v3-signed"),), filter="cr-zlib")

    def mirrors(self) -> Sequence[VirtualMirror]:
        return [self.mirror]

    def found(self, path: str) -> tuple[VirtualMirror, str]:
        name, _, rest = path.partition("/")
        if name != self.mirror.name:
            raise NotInCatalogue("there is no such mirror here")
        return self.mirror, rest

    def report(self, mirror: VirtualMirror) -> VirtualReport:
        name = parse_source_name("crafted/v3-signed")
        url = parse_mirror_url("https://cache.example.org/", cwd=ROOT)
        one = parse_dag_hash(PATH_PARAMETERS["hash"].example)
        return VirtualReport(
            mirror=mirror,
            sources=(VirtualSource(id=1, name=name, layout=Layout.V3, url=url, index_version="8", gives=2),),
            present=2,
            mentioned=3,
            packages=1,
            bytes_known=123_456,
            sizes_known=2,
            left_out=1,
            lacking=(
                LackingSpec(
                    hash=one,
                    name="cr-zlib",
                    version="1.3",
                    reason="no source has",
                    left_out=1,
                    examples=(f"cr-zlib@1.3 /{one}",),
                ),
            ),
            absent=(one,),
            index_bytes=((Layout.V3, 2514),),
            written_at=NOW,
            failures=(FailedSource(name, NOW, "it did not answer"),),
        )

    def ready(self, path: str) -> Document | StoredFile | None:
        assert path
        return None

    def asked(self, path: str, *, part: tuple[int, int | None] | None) -> MirrorAnswer | VirtualMirror:
        mirror, rest = self.found(path)
        if rest:
            raise NotInCatalogue("the mirror has no such document", where=f"{path} {part}")
        return mirror


def sample_app(opened: OpenCatalogue, **options: Any) -> Litestar:
    """Make the whole application over a catalogue, lock files included."""
    return create_app(
        opened.reader,
        now=lambda: NOW,
        version="0.1.0",
        on_error=str,
        lock_answers=CatalogueLockAnswers(opened.catalogue, most_specs=1000),
        limits=UploadLimits(largest=100_000),
        virtual=OneVirtualMirror(),
        **options,
    )


@contextmanager
def sample_client(opened: OpenCatalogue, **options: Any) -> Iterator[TestClient[Litestar]]:
    """Return a client of it, without a server."""
    app = sample_app(opened, **options)
    with TestClient(app, base_url=ORIGIN, raise_server_exceptions=False) as client:
        yield client


def request_of(key: tuple[str, str], operation: Operation) -> tuple[str, str, Any]:
    """Return method, address and body of the example of an operation."""
    method, place = key
    row = next((urls.api(row.path) for row in ROUTES if row.name == place), place)
    names = iter(operation.path)
    path = "".join(
        PATH_PARAMETERS[next(names)].example + operation.suffix if part.startswith("{") else part
        for part in row.replace("{", "\0{").replace("}", "}\0").split("\0")
    )
    asked = {
        "search": "?q=cr-zlib+%2Bshared&limit=2",
        "suggest": "?q=zlib",
        "packages": "?limit=2",
        "diff": "?first=crafted/v2-signed&second=crafted/v3-signed",
    }
    hashes = [PATH_PARAMETERS[name].example for name in ("hash", "other_hash")]
    body = [*hashes[:1], "a" * 32] if operation.body else None
    return method, path + asked.get(operation.name, ""), body


def examples(opened: OpenCatalogue) -> dict[str, Any]:
    """Return the answers by the names of their operations, with long lists and texts cut."""
    found = {}
    with sample_client(opened) as client:
        for key, operation in OPERATIONS.items():
            if operation.answer is None or operation.name == "openapi":
                continue
            method, address, body = request_of(key, operation)
            answer = client.request(method, address, json=body, headers={"Accept": "application/json"})
            assert answer.status_code == 200, (address, answer.text)
            # Where the sample lies on this machine is nobody's concern.
            text = answer.text.replace((ROOT / "examples").as_uri(), "https://cache.example.org")
            text = text.replace(str(ROOT / "examples"), "https://cache.example.org")
            found[operation.name] = _cut(json.loads(text))
    return found


def _cut(value: Any) -> Any:
    match value:
        case dict():
            return {key: _cut(one) for key, one in value.items()}
        case list():
            return [_cut(one) for one in value[:_ITEMS]]
        case str() if len(value) > _LONGEST_TEXT:
            return value[:_LONGEST_TEXT] + "..."
        case _:
            return value


def written(found: dict[str, Any]) -> str:
    """Write them as they stand in the repository."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def write(file: Path, opened: OpenCatalogue) -> None:
    """Write them anew."""
    file.write_text(written(examples(opened)), encoding="utf-8")
