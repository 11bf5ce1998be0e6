"""Places of many hashes as JSON and text, and text that is not for a terminal."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from cachescope.model.lock_answers import FoundHash, FoundHashes
from cachescope.model.record import Presence
from cachescope.present import wording
from cachescope.present.to_json import document, spec_object

if TYPE_CHECKING:
    from rich.console import Console

    from cachescope.present import lock_shapes

__all__ = ["lookup_json", "lookup_text", "printed"]


def printed(write: "Callable[[Console], None]") -> bytes:
    """Return what is printed into a pipe."""
    from rich.console import Console

    console = Console(file=io.StringIO(), force_terminal=False, color_system=None, highlight=False)
    with console.capture() as written:
        write(console)
    return written.get().encode("utf-8", "replace")


def lookup_json(found: FoundHashes) -> bytes:
    """Write where many specs are; a hash that nobody knows has null for its presence and nothing else."""
    value: lock_shapes.Lookup = {
        "total": len(found.found),
        "present": sum(one.presence is Presence.PRESENT for one in found.found),
        "specs": [_found(one) for one in found.found],
    }
    return document(value)


def _found(one: FoundHash) -> "lock_shapes.FoundHash":
    presence = one.presence.word if one.presence is not None else None
    if one.spec is None:
        return {"hash": one.hash, "presence": presence}
    described = spec_object(one.spec)
    return {
        "hash": described["hash"],
        "name": described["name"],
        "version": described["version"],
        "compiler": described["compiler"],
        "os": described["os"],
        "platform": described["platform"],
        "target": described["target"],
        "variants": described["variants"],
        "mirrors": described["mirrors"],
        "presence": presence,
    }


def lookup_text(found: FoundHashes) -> bytes:
    """Write one line a hash: hash, presence, name and version, caches."""
    lines = []
    for one in found.found:
        presence = one.presence.word if one.presence is not None else "absent"
        spec = one.spec
        told = [
            (spec and f"{spec.name}@{spec.version}") or "-",
            ",".join(map(str, spec.mirrors)) if spec else "",
        ]
        lines.append(wording.one_line(" ".join([one.hash, presence, *told]).rstrip()) + "\n")
    return "".join(lines).encode("utf-8", "replace")
