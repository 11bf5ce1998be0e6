"""The only wiring: settings to sources, catalogue, services and application. Owns their lifetimes; only ``cli`` imports it."""

import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cachescope import __version__
from cachescope.model.errors import UserInputError
from cachescope.model.mirror import MirrorUrl, parse_mirror_url
from cachescope.settings import Settings, read_settings

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.types import ASGIApp

    from cachescope.catalogue.address import CatalogueAddress
    from cachescope.catalogue.engine import Catalogue
    from cachescope.catalogue.patience import Patience
    from cachescope.catalogue.reader import Reader
    from cachescope.jobs.fetching import RefreshOptions
    from cachescope.jobs.freshness import FreshnessCheck
    from cachescope.jobs.progress import PullProgress, SizesProgress, SyncProgress
    from cachescope.jobs.published_pages import PageReader
    from cachescope.jobs.pull import Puller, PullOptions
    from cachescope.jobs.refresh import Refresher
    from cachescope.jobs.side_by_side import SideBySide
    from cachescope.jobs.sizes import SizeReader
    from cachescope.jobs.virtual_serving import VirtualServing
    from cachescope.jobs.virtual_writing import VirtualWriter
    from cachescope.model.identity import Ref
    from cachescope.model.results import SearchResult
    from cachescope.model.virtual import VirtualMirror
    from cachescope.transport.blob_store import BlobStore
    from cachescope.transport.gpgv import TrustedKeys
    from cachescope.transport.http_client import HttpClient
    from cachescope.transport.options import TransportOptions
    from cachescope.transport.source import ByteSource
    from cachescope.web.serving import ServingOptions
    from cachescope.web.static_export import StaticSite

__all__ = [
    "Writing",
    "copying",
    "database_address",
    "freshness",
    "now",
    "parse_url",
    "pulling",
    "reading",
    "search_by_name",
    "serving_options",
    "settings",
    "static_site",
    "virtual_mirrors",
    "virtual_of_settings",
    "virtual_writer",
    "web_app",
    "web_service",
    "writing",
]

_LOG = logging.getLogger("cachescope")
_SHORT_WAIT = 2.0
"""Seconds that a server waits for another process that writes the catalogue, where it can answer without."""


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def settings(given: Mapping[str, Any]) -> Settings:
    """Read the settings of this process; ``given`` are those of the command line."""
    named = os.environ.get("CACHESCOPE_CONFIG")
    if named:
        file = Path(named).expanduser()
    else:
        import platformdirs

        file = Path(platformdirs.user_config_dir("cachescope")) / "config.toml"
    return read_settings(file, os.environ, given, must_be_there=bool(named))


def database_address(chosen: Settings) -> "CatalogueAddress":
    """Return where the catalogue is kept. Raises ``UserInputError``."""
    if chosen.db:
        from cachescope.catalogue.address import parse_catalogue_address

        return parse_catalogue_address(chosen.db)
    import platformdirs

    return Path(platformdirs.user_data_dir("cachescope")) / "catalogue.sqlite"


def parse_url(text: str) -> MirrorUrl:
    """Read the address of a mirror; plain paths are relative to the working directory."""
    return parse_mirror_url(text, cwd=Path.cwd())


@contextmanager
def reading(
    chosen: Settings, *, make: bool = False, patience: "Patience | None" = None, beside: bool = False
) -> "Iterator[tuple[Catalogue, Reader]]":
    """Open the catalogue for reading; with ``make`` it is made where there is none. Raises ``CatalogueUnusable``.

    Who stays, as a server does, has it made: else he would never see what others sync into it later. ``patience`` is how
    long an answer may take. ``beside`` is for who answers many at a time: what takes long is read by a thread.
    """
    from cachescope.catalogue.engine import open_for_reading, open_for_writing
    from cachescope.catalogue.reader import Reader

    address = database_address(chosen)
    if make and not (isinstance(address, Path) and address.exists()):
        open_for_writing(address, busy_timeout=chosen.busy_timeout).close()
    with open_for_reading(address, busy_timeout=chosen.busy_timeout, patience=patience) as catalogue:
        yield catalogue, Reader(catalogue, beside=beside)


@contextmanager
def copying(chosen: Settings, source: str, target: str) -> "Iterator[tuple[Catalogue, Catalogue]]":
    """Open one catalogue for reading and another one for writing, which is made if need be."""
    from cachescope.catalogue.address import parse_catalogue_address
    from cachescope.catalogue.engine import open_for_reading, open_for_writing

    addresses = parse_catalogue_address(source), parse_catalogue_address(target)
    with (
        open_for_reading(addresses[0], busy_timeout=chosen.busy_timeout) as from_,
        open_for_writing(addresses[1], busy_timeout=chosen.busy_timeout) as to,
    ):
        yield from_, to


@dataclass(frozen=True, slots=True)
class Writing:
    """What commands that write are given."""

    catalogue: "Catalogue"
    open_source: "Callable[[MirrorUrl], ByteSource]"
    settings: Settings

    def refresher(
        self, progress: "SyncProgress", *, probe: bool, strict: bool, allow_empty: bool
    ) -> "Refresher":
        """Make the job that reads mirrors."""
        from cachescope.jobs.refresh import Refresher

        options = _refresh_options(self.settings, probe=probe, strict=strict, allow_empty=allow_empty)
        return Refresher(
            self.catalogue, open_source=self.open_source, now=now, options=options, progress=progress
        )

    def side_by_side(self, refresher: "Refresher") -> "SideBySide":
        """Make the job that reads many mirrors at a time."""
        from cachescope.jobs.side_by_side import SideBySide

        return SideBySide(
            refresher,
            mirrors_at_once=self.settings.mirrors_at_once,
            connections_per_host=self.settings.connections_per_host,
            hosts_at_once=self.settings.hosts_at_once,
        )

    def size_reader(self, progress: "SizesProgress", *, again: bool) -> "SizeReader":
        """Make the job that reads how large binaries are."""
        from cachescope.jobs.sizes import SizeReader, SizesOptions

        options = SizesOptions(
            again=again,
            retry_after=timedelta(days=self.settings.sizes_retry_days),
            connections_per_host=self.settings.connections_per_host,
            hosts_at_once=self.settings.hosts_at_once,
        )
        return SizeReader(
            self.catalogue, open_source=self.open_source, now=now, options=options, progress=progress
        )

    def page_reader(self, progress: "SyncProgress", *, strict: bool) -> "PageReader":
        """Make the job that reads published pages."""
        from cachescope.jobs.published_pages import PageReader

        return PageReader(
            self.catalogue, open_source=self.open_source, now=now, strict=strict, progress=progress
        )


@contextmanager
def writing(chosen: Settings) -> Iterator[Writing]:
    """Open the catalogue for writing, making it if need be, and the connections to mirrors."""
    from cachescope.catalogue.engine import open_for_writing

    with (
        open_for_writing(database_address(chosen), busy_timeout=chosen.busy_timeout) as catalogue,
        _sources(chosen) as open_source,
    ):
        yield Writing(catalogue, open_source, chosen)


@contextmanager
def pulling(
    chosen: Settings,
    catalogue: "Catalogue",
    keys: "TrustedKeys | None",
    options: "PullOptions",
    progress: "PullProgress",
) -> "Iterator[Puller]":
    """Give the job that copies binaries to disk, with its connections."""
    from cachescope.jobs.pull import Puller

    with _sources(chosen) as open_source:
        yield Puller(catalogue, open_source=open_source, keys=keys, options=options, progress=progress)


@contextmanager
def freshness(
    chosen: Settings, progress: "SyncProgress", *, strict: bool, allow_empty: bool
) -> "Iterator[FreshnessCheck | None]":
    """Give the job that asks one mirror whether it changed, before anything heavy is loaded; None if there is no file."""
    from cachescope.catalogue.freshness_file import FreshnessFile
    from cachescope.jobs.freshness import FreshnessCheck

    address = database_address(chosen)
    if not isinstance(address, Path):
        yield None
        return
    options = _refresh_options(chosen, probe=False, strict=strict, allow_empty=allow_empty)
    with _sources(chosen) as open_source:
        yield FreshnessCheck(
            FreshnessFile(address), open_source=open_source, now=now, options=options, progress=progress
        )


def search_by_name(chosen: Settings, query: str, *, limit: int) -> "SearchResult | None":
    """Find the specs of a name before anything heavy is loaded; None where the catalogue has to be opened for the answer."""
    from cachescope.catalogue.name_search_file import NameSearchFile

    address = database_address(chosen)
    return NameSearchFile(address).search(query, limit=limit) if isinstance(address, Path) else None


def _refresh_options(chosen: Settings, *, probe: bool, strict: bool, allow_empty: bool) -> "RefreshOptions":
    from cachescope.jobs.fetching import RefreshOptions

    return RefreshOptions(
        probe=probe,
        probe_after=timedelta(days=chosen.probe_after_days),
        strict=strict,
        allow_empty=allow_empty,
        max_unpacked_bytes=chosen.max_unpacked_bytes,
        temporary_folder=_folder(chosen),
    )


@contextmanager
def _sources(chosen: Settings) -> "Iterator[Callable[[MirrorUrl], ByteSource]]":
    """Give what opens mirrors, and close the connections at the end."""
    from cachescope.transport.file_source import FileSource

    with ExitStack() as closing:

        @cache
        def client() -> "tuple[TransportOptions, HttpClient]":
            from urllib.request import getproxies

            from cachescope.transport.opening import HttpClient
            from cachescope.transport.options import TransportOptions

            options = TransportOptions(
                connect_timeout=chosen.connect_timeout,
                read_timeout=chosen.read_timeout,
                retries=chosen.retries,
                backoff=chosen.backoff,
                longest_wait=chosen.longest_wait,
                max_unpacked_bytes=chosen.max_unpacked_bytes,
                max_redirects=chosen.max_redirects,
                connections_per_host=chosen.connections_per_host,
                ca_file=Path(chosen.ca_file).expanduser() if chosen.ca_file else None,
                user_agent=f"cachescope/{__version__}",
                proxies=getproxies(),
                temporary_folder=_folder(chosen),
            )
            return options, closing.enter_context(HttpClient(options))

        def open_source(url: MirrorUrl) -> "ByteSource":
            if url.scheme == "file":
                return FileSource(url.path, limit=chosen.max_unpacked_bytes)
            # The HTTP library takes longer to import than a local mirror to read.
            from cachescope.transport.opening import open_source

            return open_source(url, *client())

        yield open_source


def _folder(chosen: Settings) -> Path | None:
    return Path(chosen.temporary_folder).expanduser() if chosen.temporary_folder else None


def virtual_of_settings(chosen: Settings) -> "Mapping[str, VirtualMirror]":
    """Read the virtual mirrors that the settings file defines."""
    from cachescope.jobs.virtual_definition import read_definitions

    return read_definitions(chosen.virtual, read_file=_read_lock_file)


def _read_lock_file(name: str) -> bytes:
    try:
        return Path(name).expanduser().read_bytes()
    except OSError as error:
        raise UserInputError(f"the lock file cannot be read: {error.strerror}", where=name) from error


def virtual_writer(catalogue: "Catalogue", chosen: Settings) -> "VirtualWriter":
    """Make what writes the indexes of virtual mirrors."""
    from cachescope.jobs.virtual_writing import VirtualWriter

    return VirtualWriter(catalogue, _virtual_folder(chosen) / "mirrors", now=now)


def _virtual_folder(chosen: Settings) -> Path:
    if chosen.virtual_folder:
        return Path(chosen.virtual_folder).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("cachescope")) / "virtual"


@contextmanager
def virtual_mirrors(
    catalogue: "Catalogue", chosen: Settings, *, stream: bool = False
) -> "Iterator[VirtualServing]":
    """Give what serves virtual mirrors, with its connections to their sources; ``stream`` redirects no client."""
    from cachescope.catalogue.engine import open_for_writing
    from cachescope.jobs.blob_delivery import BlobDelivery
    from cachescope.jobs.virtual_blobs import VirtualBlobs
    from cachescope.jobs.virtual_keys import SourceKeys
    from cachescope.jobs.virtual_manifests import BlobNotes, SourceManifests
    from cachescope.jobs.virtual_serving import VirtualServing
    from cachescope.model.virtual import FailedSource

    patience = min(_SHORT_WAIT, chosen.busy_timeout)
    with (
        _sources(chosen) as open_source,
        # An index takes as long as it takes: the patience of the server's other answers does not hold for it.
        reading(chosen) as (patient, _),
        closing(
            BlobNotes(lambda: open_for_writing(database_address(chosen), busy_timeout=patience))
        ) as notes,
    ):
        delivery = BlobDelivery(
            open_source=open_source, now=now, always_stream=stream, store=_blob_store(chosen)
        )
        manifests = SourceManifests(
            _virtual_folder(chosen) / "documents", open_source=open_source, notes=notes, now=now
        )
        yield VirtualServing(
            catalogue,
            writer=virtual_writer(patient, chosen),
            manifests=manifests,
            keys=SourceKeys(open_source=open_source, failed=manifests.failed),
            blobs=VirtualBlobs(catalogue, notes=notes, blobs=delivery),
            of_settings=virtual_of_settings(chosen),
            blob_failures=lambda: [
                FailedSource(name, one.at, one.reason) for name, one in delivery.failures().items()
            ],
        )


def _blob_store(chosen: Settings) -> "BlobStore | None":
    if not chosen.blob_store:
        return None
    from cachescope.transport.blob_store import BlobStore

    return BlobStore(Path(chosen.blob_store).expanduser().absolute(), limit=chosen.blob_store_size)


def serving_options(chosen: Settings) -> "ServingOptions":
    """Return how a server is to run. Raises ``UserInputError``."""
    from cachescope.web.serving import ServingOptions, parse_trusted_proxies

    return ServingOptions(
        workers=chosen.workers,
        trusted_proxies=parse_trusted_proxies(chosen.trusted_proxies),
        stop_within=chosen.stop_timeout,
        largest_head=chosen.max_address_bytes + chosen.max_header_bytes,
    )


def web_service(
    chosen: Settings, *, stream: bool = False
) -> "Callable[[int], AbstractContextManager[ASGIApp]]":
    """Return what opens, for each worker of a server, a catalogue of its own and the application over it.

    With ``stream`` no client of a virtual mirror is redirected.
    Raises ``UserInputError`` for settings, and ``CatalogueUnusable`` now, for what a worker could only log.
    """
    from cachescope.catalogue.patience import Patience
    from cachescope.catalogue.virtual_definitions import refuse_hiding
    from cachescope.present.base_path import parse_base_path
    from cachescope.web.access_log import parse_access_log_form
    from cachescope.web.cors import parse_origins
    from cachescope.web.metrics import Counts, Metrics
    from cachescope.web.origin import parse_site_address
    from cachescope.web.service import ServiceOptions, service

    options = ServiceOptions(
        base_path=parse_base_path(chosen.base_path),
        access_log=parse_access_log_form(chosen.access_log),
        hsts_seconds=chosen.hsts_seconds,
    )
    parse_site_address(chosen.site_address)
    parse_origins(chosen.cors_origins)
    store = _blob_store(chosen)
    if store is not None:
        store.require_usable()
    counts = Counts(chosen.workers)
    with reading(chosen, make=True) as (made, _), made.reading() as connection:
        for name in virtual_of_settings(chosen):
            refuse_hiding(connection, name)

    @contextmanager
    def opened(worker: int) -> "Iterator[ASGIApp]":
        patience = Patience(chosen.answer_timeout)
        with (
            reading(chosen, patience=patience, beside=True) as (catalogue, reader),
            virtual_mirrors(catalogue, chosen, stream=stream) as virtual,
        ):

            def stop() -> None:
                catalogue.end_beside()
                patience.end()

            metrics: list[Metrics] = []
            app = web_app(
                catalogue,
                reader,
                chosen,
                virtual=virtual,
                base_path=options.base_path,
                counted=lambda: metrics[0].lines(),  # noqa: PLW0108 - made below: its pages are the application's
                on_stop=stop,
            )
            pages = [one.path_format for one in app.routes]
            metrics.append(Metrics(pages, counts, worker, started=now().timestamp()))
            yield service(app, options, now=now, metrics=metrics[0])

    return opened


def web_app(catalogue: "Catalogue", reader: "Reader", chosen: Settings, **more: Any) -> "Litestar":
    """Make the web application over an open catalogue; ``more`` are options of ``create_app``."""
    from cachescope.jobs.lock_answers import CatalogueLockAnswers
    from cachescope.web.app import create_app
    from cachescope.web.cors import parse_origins
    from cachescope.web.limits import RequestLimits
    from cachescope.web.lock_files import UploadLimits

    return create_app(
        reader,
        now=now,
        version=__version__,
        on_error=_logged,
        lock_answers=CatalogueLockAnswers(catalogue, most_specs=chosen.max_upload_specs),
        limits=UploadLimits(largest=chosen.max_upload_bytes),
        site_address=chosen.site_address,
        readers=parse_origins(chosen.cors_origins),
        request_limits=RequestLimits(
            address=chosen.max_address_bytes,
            headers=chosen.max_header_bytes,
            body=chosen.max_upload_bytes,
            at_once=chosen.max_requests,
        ),
        oldest=chosen.stale_after_hours * 3600,
        **more,
    )


@contextmanager
def static_site(chosen: Settings, *, ref: "Ref | None", with_binaries: bool) -> "Iterator[StaticSite]":
    """Open the catalogue for an export of the site. Raises ``CatalogueUnusable`` and ``NotInCatalogue``."""
    from cachescope.catalogue.site_index import CatalogueSiteIndex
    from cachescope.web.static_export import StaticSite

    with reading(chosen) as (catalogue, reader):
        index = CatalogueSiteIndex(catalogue)
        yield StaticSite(reader, index, ref=ref, with_binaries=with_binaries, version=__version__)


def _logged(error: Exception) -> str:
    """Log an internal error under an id, which is all that a client is told."""
    identifier = secrets.token_hex(4)
    _LOG.error("internal error %s", identifier, exc_info=error)
    return identifier
