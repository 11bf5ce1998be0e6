"""Registers all mirrors of a public bucket from the directory that it publishes."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cachescope.catalogue import registry
from cachescope.catalogue.engine import Catalogue
from cachescope.formats.bucket_index_json import decode_bucket_index
from cachescope.model.errors import CachescopeError, MirrorUnavailable, NotInCatalogue
from cachescope.model.identity import MirrorName
from cachescope.model.mirror import MirrorUrl
from cachescope.transport.source import ByteSource, Fetched

__all__ = ["INDEX_NAME", "Discovery", "discover"]


INDEX_NAME = "cache_spack_io_index.json"
"""Where a bucket has its directory; the address of the bucket alone is enough."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """Mirrors that were found and chosen."""

    added: tuple[MirrorName, ...]
    known: tuple[MirrorName, ...]
    """Registered before, with the same address."""

    skipped: tuple[str, ...]
    """A sentence for each entry that could not be taken."""


def discover(
    catalogue: Catalogue,
    url: MirrorUrl,
    *,
    open_source: Callable[[MirrorUrl], ByteSource],
    parse_url: Callable[[str], MirrorUrl],
    public_addresses: Mapping[str, str],
    ref: str = "*",
    stack: str = "*",
) -> Discovery:
    """Read the directory at ``url`` and register its mirrors; ``ref`` and ``stack`` may be patterns.

    Raises ``MirrorUnavailable``, ``MalformedDocument``, and ``NotInCatalogue`` if no entry is chosen.
    """
    folder, _, name = url.text.rpartition("/")
    if not name.endswith(".json"):
        folder, name = url.text, INDEX_NAME
    with closing(open_source(MirrorUrl(folder))) as source:
        outcome = source.read(name)
    if not isinstance(outcome, Fetched):
        raise MirrorUnavailable(
            "there is no such document",
            where=str(url),
            hint="give the address of a cache_spack_io_index.json",
        )
    with outcome.body as body:
        try:
            index = decode_bucket_index(body.data, public_addresses=public_addresses)
        except CachescopeError as error:
            error.where = str(url)
            raise
    chosen = {
        name: text
        for name, text in index.mirrors.items()
        if fnmatchcase(name.ref, ref) and fnmatchcase(name.stack, stack)
    }
    if not chosen:
        refs = ", ".join(sorted({name.ref for name in index.mirrors})[:10])
        raise NotInCatalogue(
            "the bucket has no such ref and stack" if index.mirrors else "the bucket lists no mirrors",
            where=str(url),
            hint=f"it has {refs}" if refs else "",
        )
    added: list[MirrorName] = []
    known: list[MirrorName] = []
    skipped = list(index.skipped)
    with catalogue.writing() as connection:
        for mirror, text in chosen.items():
            try:
                new = registry.add_mirror(connection, mirror, parse_url(text))
            except CachescopeError as error:
                skipped.append(f"{mirror}: {error}")
                continue
            (added if new else known).append(mirror)
    return Discovery(tuple(added), tuple(known), tuple(skipped))
