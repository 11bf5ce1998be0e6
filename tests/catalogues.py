"""A catalogue in a file with all that is needed to read mirrors into it, and where the bundled sample is."""

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import psycopg
import pytest

from cachescope.catalogue import registry
from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.engine import Catalogue, open_for_writing
from cachescope.catalogue.reader import Reader
from cachescope.catalogue.schema import metadata
from cachescope.jobs.fetching import RefreshOptions
from cachescope.jobs.progress import NoProgress, SizesProgress, SyncProgress
from cachescope.jobs.published_pages import PageReader
from cachescope.jobs.refresh import Refresher
from cachescope.jobs.side_by_side import SideBySide
from cachescope.jobs.sizes import SizeReader, SizesOptions
from cachescope.model.errors import CachescopeError
from cachescope.model.identity import DagHash, PackageName, parse_source_name
from cachescope.model.mirror import MirrorUrl, parse_mirror_url
from cachescope.model.sources import SizesOutcome, SourceOutcome
from cachescope.transport.opening import HttpClient, TransportOptions, open_source
from cachescope.transport.source import ByteSource

ROOT = Path(__file__).resolve().parent.parent
V3 = ROOT / "examples" / "v3-crafted-signed"
V2 = ROOT / "examples" / "v2-signed"
SEED_PAGE = ROOT / "examples" / "pages" / "py-pdm-backend.md"
START = datetime(2026, 11, 1, 9, tzinfo=UTC)

Rows = list[tuple[Any, ...]]


BEFORE_PRESENCE = (
    "DROP INDEX ix_spec_name",
    "DROP INDEX ix_spec_architecture",
    "DROP INDEX ix_spec_variant_set",
    "CREATE INDEX ix_spec_name ON spec (name_id, version_id)",
    "CREATE INDEX ix_spec_architecture ON spec (architecture_id)",
    "CREATE INDEX ix_spec_variant_set ON spec (variant_set_id)",
    "ALTER TABLE spec DROP COLUMN presence",
)
"""Takes away what the third schema added, in either database."""

TO_FIRST_SCHEMA = (
    *BEFORE_PRESENCE,
    "ALTER TABLE spec DROP COLUMN form_id",
    "DROP TABLE record_form",
    "DROP TABLE archive",
    "DROP TABLE archive_kind",
    "DROP TABLE named_blob",
    "DROP TABLE virtual_mirror",
    "UPDATE alembic_version SET version_num = '0001'",
)
"""Takes away all that later schemas added."""


class OpenCatalogue:
    """An open catalogue, its refresher and its reader; ``clock`` stands still until a test moves it."""

    def __init__(self, address: CatalogueAddress, **options: Any) -> None:
        self.address = address
        self.clock = START
        self.catalogue: Catalogue = open_for_writing(address, busy_timeout=1)
        self.reader = Reader(self.catalogue)
        self._options = TransportOptions(**{"connect_timeout": 5, "read_timeout": 5, "retries": 0, **options})
        self._client = HttpClient(self._options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self.catalogue.close()

    @property
    def file(self) -> Path:
        """Its file, for tests that look at that."""
        if not isinstance(self.address, Path):
            pytest.skip("this test looks at a file")
        return self.address

    def sync(
        self, name: str, address: Path | str, progress: SyncProgress | None = None, **options: Any
    ) -> Sequence[SourceOutcome]:
        """Read a mirror at an address, as ``sync ADDRESS --as NAME``; options are those of ``RefreshOptions``."""
        source = parse_source_name(name)
        return self._refresher(progress, **options).refresh_at(source.mirror, _url(address), view=source.view)

    def sync_again(self, name: str, **options: Any) -> Sequence[SourceOutcome]:
        """Read a mirror that was read before, as ``sync NAME``."""
        source = parse_source_name(name)
        return self._refresher(**options).refresh(source.mirror, view=source.view)

    def sync_page(self, page: Path | str) -> Sequence[SourceOutcome]:
        """Read one published page."""
        return self._pages().read_page(_url(page))

    def sync_folder(self, folder: Path) -> Sequence[SourceOutcome]:
        """Read a folder of published pages."""
        return self._pages().read_folder(_url(folder))

    def sync_side_by_side(
        self, *names: str, progress: SyncProgress | None = None, **bounds: Any
    ) -> list[Sequence[SourceOutcome] | CachescopeError]:
        """Read registered mirrors, several at a time; bounds are those of ``SideBySide``."""
        chosen = {"mirrors_at_once": 4, "connections_per_host": 8, "hosts_at_once": 4, **bounds}
        job = SideBySide(self._refresher(progress), **chosen)
        return list(job.refresh([parse_source_name(name) for name in names]))

    def add(self, name: str, address: Path | str) -> None:
        """Register a mirror."""
        with self.catalogue.writing() as connection:
            registry.add_mirror(connection, parse_source_name(name).mirror, _url(address))

    def sizes(
        self, *names: str, progress: SizesProgress | None = None, **options: Any
    ) -> Sequence[SizesOutcome]:
        """Ask for sizes, of these mirrors or of all; options are those of ``SizesOptions``."""
        reader = SizeReader(
            self.catalogue,
            open_source=self._open,
            now=lambda: self.clock,
            options=SizesOptions(**options),
            progress=progress or NoProgress(),
        )
        return reader.read([parse_source_name(name) for name in names] if names else None)

    def remove(self, name: str) -> None:
        """Forget a mirror."""
        with self.catalogue.writing() as connection:
            registry.remove_mirror(connection, parse_source_name(name).mirror)

    def pass_time(self, days: float) -> None:
        """Move the clock on."""
        self.clock += timedelta(days=days)

    def found(self, query: str = "*", *, mentioned: bool = False) -> list[DagHash]:
        """Return the hashes that a search finds, sorted."""
        result = self.reader.search(query, ref=None, stack=None, limit=0, mentioned=mentioned)
        return sorted(spec.hash for spec in result.specs)

    def package(self, name: str) -> list[DagHash]:
        """Return the hashes that the report of a package shows, sorted."""
        report = self.reader.package(PackageName(name), ref=None, stack=None)
        return sorted(spec.hash for group in report.groups for spec in group.specs)

    def rows(self, statement: str, *values: object) -> Rows:
        """Ask the database itself, past our own code."""
        return rows(self.address, statement, *values)

    def _refresher(self, progress: SyncProgress | None = None, **options: Any) -> Refresher:
        return Refresher(
            self.catalogue,
            open_source=self._open,
            now=lambda: self.clock,
            options=RefreshOptions(**options),
            progress=progress or NoProgress(),
        )

    def _pages(self) -> PageReader:
        return PageReader(
            self.catalogue,
            open_source=self._open,
            now=lambda: self.clock,
            strict=False,
            progress=NoProgress(),
        )

    def _open(self, url: MirrorUrl) -> ByteSource:
        return open_source(url, self._options, self._client)


def rows(address: CatalogueAddress, statement: str, *values: object) -> Rows:
    """Ask a database something; ``?`` stands for a value."""
    if isinstance(address, Path):
        with closing(sqlite3.connect(f"{address.as_uri()}?mode=ro", uri=True)) as file:
            return file.execute(statement, values).fetchall()
    url = address.url.replace("postgresql+psycopg:", "postgresql:")
    with closing(psycopg.connect(url)) as server:
        return server.execute(statement.replace("?", "%s").encode(), values).fetchall()


def table_sizes(address: CatalogueAddress) -> dict[str, int]:
    """Return how many rows each table has."""
    counts = (f"SELECT '{name}', count(*) FROM \"{name}\"" for name in metadata.tables)  # noqa: S608 - our tables
    return dict(rows(address, " UNION ALL ".join(counts)))


def content(file: CatalogueAddress) -> Iterator[tuple[Any, ...]]:
    """Yield all that a catalogue says of specs, without the keys of rows, in an order of its own."""
    yield from rows(
        file,
        """
        SELECT spec.hash, spec.knowledge, name.text, version.text, version.key, platform, os, target,
               compiler.name, compiler.version, variant_set.key, variant_set.content, space.text, package_hash,
               build_spec, external, spec_format, verdict
        FROM spec JOIN name ON name.id = spec.name_id LEFT JOIN version ON version.id = version_id
        LEFT JOIN architecture ON architecture.id = architecture_id LEFT JOIN compiler ON compiler.id = compiler_id
        LEFT JOIN variant_set ON variant_set.id = variant_set_id LEFT JOIN name AS space ON space.id = namespace_id
        ORDER BY spec.hash
        """,
    )
    yield from rows(
        file,
        """
        SELECT parent.hash, position, child.hash, deptypes, virtuals
        FROM edge JOIN spec AS parent ON parent.id = parent_id JOIN spec AS child ON child.id = child_id
        JOIN edge_kind ON edge_kind.id = kind_id ORDER BY 1, 2
        """,
    )
    yield from rows(
        file,
        """
        SELECT ref, stack, layout, view, spec.hash, state, since, until
        FROM presence JOIN spec ON spec.id = spec_id JOIN source ON source.id = source_id
        JOIN mirror ON mirror.id = mirror_id ORDER BY 1, 2, 3, 4, 5, 7
        """,
    )
    yield from rows(
        file,
        """
        SELECT ref, stack, name.text, present, mentioned, unstated, versions, compilers, systems, targets, version.text
        FROM package_summary JOIN name ON name.id = name_id LEFT JOIN version ON version.id = newest_version_id
        ORDER BY 1, 2, 3
        """,
    )


class Standing(NamedTuple):
    """What stands of a catalogue with one source, in a form that tells states apart."""

    snapshots: int
    present: int
    mentioned: int
    records: int
    """A number that the hashes and states of all records make."""


def standing(file: CatalogueAddress) -> Standing:
    """Return what stands, and make sure that it is no mixture: counts, summaries and presence agree."""
    ((snapshots, present, mentioned),) = rows(
        file, "SELECT (SELECT count(*) FROM snapshot), present, mentioned FROM source"
    )
    stated = rows(
        file,
        "SELECT hash, state FROM presence JOIN spec ON spec.id = spec_id WHERE until IS NULL ORDER BY hash",
    )
    assert len(stated) == present + mentioned
    summed = rows(file, "SELECT sum(present), sum(mentioned) FROM package_summary WHERE stack = 'root'")
    assert summed == [(present, mentioned)]
    return Standing(snapshots, present, mentioned, zlib.crc32(repr(stated).encode()))


def _url(address: Path | str) -> MirrorUrl:
    return parse_mirror_url(str(address), cwd=ROOT)
