"""Serves virtual mirrors: what stands at each path that Spack asks for, and nothing else.

An answer needs nothing of the request but a hash, a digest or a fingerprint, each of strict form. What is asked of a
source is made of what the catalogue knows; only sources of the mirror are asked.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn, assert_never

from cachescope.catalogue.blob_places import are_blobs_noted
from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.registry import find_mirror, source_statuses
from cachescope.catalogue.virtual_definitions import defined_mirror, defined_mirrors
from cachescope.catalogue.virtual_facts import KnownBytes, binary_by_hash, known_bytes
from cachescope.formats.index_writing import INDEX_MEDIA_TYPE, LAYOUT_DOCUMENT, manifest_text, stored_blob
from cachescope.formats.layouts import archive_path, spec_document_paths, spec_manifest_path
from cachescope.formats.mirror_requests import Asked, BlobAsked, Fixed, KeyAsked, SpecAsked, read_mirror_path
from cachescope.formats.spec_json import decode_spec_document
from cachescope.jobs.shared_work import AwaitedWork
from cachescope.jobs.virtual_blobs import Part, VirtualBlobs
from cachescope.jobs.virtual_files import IndexFacts, WrittenMirror, read_written
from cachescope.jobs.virtual_keys import KeptKeys, Keyring, SourceKeys
from cachescope.jobs.virtual_manifests import SourceManifests, Wanted
from cachescope.jobs.virtual_memory import AnswerMemory
from cachescope.jobs.virtual_writing import Current, VirtualWriter
from cachescope.model.archive import Binary
from cachescope.model.errors import NotInCatalogue, UserInputError
from cachescope.model.identity import Digest, SourceName, parse_mirror_name
from cachescope.model.mirror import Layout
from cachescope.model.virtual import (
    BlobPlace,
    FailedSource,
    OpenFile,
    VirtualMirror,
    VirtualReport,
    parse_virtual_name,
)
from cachescope.model.virtual_answers import Document, MirrorAnswer, StoredFile

__all__ = ["VirtualServing", "report_of", "sizes_of"]

_JSON = "application/json"
_BYTES = "application/octet-stream"
_TEXT = "text/plain"
_KEYS = "application/pgp-keys"

_REMEMBERED = 5.0
"""Seconds for which a document is given again that follows from more than the catalogue."""

_LARGEST_REMEMBERED = 16 * 1024
_MOST_DOCUMENTS = 2_000
_MOST_MIRRORS = 500


class VirtualServing:
    """Fulfils ``model.virtual_answers.VirtualMirrors``."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        writer: VirtualWriter,
        manifests: SourceManifests,
        keys: SourceKeys,
        blobs: VirtualBlobs,
        of_settings: Mapping[str, VirtualMirror],
        blob_failures: Callable[[], Sequence[FailedSource]],
    ) -> None:
        """``of_settings`` are defined in the settings file: they come before those of the catalogue."""
        self._catalogue = catalogue
        self._writer = writer
        self._manifests = manifests
        self._keys = keys
        self._blobs = blobs
        self._of_settings = of_settings
        self._blob_failures = blob_failures
        self._writing = AwaitedWork[Current]()
        self._asking_keys = AwaitedWork[Keyring]()
        marker = catalogue.database.marker
        self._currents = AnswerMemory[Current](marker, most=_MOST_MIRRORS)
        self._sizes = AnswerMemory[KnownBytes](marker, most=_MOST_MIRRORS)
        self._documents = AnswerMemory[Document](marker, most=_MOST_DOCUMENTS)
        self._kept_blobs = AnswerMemory[Digest](marker)
        self._blob_places = AnswerMemory[Sequence[BlobPlace]](marker)

    def mirrors(self) -> Sequence[VirtualMirror]:
        """All that are defined."""
        with self._catalogue.reading() as connection:
            defined = {one.name: one for one in defined_mirrors(connection)}
        return [one for _, one in sorted({**defined, **self._of_settings}.items())]

    def found(self, path: str) -> tuple[VirtualMirror, str]:
        """The mirror that a path is in."""
        name, _, rest = path.partition("/")
        try:
            defined = self._defined(parse_virtual_name(name))
            if defined is not None:
                return defined, rest
            stack, _, rest = rest.partition("/")
            mirror = parse_mirror_name(f"{name}/{stack}")
        except UserInputError as error:
            raise _no_mirror() from error
        with self._catalogue.reading() as connection:
            if find_mirror(connection, mirror) is None:
                raise _no_mirror()
        return VirtualMirror(name=str(mirror), sources=(SourceName(mirror),)), rest

    def report(self, mirror: VirtualMirror) -> VirtualReport:
        """What is in a mirror."""
        current = self._writer.current(mirror)
        failures: dict[SourceName, FailedSource] = {}
        for one in (*self._manifests.failures(), *self._blob_failures()):
            if one.name not in failures or failures[one.name].at < one.at:
                failures[one.name] = one
        named = [failures[one.name] for one in current.sources if one.name in failures]
        return replace(self._report(current), failures=tuple(dict.fromkeys(named)))

    def _report(self, current: Current) -> VirtualReport:
        # A sync of sizes changes no snapshot, so nothing is written anew; but it changes the catalogue.
        state = self._sizes.state()
        key = str(current.written.folder)
        sizes = self._sizes.get(key) or sizes_of(self._catalogue, current)
        self._sizes.keep(key, sizes, state)
        return report_of(self._catalogue, current, sizes)

    def ready(self, path: str) -> Document | StoredFile | None:
        """What stands at a path, as it was found out before."""
        digest = self._kept_blobs.get(path)
        return self._documents.get(path) if digest is None else self._blobs.at_hand(digest)

    def asked(self, path: str, *, part: Part | None) -> MirrorAnswer | VirtualMirror:
        """What stands at a path; remembered where that can be."""
        state = self._documents.state()
        places = self._blob_places.get(path)
        if places is not None:
            return self._delivered(path, places, part, state)
        current = next((one for one in map(self._currents.get, _beginnings(path)) if one is not None), None)
        if current is not None:
            mirror, rest = current.mirror, path[len(current.mirror.name) + 1 :]
        else:
            mirror, rest = self.found(path)
        if not rest:
            return mirror
        asked = read_mirror_path(rest)
        if asked is None:
            _nothing(mirror)
        if current is None:
            current = self._writer.standing(mirror)
        if current is None:
            return self._writing.awaited(
                mirror,
                partial(self._writer.current, mirror),
                lambda current: self._answer(path, current, asked, part, state),
            )
        if current.is_newest:
            self._currents.keep(mirror.name, current, state)
        return self._answer(path, current, asked, part, state)

    def _answer(
        self, path: str, current: Current, asked: Asked, part: Part | None, state: object | None
    ) -> MirrorAnswer:
        answer = self._answered(current, asked, part)
        if isinstance(answer, _Places):
            self._blob_places.keep(path, answer.places, state)
            return self._delivered(path, answer.places, part, state)
        if isinstance(answer, Document) and len(answer.content) <= _LARGEST_REMEMBERED:
            self._documents.keep(path, answer, state, seconds=_REMEMBERED)
        return answer

    def _delivered(
        self, path: str, places: Sequence[BlobPlace], part: Part | None, state: object | None
    ) -> MirrorAnswer:
        answer = self._blobs.delivered(places, part)
        if isinstance(answer, StoredFile):
            self._kept_blobs.keep(path, places[0].digest, state)
        return answer

    # -- parts ------------------------------------------------------------------------------------------------------

    def _defined(self, name: str) -> VirtualMirror | None:
        if name in self._of_settings:
            return self._of_settings[name]
        with self._catalogue.reading() as connection:
            return defined_mirror(connection, name)

    def _answered(self, current: Current, asked: Asked, part: Part | None) -> "MirrorAnswer | _Places":
        match asked:
            case Fixed():
                return self._fixed(current, asked)
            case SpecAsked():
                return self._spec(current, asked, part)
            case KeyAsked():
                return self._key(current, asked)
            case BlobAsked():
                return self._blob(current, asked.digest)
            case _:
                assert_never(asked)

    def _fixed(self, current: Current, asked: Fixed) -> MirrorAnswer:
        layout = Layout.V3 if asked.value.startswith("v3/") else Layout.V2
        index = current.written.index(layout)
        if index is None:
            _nothing(current.mirror)
        match asked:
            case Fixed.LAYOUT:
                return Document(content=LAYOUT_DOCUMENT, media_type=_JSON)
            case Fixed.INDEX_MANIFEST:
                return Document(content=_index_manifest(index), media_type=_JSON)
            case Fixed.V2_INDEX:
                return _index_file(current.mirror, current.written, index, lasting=False)
            case Fixed.V2_INDEX_HASH:
                return Document(content=index.sha256.encode(), media_type=_TEXT)
            case Fixed.KEY_INDEX_MANIFEST | Fixed.V2_KEY_INDEX:
                return self._with_keys(current, partial(_key_index, current, layout))
            case _:
                assert_never(asked)

    def _spec(self, current: Current, asked: SpecAsked, part: Part | None) -> MirrorAnswer:
        wanted = self._given(current, asked)
        if asked.is_archive:
            documents = [replace(wanted, path=path) for path in spec_document_paths(wanted.binary)]
            return self._archive(current, wanted, documents, part)
        given = partial(_spec_document, current, wanted)
        kept = self._manifests.kept(wanted)
        return given(kept) if kept is not None else self._manifests.awaited(wanted, given)

    def _given(self, current: Current, asked: SpecAsked) -> Wanted:
        """Return what is asked for and the source that gives it; only by the path that the catalogue makes of it."""
        key = current.written.source_of(asked.hash, asked.layout)
        if key is None:
            self._refuse(current, asked)
        source = next(one for one in current.sources if one.id == key)
        with self._catalogue.reading() as connection:
            known = binary_by_hash(connection, asked.hash)
            noted = known is not None and are_blobs_noted(connection, source_id=key, spec_id=known[0])
        if known is None or source.layout is not asked.layout or asked.path not in _paths(asked, known[1]):
            _nothing(current.mirror)
        return Wanted(source, *known, asked.path, is_noted=noted)

    def _refuse(self, current: Current, asked: SpecAsked) -> NoReturn:
        lacks = current.written.lacks(asked.hash)
        if lacks is None:
            _nothing(current.mirror)
        with self._catalogue.reading() as connection:
            known = binary_by_hash(connection, lacks)
        what = f"{known[1].name}@{known[1].version} " if known is not None else ""
        raise NotInCatalogue(
            f"/{asked.hash} is left out: it needs {what}/{lacks} to run, which is not available here",
            where=current.mirror.name,
            hint=f"cachescope virtual show {current.mirror.name}",
        )

    def _archive(
        self, current: Current, wanted: Wanted, documents: Sequence[Wanted], part: Part | None
    ) -> MirrorAnswer:
        """Give the archive of layout v2: its digest is what the first spec document states that is there."""
        if not documents:
            _nothing(current.mirror)

        def given(content: bytes | None) -> MirrorAnswer:
            if content is None:
                return self._archive(current, wanted, documents[1:], part)
            digest = decode_spec_document(content, expected=wanted.binary.hash).digest
            return self._blobs.delivered(self._blobs.archive_place(wanted, digest), part)

        kept = self._manifests.kept(documents[0])
        return given(kept) if kept is not None else self._manifests.awaited(documents[0], given)

    def _key(self, current: Current, asked: KeyAsked) -> MirrorAnswer:
        if current.written.index(asked.layout) is None:
            _nothing(current.mirror)
        return self._with_keys(current, partial(_key, current, asked))

    def _with_keys(self, current: Current, given: Callable[[Keyring], MirrorAnswer]) -> MirrorAnswer:
        """Answer with the keys of the sources that contribute; kept before, so that any process knows their bytes."""
        gives = current.written.facts.gives
        sources = tuple(one for one in current.sources if gives.get(str(one.id)))
        kept = KeptKeys(current.home)

        def answered(keyring: Keyring) -> MirrorAnswer:
            kept.keep(keyring)
            return given(keyring)

        known = self._keys.known(sources)
        if known is not None:
            return answered(known)
        return self._asking_keys.awaited(sources, partial(self._keys.of, sources), answered)

    def _blob(self, current: Current, digest: Digest) -> "MirrorAnswer | _Places":
        for folder in (current.written.folder, *current.older):
            written = read_written(folder)
            index = written.index(Layout.V3) if written is not None else None
            if written is not None and index is not None and index.digest == digest:
                return _index_file(current.mirror, written, index, lasting=True)
        places = self._blobs.places(current.sources, digest)
        if places:
            return _Places(places)
        key = KeptKeys(current.home).read().blob(digest)
        if key is None:
            _nothing(current.mirror)
        return Document(content=key, media_type=_BYTES, lasting=True)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a blob is that is to be delivered."""

    places: Sequence[BlobPlace]


def sizes_of(catalogue: Catalogue, current: Current) -> KnownBytes:
    """Return how large the binaries of a mirror are, as far as that is known now. 1 statement a source."""
    order = {one.id: place for place, one in enumerate(current.sources)}
    given = current.written.given(order)
    with catalogue.reading() as connection:
        return known_bytes(connection, given)


def report_of(catalogue: Catalogue, current: Current, sizes: KnownBytes | None = None) -> VirtualReport:
    """Return what is in a mirror, as it was written, and how large and how fresh it is now.

    1 statement, and unless ``sizes`` are given those of ``sizes_of``.
    """
    facts = current.written.facts
    if sizes is None:
        sizes = sizes_of(catalogue, current)
    with catalogue.reading() as connection:
        known = {(one.name, one.layout, one.view): one for one in source_statuses(connection)}
    keys = [(one.name.mirror, one.layout, one.name.view) for one in current.sources]
    return VirtualReport(
        mirror=current.mirror,
        sources=tuple(replace(one, gives=facts.gives.get(str(one.id), 0)) for one in current.sources),
        present=facts.present,
        mentioned=facts.mentioned,
        packages=facts.packages,
        bytes_known=sizes.bytes,
        sizes_known=sizes.specs,
        left_out=facts.left_out,
        lacking=tuple(facts.lacking),
        absent=tuple(facts.absent),
        index_bytes=tuple((one.layout, one.size) for one in facts.indexes),
        written_at=facts.written_at,
        statuses=tuple(known[key] for key in keys if key in known),
    )


def _beginnings(path: str) -> Sequence[str]:
    """Return what can be the name of the mirror in a path: ``NAME``, ``REF/STACK``."""
    first, _, rest = path.partition("/")
    return first, f"{first}/{rest.partition('/')[0]}"


def _key_index(current: Current, layout: Layout, keys: Keyring) -> Document:
    if not keys.keys:
        _nothing(current.mirror)
    return Document(content=keys.index_manifest if layout is Layout.V3 else keys.index, media_type=_JSON)


def _key(current: Current, asked: KeyAsked, keys: Keyring) -> Document:
    if asked.layout is Layout.V3:
        content, media_type = keys.key_manifest(asked.fingerprint), _JSON
    else:
        content, media_type = keys.keys.get(asked.fingerprint), _KEYS
    if content is None:
        _nothing(current.mirror)
    return Document(content=content, media_type=media_type)


def _index_manifest(index: IndexFacts) -> bytes:
    media_type = INDEX_MEDIA_TYPE.format(version=index.version)
    return manifest_text(stored_blob(index.digest, index.size, media_type=media_type))


def _index_file(
    mirror: VirtualMirror, written: WrittenMirror, index: IndexFacts, *, lasting: bool
) -> StoredFile:
    try:
        descriptor = os.open(written.index_file(index.layout), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # of an older state, and removed a moment ago
        _nothing(mirror)
    return StoredFile(
        file=OpenFile(descriptor, index.size),
        digest=index.sha256,
        media_type=_JSON if index.layout is Layout.V2 else _BYTES,
        lasting=lasting,
    )


def _spec_document(current: Current, wanted: Wanted, content: bytes | None) -> Document:
    if content is None:
        raise NotInCatalogue(
            f"{wanted.source.name} lists /{wanted.binary.hash}, and has no such document",
            where=current.mirror.name,
            hint=f"cachescope sync {wanted.source.name}",
        )
    return Document(content=content, media_type=_JSON)


def _paths(asked: SpecAsked, binary: Binary) -> Sequence[str]:
    if asked.layout is Layout.V3:
        return [spec_manifest_path(binary)]
    return [archive_path(binary)] if asked.is_archive else spec_document_paths(binary)


def _no_mirror() -> NotInCatalogue:
    return NotInCatalogue("there is no such mirror here", hint="cachescope virtual list, cachescope caches")


def _nothing(mirror: VirtualMirror) -> NoReturn:
    raise NotInCatalogue("the mirror has no such document", where=mirror.name)
