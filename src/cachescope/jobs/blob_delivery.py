"""How the blobs of virtual mirrors come to clients: by a redirect, streamed from a source, or out of a store.

Whatever the way, a client never gets wrong bytes as a whole answer. Out of the store they are checked before the first one
goes out. Streamed, they are checked on the way, and the last of them are held back until all are right: else the answer
breaks off. After a redirect the client checks itself, as Spack does with every blob.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from threading import Lock

from cachescope.formats.layouts import archive_path, blob_path
from cachescope.model.errors import CachescopeError, MalformedDocument, MirrorUnavailable
from cachescope.model.identity import Digest, SourceName
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.virtual import BlobPlace, OpenBlob, OpenFile
from cachescope.transport.blob_store import BlobOrigin, BlobStore
from cachescope.transport.http_address import document_address
from cachescope.transport.kept_blob import Expected
from cachescope.transport.source import ByteSource, Missing, Opened, OpenOutcome

__all__ = ["BlobDelivery", "SourceFailure"]

_LOG = logging.getLogger("cachescope.blobs")
_CHUNK = 1024 * 1024
_CHECKED_FIRST = 1024 * 1024
"""Bytes up to which a streamed blob is checked before any of it goes out, so that another source can still be tried."""

_LOGGED_AGAIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SourceFailure:
    """The last time that a source did not give a blob which it is said to have."""

    at: datetime
    reason: str
    """Holds no secret."""


class BlobDelivery:
    """Fulfils ``model.virtual.Blobs``; ``open_source`` and ``now`` come from the composition root."""

    def __init__(
        self,
        *,
        open_source: Callable[[MirrorUrl], ByteSource],
        now: Callable[[], datetime],
        always_stream: bool = False,
        store: BlobStore | None = None,
    ) -> None:
        self._open_source = open_source
        self._now = now
        self._redirects = not always_stream and store is None
        self._store = store
        self._lock = Lock()
        self._failures: dict[SourceName, SourceFailure] = {}
        self._logged: dict[tuple[object, str], datetime] = {}

    def redirect(self, places: Sequence[BlobPlace]) -> str | None:
        """Return the address at the first place, if all may ask there: http or https without user and password."""
        if not self._redirects or not places:
            return None
        path = _path(places[0])
        if path is None or places[0].url.scheme not in {"http", "https"}:
            return None
        address = document_address(places[0].url, path)
        return None if address.authorization else address.url

    def at_hand(self, digest: Digest) -> OpenFile | None:
        """Open what the store has, if this process looked at it before."""
        stored = self._store.at_hand(digest) if self._store is not None else None
        return OpenFile(stored.descriptor, stored.size) if stored is not None else None

    def kept(self, places: Sequence[BlobPlace]) -> OpenFile | None:
        """Open what the store has."""
        wanted = _wanted(places)
        if wanted is None or self._store is None or not self._store.holds(wanted.expected.size):
            return None
        try:
            stored = self._store.stored(wanted.expected)
        except OSError as error:
            self._no_store(error)
            return None
        return OpenFile(stored.descriptor, stored.size) if stored is not None else None

    def fetching(self, places: Sequence[BlobPlace]) -> "Future[bool] | None":
        """Return the end of a fetch into the store."""
        return self._store.fetching(places[0].digest) if self._store is not None and places else None

    def fetch(self, places: Sequence[BlobPlace]) -> "Future[bool] | None":
        """Fetch a blob into the store; None where it is not to be kept, or the disk does not take it."""
        wanted = _wanted(places)
        if wanted is None or self._store is None or not self._store.holds(wanted.expected.size):
            return None
        fetch = self._store.fetch(wanted.expected, [self._origin(*one) for one in wanted.known])
        problem = fetch.exception() if fetch.done() else None
        if isinstance(problem, OSError):
            self._no_store(problem)
            return None
        return fetch

    def open(
        self, places: Sequence[BlobPlace], *, start: int = 0, stop: int | None = None
    ) -> OpenBlob | None:
        """Open a blob from byte ``start`` up to ``stop``, waiting as long as it takes; None where no place has it.

        Raises ``MirrorUnavailable`` or ``MalformedDocument`` where no place that could have it gave the right bytes.
        """
        while True:
            kept = self.kept(places)
            if kept is not None:
                return _FromStore(kept, start, stop)
            fetch = self.fetch(places)
            try:
                if fetch is None:
                    return self.stream(places, start=start, stop=stop)
                if not fetch.result():
                    return None
            except OSError as error:  # of who fetched it
                self._no_store(error)
                return self.stream(places, start=start, stop=stop)

    def stream(
        self, places: Sequence[BlobPlace], *, start: int = 0, stop: int | None = None
    ) -> OpenBlob | None:
        """Open a blob at its source, past the store."""
        wanted = _wanted(places)
        return self._streamed(wanted.known, wanted.expected, start, stop) if wanted is not None else None

    def failures(self) -> Mapping[SourceName, SourceFailure]:
        """Return which sources failed last, since this process began, and have not given a blob since."""
        with self._lock:
            return dict(self._failures)

    def _streamed(
        self, known: Sequence[tuple[BlobPlace, str]], expected: Expected, start: int, stop: int | None
    ) -> OpenBlob | None:
        error: CachescopeError | None = None
        for place, path in known:
            try:
                opened = self._opened(place, path, 0)
                if isinstance(opened, Missing):
                    self._failed(place, MirrorUnavailable("the blob is missing there", where=str(place.url)))
                    continue
                checked = _Checked(opened, expected.digest, expected.size, _shown(place, path))
                total = expected.size if expected.size is not None else opened.size
                return _Streamed(checked, total, start, stop, partial(self._failed, place))
            except (MirrorUnavailable, MalformedDocument) as problem:
                self._failed(place, problem)
                error = problem
        if error is not None:
            raise error
        return None

    def _origin(self, place: BlobPlace, path: str) -> BlobOrigin:
        return BlobOrigin(
            open_from=partial(self._opened, place, path),
            where=_shown(place, path),
            failed=partial(self._failed, place),
        )

    def _opened(self, place: BlobPlace, path: str, start: int) -> OpenOutcome:
        outcome = self._open_source(place.url).open(path, start=start)
        if not isinstance(outcome, Missing):
            with self._lock:
                self._failures.pop(place.source, None)
        return outcome

    def _failed(self, place: BlobPlace, problem: CachescopeError) -> None:
        with self._lock:
            self._failures[place.source] = SourceFailure(self._now(), problem.message)
        self._log(place.source, f"{place.source} did not give {place.digest}: {problem}")

    def _no_store(self, error: OSError) -> None:
        self._log("store", f"blobs are streamed and not kept: the store cannot be used ({error.strerror})")

    def _log(self, about: object, line: str) -> None:
        """Log a line, but not again and again while many clients meet the same."""
        now = self._now()
        with self._lock:
            last = self._logged.get((about, line))
            if last is not None and now - last < _LOGGED_AGAIN:
                return
            self._logged = {key: at for key, at in self._logged.items() if now - at < _LOGGED_AGAIN}
            self._logged[about, line] = now
        _LOG.warning("%s", line)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A blob, and the places that can have it with its path there."""

    expected: Expected
    known: Sequence[tuple[BlobPlace, str]]


def _wanted(places: Sequence[BlobPlace]) -> _Wanted | None:
    known = [(place, path) for place in places if (path := _path(place)) is not None]
    if not known:
        return None
    size = next((place.size for place, _ in known if place.size is not None), None)
    return _Wanted(Expected(known[0][0].digest, size), known)


def _path(place: BlobPlace) -> str | None:
    match place.layout:
        case Layout.V3:
            return blob_path(place.digest)
        case Layout.V2:
            return archive_path(place.binary) if place.binary is not None else None
        case Layout.OCI | Layout.PAGES:
            return None


def _shown(place: BlobPlace, path: str) -> str:
    return f"{place.url}/{path}"


class _FromStore:
    """A part of a blob that is in the store. Fulfils ``OpenBlob``."""

    def __init__(self, stored: OpenFile, start: int, stop: int | None) -> None:
        self._descriptor: int | None = stored.descriptor
        self._start = start
        self._stop = stored.size if stop is None else min(stop, stored.size)
        self.total: int | None = stored.size
        self.size: int | None = max(0, self._stop - start)

    @property
    def chunks(self) -> Iterator[bytes]:
        place = self._start
        while place < self._stop and self._descriptor is not None:
            chunk = os.pread(self._descriptor, min(_CHUNK, self._stop - place), place)
            if not chunk:
                raise MalformedDocument("a blob of the store was cut short while it was read")
            place += len(chunk)
            yield chunk

    def __del__(self) -> None:
        # A client may hang up before anybody asked for a byte.
        self.close()

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class _Checked:
    """The bytes of a blob as they arrive: the last ones are given only when all are right."""

    def __init__(self, opened: Opened, digest: Digest, size: int | None, where: str) -> None:
        self._arriving = opened.chunks
        self._hash = hashlib.new(digest.algorithm, usedforsecurity=False)
        self._digest = digest
        self._size = size
        self._where = where
        self._is_closed = False
        if size is not None and opened.size not in {None, size}:
            self.close()
            raise self._wrong(f"it has {opened.size:,} bytes in place of {size:,}")

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes. Raises ``MalformedDocument`` in place of the last ones if they are not the right ones."""
        arrived = 0
        held = b""
        for chunk in self._arriving:
            if self._is_closed:
                return
            self._hash.update(chunk)
            arrived += len(chunk)
            if self._size is not None and arrived > self._size:
                raise self._wrong(f"it has more than {self._size:,} bytes")
            if held:
                yield held
            held = chunk
        if self._hash.hexdigest() != self._digest.hexadecimal:
            raise self._wrong(f"its {self._digest.algorithm} is {self._hash.hexdigest()}")
        if held:
            yield held

    def close(self) -> None:
        """Let go of the source, also while another thread waits for it."""
        self._is_closed = True
        with suppress(ValueError):  # it is read right now: then it ends with this read
            self._arriving.close()

    def _wrong(self, difference: str) -> MalformedDocument:
        return MalformedDocument(
            f"the bytes are not those of {self._digest}: {difference}",
            where=self._where,
            hint="the mirror is damaged, or somebody changed it: tell its maintainer",
        )


class _Streamed:
    """A part of a blob on its way from a source; all of it is read and checked. Fulfils ``OpenBlob``."""

    def __init__(
        self,
        checked: _Checked,
        total: int | None,
        start: int,
        stop: int | None,
        failed: Callable[[CachescopeError], None],
    ) -> None:
        """Reads the first bytes already. Raises ``MalformedDocument`` for a small blob that is wrong."""
        self._checked = checked
        self._failed = failed
        self._start = start
        self._stop = stop
        self._rest = checked.chunks()
        self._first: list[bytes] = []
        self.total = total
        size = 0
        try:
            for chunk in self._rest:
                self._first.append(chunk)
                size += len(chunk)
                if size >= _CHECKED_FIRST:
                    break
            else:
                self.total = size
        except BaseException:
            checked.close()
            raise
        end = self.total if stop is None or self.total is None else min(stop, self.total)
        self.size = max(0, end - start) if end is not None else None

    @property
    def chunks(self) -> Iterator[bytes]:
        """The bytes that were asked for; the last of them once all are checked."""
        place = 0
        held = b""
        try:
            for chunk in chain(self._first, self._rest):
                wanted = chunk[
                    max(0, self._start - place) : None if self._stop is None else max(0, self._stop - place)
                ]
                place += len(chunk)
                if wanted:
                    if held:
                        yield held
                    held = wanted
        except CachescopeError as error:
            self._failed(error)
            raise
        if held:
            yield held

    def close(self) -> None:
        """Let go of the source."""
        self._checked.close()
