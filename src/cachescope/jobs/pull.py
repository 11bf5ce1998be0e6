"""Pulls binaries with all that they need into a folder: a mirror of its own, for a site without a network.

First the documents of all binaries are read and their signatures verified, so that the bytes to copy are known before the
first one is. Then blobs are copied, each checked on the way and there under its name only when it is whole; the document of
a binary follows its blobs, as Spack pushes them; the index comes last, when nothing is lacking. So a pull that is
interrupted, killed, or has no more room leaves a mirror that is as complete as it was before, and goes on where it was.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TypeVar

from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.pull_selection import PulledBinary, PullSelection
from cachescope.formats.spec_json import check_spec_document
from cachescope.jobs.lanes import side_by_side
from cachescope.jobs.progress import PullProgress
from cachescope.jobs.pull_documents import BinaryDocument, BlobFile, read_document
from cachescope.jobs.pull_folder import claim_folder, pack, write_guides
from cachescope.jobs.pull_index import write_index
from cachescope.jobs.pull_keys import KeyCopier
from cachescope.model.errors import CachescopeError, MalformedDocument, MirrorUnavailable
from cachescope.model.mirror import MirrorUrl
from cachescope.model.pull import PullFailure, PullReport
from cachescope.model.virtual import VirtualSource
from cachescope.transport.body import HeldBody, decompressed
from cachescope.transport.gpgv import TrustedKeys
from cachescope.transport.kept_blob import keep_blob
from cachescope.transport.source import ByteSource, Missing, OpenOutcome
from cachescope.transport.writer import unwritable, write_atomically

__all__ = ["PullOptions", "Puller"]

_AHEAD = 4
_UNANSWERED_IN_A_ROW = 10
"""From here on a host counts as down: each further question would wait as long for the same answer."""

_LARGEST_SPEC = 256 * 1024 * 1024
Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class PullOptions:
    """Where to, and how."""

    folder: Path
    asked: str
    name: str
    """Of the mirror, for Spack."""

    url: str
    """Where Spack will find it."""

    tar: Path | None = None
    dry_run: bool = False
    incomplete: bool = False
    """Whether an index is written though something could not be copied."""

    connections_per_host: int = 8
    hosts_at_once: int = 4


@dataclass(slots=True)
class _Totals:
    size: int = 0
    unknown: int = 0
    there: int = 0
    done: int = 0


class Puller:
    """Copies what was selected; ``open_source`` comes from the composition root."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        open_source: Callable[[MirrorUrl], ByteSource],
        keys: TrustedKeys | None,
        options: PullOptions,
        progress: PullProgress,
    ) -> None:
        self._catalogue = catalogue
        self._open_source = open_source
        self._keys = keys
        self._options = options
        self._progress = progress
        self._lock = Lock()
        self._opened: dict[MirrorUrl, ByteSource] = {}
        self._in_a_row: Counter[str] = Counter()
        self._totals = _Totals()

    def pull(self, selection: PullSelection) -> PullReport:
        """Copy what was selected, or only look, for a dry run.

        Raises ``UserInputError`` where the folder is not fit for it or has no room.
        """
        if self._options.dry_run:
            return self._pulled(selection)
        with claim_folder(self._options.folder):
            return self._pulled(selection)

    def _pulled(self, selection: PullSelection) -> PullReport:
        failures: list[PullFailure] = []
        documents = self._documents(selection.binaries, failures)
        self._count(documents)
        options = self._options
        # Where no document came at all, nothing is known: a guide must not say that signatures need no look.
        signed = all(one.is_signed for one in documents)
        copied: list[_Copied] = []
        keys = indexed = tar_bytes = 0
        warnings = _expired(documents)
        if not options.dry_run:
            write_guides(
                options.folder,
                name=options.name,
                url=options.url,
                signed=signed,
                layouts={one.layout for one in selection.indexes},
            )
            copied = list(self._copied(documents, failures))
            copier = KeyCopier(options.folder, self._source)
            keys = copier.copy(
                {one.pulled.sources[0].id: one.pulled.sources[0] for one in documents}.values()
            )
            warnings += copier.warnings
            if not failures or options.incomplete:
                indexed = self._indexed(selection, copied)
                if options.tar is not None:
                    tar_bytes = pack(options.folder, options.tar)
        return PullReport(
            asked=options.asked,
            folder=str(options.folder),
            is_dry=options.dry_run,
            sources=tuple(one.name for one in selection.sources),
            roots=selection.roots,
            binaries=len(selection.binaries),
            externals=selection.externals,
            missing=tuple(selection.missing),
            failures=tuple(sorted(failures, key=lambda one: one.binary.hash)),
            bytes_total=self._totals.size,
            bytes_unknown=self._totals.unknown,
            bytes_there=self._totals.there,
            bytes_copied=sum(one.bytes for one in copied),
            binaries_new=sum(one.is_new for one in copied),
            signers=tuple(sorted({one.fingerprint for one in documents if one.fingerprint})),
            unsigned=sum(not one.is_signed for one in documents),
            keys=keys,
            indexed=indexed,
            warnings=tuple(warnings),
            tar=str(options.tar) if options.tar is not None and tar_bytes else "",
            tar_bytes=tar_bytes,
        )

    # -- documents ----------------------------------------------------------------------------------------------------

    def _documents(
        self, binaries: Sequence[PulledBinary], failures: list[PullFailure]
    ) -> list[BinaryDocument]:
        found: list[BinaryDocument] = []
        results = self._side_by_side(binaries, lambda one: one, self._read)
        for done, (pulled, outcome) in enumerate(results, start=1):
            self._progress.described(done, len(binaries))
            if isinstance(outcome, CachescopeError):
                failures.append(self._failure(pulled, outcome))
            else:
                found.append(outcome)
        found.sort(key=lambda one: one.pulled.binary.hash)
        return found

    def _read(self, pulled: PulledBinary) -> BinaryDocument:
        return read_document(pulled, self._source, self._keys)

    def _count(self, documents: Iterable[BinaryDocument]) -> None:
        blobs = {blob.path: blob for document in documents for blob in document.blobs}
        for path, blob in blobs.items():
            size = blob.expected.size
            self._totals.size += size or 0
            self._totals.unknown += size is None
            there = self._options.folder / path
            if there.is_file() and size in {None, there.stat().st_size}:
                self._totals.there += there.stat().st_size

    # -- blobs --------------------------------------------------------------------------------------------------------

    def _copied(
        self, documents: Sequence[BinaryDocument], failures: list[PullFailure]
    ) -> "Iterator[_Copied]":
        for document, outcome in self._side_by_side(documents, lambda one: one.pulled, self._copy):
            if isinstance(outcome, CachescopeError):
                failures.append(self._failure(document.pulled, outcome))
            else:
                yield outcome

    def _copy(self, document: BinaryDocument) -> "_Copied":
        """Copy one binary; runs in several threads. Its document is written last."""
        folder = self._options.folder
        arrived = 0
        is_new = False
        for blob in document.blobs:
            kept, new = self._copy_blob(document, blob)
            arrived += kept
            is_new |= new
        if document.spec is not None:
            self._check_spec(document, document.spec)
        is_new |= write_atomically(folder / document.path, document.data)
        return _Copied(document, arrived, is_new)

    def _copy_blob(self, document: BinaryDocument, blob: BlobFile) -> tuple[int, bool]:
        """Copy a blob from the first source that gives the right bytes; returns what came, and whether it is new."""
        error: CachescopeError | None = None
        target = self._options.folder / blob.path
        for source in blob.sources:
            where = f"{source.url}/{blob.path}"
            try:
                kept = keep_blob(
                    target,
                    blob.expected,
                    partial(_opened, self._source(source), blob.path),
                    where=where,
                    told=self._told,
                )
            except (MirrorUnavailable, MalformedDocument) as problem:
                error = error or problem
                continue
            except OSError as problem:
                raise unwritable(target, problem) from problem
            if not isinstance(kept, Missing):
                return kept.arrived, kept.is_new
            error = error or MalformedDocument(
                "the blob is missing there", where=where, hint="tell the maintainer of the mirror"
            )
        raise error or AssertionError(f"{document.path} has no source")

    def _check_spec(self, document: BinaryDocument, spec: BlobFile) -> None:
        """Check that a manifest is about the spec that it is named after: its signature does not bind it to a name."""
        where = f"{document.pulled.sources[0].url}/{spec.path}"
        stored = HeldBody((self._options.folder / spec.path).read_bytes())
        with decompressed(stored, spec.compression, _LARGEST_SPEC, where=where) as body:
            check_spec_document(bytes(body.data), expected=document.pulled.binary.hash)

    def _told(self, size: int) -> None:
        with self._lock:
            self._totals.done += size
            done = self._totals.done
        self._progress.copied(min(done, self._totals.size), self._totals.size)

    def _indexed(self, selection: PullSelection, copied: Sequence["_Copied"]) -> int:
        indexed = 0
        with self._catalogue.reading() as connection:
            for listed in selection.indexes:
                present = {
                    one.document.pulled.binary.hash
                    for one in copied
                    if one.document.pulled.sources[0].layout is listed.layout
                }
                indexed += write_index(self._options.folder, connection, listed, present)
        return indexed

    # -- sources ------------------------------------------------------------------------------------------------------

    def _source(self, source: VirtualSource) -> ByteSource:
        with self._lock:
            if source.url not in self._opened:
                self._opened[source.url] = self._open_source(source.url)
            return self._opened[source.url]

    def _is_down(self, pulled: PulledBinary) -> CachescopeError | None:
        if self._in_a_row[_host(pulled)] < _UNANSWERED_IN_A_ROW:
            return None
        return MirrorUnavailable(
            "not asked any more: its host gave no answer many times in a row",
            where=str(pulled.sources[0].url),
            hint="run the same command again later: it goes on where it stopped",
        )

    def _failure(self, pulled: PulledBinary, error: CachescopeError) -> PullFailure:
        if isinstance(error, MirrorUnavailable):
            self._in_a_row[_host(pulled)] += 1
        return PullFailure(
            pulled.binary, pulled.sources[0].name, str(error), code=error.code, exit_code=error.exit_code
        )

    def _side_by_side(
        self,
        tasks: Iterable[Task],
        pulled_of: Callable[[Task], PulledBinary],
        work: Callable[[Task], Result],
    ) -> Iterator[tuple[Task, Result | CachescopeError]]:
        """Do work for tasks, a lane for each host; what is wrong with one task is its result."""
        lanes: dict[str, list[Task]] = {}
        for one in tasks:
            lanes.setdefault(_host(pulled_of(one)), []).append(one)

        def guarded(task: Task) -> tuple[Task, Result | CachescopeError]:
            if (problem := self._is_down(pulled_of(task))) is not None:
                return task, problem
            try:
                return task, work(task)
            except (MirrorUnavailable, MalformedDocument) as error:
                return task, error

        results = side_by_side(
            [iter(one) for one in lanes.values()],
            guarded,
            width=self._options.connections_per_host,
            lanes_at_once=self._options.hosts_at_once,
            ahead=_AHEAD * self._options.connections_per_host,
        )
        with closing(results):
            for task, outcome in results:
                if not isinstance(outcome, CachescopeError):
                    self._in_a_row[_host(pulled_of(task))] = 0
                yield task, outcome


@dataclass(frozen=True, slots=True)
class _Copied:
    """A binary that is on disk."""

    document: BinaryDocument
    bytes: int
    """That came from the source now."""

    is_new: bool


def _opened(source: ByteSource, path: str, start: int) -> OpenOutcome:
    return source.open(path, start=start)


def _host(pulled: PulledBinary) -> str:
    return pulled.sources[0].url.host


def _expired(documents: Sequence[BinaryDocument]) -> list[str]:
    keys = sorted({one.fingerprint for one in documents if one.key_is_expired})
    return [f"the key {one} has expired since it signed; Spack takes its signatures" for one in keys]
