"""Blobs of virtual mirrors: which sources have them, by what the catalogue knows, and how they come to the client."""

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial

from cachescope.catalogue.blob_places import blob_places
from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.virtual_facts import binaries
from cachescope.jobs.virtual_manifests import BlobNotes, Wanted
from cachescope.model.archive import Binary
from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import Digest
from cachescope.model.virtual import BlobPlace, Blobs, OpenFile, VirtualSource
from cachescope.model.virtual_answers import Awaited, MirrorAnswer, SentOn, StoredFile, Streamed

__all__ = ["Part", "VirtualBlobs"]

Part = tuple[int, int | None]
"""The first byte, and the one behind the last; None is the end."""


class VirtualBlobs:
    """Finds blobs and hands them to what delivers them."""

    def __init__(self, catalogue: Catalogue, *, notes: BlobNotes, blobs: Blobs) -> None:
        self._catalogue = catalogue
        self._notes = notes
        self._blobs = blobs

    def places(self, sources: Sequence[VirtualSource], digest: Digest) -> Sequence[BlobPlace]:
        """Return where a blob is among these sources, in their order; nowhere if no manifest of them named it."""
        by_key = {one.id: one for one in sources if not one.excluded}
        pending = [one for one in self._notes.pending(digest) if one[0] in by_key]
        with self._catalogue.reading() as connection:
            found = list(blob_places(connection, digest.algorithm, digest.hexadecimal, sources=list(by_key)))
            known = binaries(connection, {spec for _, spec, _ in pending})
        met = {one.source for one in found}
        found += [
            _place(by_key[source], digest, blob.size, known.get(spec) if blob.is_archive else None)
            for source, spec, blob in pending
            if by_key[source].name not in met
        ]
        order = {one.name: place for place, one in enumerate(by_key.values())}
        return sorted(found, key=lambda one: order[one.source])

    @staticmethod
    def archive_place(wanted: Wanted, digest: Digest) -> Sequence[BlobPlace]:
        """Return where the archive of a binary is at its source."""
        return [_place(wanted.source, digest, None, wanted.binary)]

    def at_hand(self, digest: Digest) -> StoredFile | None:
        """Open a blob that is kept here and was looked at before; waits for nobody."""
        file = self._blobs.at_hand(digest)
        return stored_blob(file, digest) if file is not None else None

    def delivered(self, places: Sequence[BlobPlace], part: Part | None, *, rounds: int = 3) -> MirrorAnswer:
        """Send the client on where everybody may ask, else give the bytes: as they are kept here, or from a source.

        ``rounds`` is how often a blob is fetched that others push out of the store at once; then it is streamed.
        What is awaited raises ``NotInCatalogue`` where no source has it any more, ``MirrorUnavailable`` and
        ``MalformedDocument``.
        """
        address = self._blobs.redirect(places)
        if address is not None:
            return SentOn(address)
        kept = self._blobs.kept(places)
        if kept is not None:
            return stored_blob(kept, places[0].digest)
        fetch = self._blobs.fetching(places)
        if fetch is not None and rounds > 0:
            return Awaited(partial(self._fetched, places, part, fetch, rounds), after=fetch)
        return Awaited(partial(self._fetch, places, part, rounds))

    def _fetch(self, places: Sequence[BlobPlace], part: Part | None, rounds: int) -> MirrorAnswer:
        """Fetch a blob in this thread, unless another one does."""
        fetch = self._blobs.fetch(places) if rounds > 0 else None
        if fetch is None:
            return self._streamed(places, part)
        if not fetch.done():
            return Awaited(partial(self._fetched, places, part, fetch, rounds), after=fetch)
        return self._fetched(places, part, fetch, rounds)

    def _fetched(
        self, places: Sequence[BlobPlace], part: Part | None, fetch: "Future[bool]", rounds: int
    ) -> MirrorAnswer:
        try:
            if not fetch.result():
                raise _gone(places)
        except OSError:  # the disk of the store: told by who met it
            return Awaited(partial(self._streamed, places, part))
        return self.delivered(places, part, rounds=rounds - 1)

    def _streamed(self, places: Sequence[BlobPlace], part: Part | None) -> Streamed:
        start, stop = part or (0, None)
        blob = self._blobs.stream(places, start=start, stop=stop)
        if blob is not None and part is not None and blob.total is None:
            # A part of what has no known length cannot be told as one: the whole is an answer, too.
            blob.close()
            part, start = None, 0
            blob = self._blobs.stream(places)
        if blob is None:
            raise _gone(places)
        return Streamed(blob, places[0].digest.hexadecimal, start, partial=part is not None)


def stored_blob(file: OpenFile, digest: Digest) -> StoredFile:
    """Return how a blob is given that is kept here."""
    return StoredFile(
        file=file, digest=digest.hexadecimal, media_type="application/octet-stream", lasting=True
    )


def _gone(places: Sequence[BlobPlace]) -> NotInCatalogue:
    return NotInCatalogue(
        "no source has this blob any more",
        where=str(places[0].digest),
        hint=f"cachescope sync {places[0].source}",
    )


def _place(source: VirtualSource, digest: Digest, size: int | None, binary: Binary | None) -> BlobPlace:
    return BlobPlace(
        mirror=source.name.mirror,
        source=source.name,
        url=source.url,
        layout=source.layout,
        digest=digest,
        size=size,
        binary=binary,
    )
