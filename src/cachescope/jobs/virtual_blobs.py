"""Blobs of virtual mirrors: which sources have them, by what the catalogue knows, and how they come to the client."""

from collections.abc import Sequence

from cachescope.catalogue.blob_places import blob_places
from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.virtual_facts import binaries
from cachescope.jobs.virtual_manifests import BlobNotes, Wanted
from cachescope.model.archive import Binary
from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import Digest
from cachescope.model.virtual import BlobPlace, Blobs, VirtualSource
from cachescope.model.virtual_answers import SentOn, Streamed

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

    def delivered(self, places: Sequence[BlobPlace], part: Part | None) -> SentOn | Streamed:
        """Send the client on where everybody may ask, else give the bytes.

        Raises ``NotInCatalogue`` where no source has them any more, ``MirrorUnavailable`` and ``MalformedDocument``.
        """
        address = self._blobs.redirect(places)
        if address is not None:
            return SentOn(address)
        start, stop = part or (0, None)
        blob = self._blobs.open(places, start=start, stop=stop)
        if blob is not None and part is not None and blob.total is None:
            # A part of what has no known length cannot be told as one: the whole is an answer, too.
            blob.close()
            part, start = None, 0
            blob = self._blobs.open(places)
        if blob is None:
            raise NotInCatalogue(
                "no source has this blob any more",
                where=str(places[0].digest),
                hint=f"cachescope sync {places[0].source}",
            )
        return Streamed(blob, places[0].digest.hexadecimal, start, partial=part is not None)


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
