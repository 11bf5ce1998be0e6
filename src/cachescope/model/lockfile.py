"""What is asked for: the concrete specs of lock files, spec documents and lists of hashes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cachescope.model.identity import DagHash
from cachescope.model.spec import ConcreteSpec

__all__ = ["LockFile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFile:
    """Concrete specs that somebody wants to install, out of one document or several."""

    names: tuple[str, ...]
    """The documents, as they were named."""

    roots: tuple[DagHash, ...]
    specs: Mapping[DagHash, ConcreteSpec]
    """All nodes, dependencies before what depends on them."""

    bare: tuple[DagHash, ...] = ()
    """Named by their hash alone: what they are, only a catalogue can say."""

    external_places: Mapping[DagHash, str] = field(default_factory=dict)
    """Where externals are: a path, or modules."""

    warnings: tuple[str, ...] = ()

    @staticmethod
    def joined(files: Iterable["LockFile"]) -> "LockFile":
        """Put several documents together; a spec that stands in several counts once."""
        files = list(files)
        specs: dict[DagHash, ConcreteSpec] = {}
        places: dict[DagHash, str] = {}
        for file in files:
            # A spec's content never changes under its hash, so the order of the first document holds for all.
            for dag_hash, spec in file.specs.items():
                specs.setdefault(dag_hash, spec)
            places.update(file.external_places)
        bare = dict.fromkeys(one for file in files for one in file.bare)
        return LockFile(
            names=tuple(name for file in files for name in file.names),
            roots=tuple(dict.fromkeys(root for file in files for root in file.roots)),
            specs=specs,
            bare=tuple(one for one in bare if one not in specs),
            external_places=places,
            warnings=tuple(dict.fromkeys(warning for file in files for warning in file.warnings)),
        )
