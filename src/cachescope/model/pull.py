"""A mirror that is pulled to disk: what goes into it, and what came of it."""

from dataclasses import dataclass

from cachescope.model.archive import Binary
from cachescope.model.identity import DagHash, SourceName

__all__ = ["MissingBinary", "PullFailure", "PullReport"]


@dataclass(frozen=True, slots=True)
class MissingBinary:
    """A spec of the closure that no source has a binary of."""

    hash: DagHash
    name: str
    """``unknown`` where it is known by its hash alone."""

    version: str
    needed_by: str
    """The first spec that needs it, ``name@version /hash``; empty for one that was asked for itself."""


@dataclass(frozen=True, slots=True)
class PullFailure:
    """A binary that could not be copied."""

    binary: Binary
    source: SourceName
    reason: str
    """Holds no secret."""

    code: str
    exit_code: int
    """Of the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullReport:
    """What a pull did, or would do."""

    asked: str
    folder: str
    is_dry: bool
    sources: tuple[SourceName, ...]
    """In their order."""

    roots: int
    """Specs that were asked for."""

    binaries: int
    """Of them and their closure, those that a source has."""

    externals: int
    """Left out: they come from outside of Spack."""

    missing: tuple[MissingBinary, ...]
    failures: tuple[PullFailure, ...]
    bytes_total: int
    """Of all blobs of the binaries, as stored."""

    bytes_unknown: int
    """Blobs whose size their source does not say."""

    bytes_there: int
    """Of these, what was on disk before."""

    bytes_copied: int
    """What came from the sources now; what another run left half-way is not in it."""

    binaries_new: int
    signers: tuple[str, ...]
    """Fingerprints of the keys that signed; empty if signatures were not verified."""

    unsigned: int
    """Binaries without a signature."""

    keys: int
    """Public keys that were copied along; they grant no trust by themselves."""

    indexed: int
    """Binaries that the index lists; of a dry run, or one with failures, 0: the index is written last."""

    warnings: tuple[str, ...] = ()
    tar: str = ""
    tar_bytes: int = 0

    @property
    def exit_code(self) -> int:
        """Return 0, or that of the worst failure."""
        return max((one.exit_code for one in self.failures), default=0)
