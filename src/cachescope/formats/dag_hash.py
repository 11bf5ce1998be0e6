"""The DAG hash, recomputed from a record.

A node's hash is the sha1 of its JSON without the key ``hash``, compact, in the order of its keys, ASCII, written in
lower-case base32. Source: Spack 1.2 ``spec.Spec.spec_hash`` and ``hash_types.dag_hash``. Example (the whole input)::

    {"name":"python-venv","version":"1.0","arch":{...},"namespace":"builtin","parameters":{...},"package_hash":"kdta...",
     "dependencies":[...],"annotations":{"original_specfile_version":5}}   ->   yffngxntyedk6ez7zmyci22npt6v754c

The text is made with ``json.dumps``, never with an encoder that emits UTF-8. Where a record already *is* that text
(every index that Spack writes), hashing its bytes is the same proof at a fiftieth of the cost.
"""

import base64
import hashlib
import json
from typing import Any

from cachescope.model.identity import DagHash
from cachescope.model.record import Verdict, Verification
from cachescope.model.record_form import is_hashed_text

__all__ = ["OWN_PART", "node_hash", "verify_record"]

OWN_PART = 25
"""Characters of a spliced spec's hash that are its own; the other 7 are the last ones of its build spec's hash."""

_VERIFIED = Verification(Verdict.VERIFIED, "recomputed from the record")
_FORMAT_3 = 3
_FIRST_JSON_FORMAT = 4  # older dependency entries cannot be turned back into the text that was hashed
_FORMAT_5 = 5


def _base32(text: bytes) -> str:
    return base64.b32encode(hashlib.sha1(text, usedforsecurity=False).digest()).decode("ascii").lower()


def node_hash(node: dict[str, Any]) -> DagHash:
    """Hash a node as Spack 1.x does; the keys must stand in Spack's order. Leaves ``node`` as it is."""
    kept = {key: value for key, value in node.items() if key != "hash"}
    return DagHash(_spliced(_base32(_compact(kept)), node))


def verify_record(dag_hash: DagHash, record: bytes, *, spec_format: int) -> Verification:
    """Recompute the hash of a record of an index or a spec document.

    ``record`` is the node as it stands in the document, ``spec_format`` the format in which it was first written.
    A mismatch is not always an alteration: see the reasons.
    """
    if is_hashed_text(dag_hash, record):
        return _VERIFIED
    try:
        node = json.loads(record)
        if not isinstance(node, dict):
            return Verification(Verdict.NOT_VERIFIABLE, "the record is no object")
        if "name" not in node:
            return Verification(Verdict.NOT_VERIFIABLE, "format 1 hashed a text that its records do not hold")
        own = [_base32(text) for text in _candidates(node, spec_format)]
    except (ValueError, RecursionError) as error:
        problem = "not valid JSON text" if isinstance(error, ValueError) else "nested too deeply"
        return Verification(Verdict.NOT_VERIFIABLE, f"the record is {problem}")
    if dag_hash in {_spliced(one, node) for one in own}:
        return _VERIFIED
    return _explain(dag_hash, node, own, spec_format)


def _spliced(own: str, node: dict[str, Any]) -> str:
    """Put a spliced node's hash together from its own part and the end of its build spec's hash."""
    build_spec = node.get("build_spec")
    origin = build_spec.get("hash") if isinstance(build_spec, dict) else None
    return own[:OWN_PART] + origin[OWN_PART:] if isinstance(origin, str) else own


def _candidates(node: dict[str, Any], spec_format: int) -> list[bytes]:
    """Return the texts that may have been hashed, likeliest first."""
    kept = {key: value for key, value in node.items() if key != "hash"}
    if spec_format >= _FORMAT_5:
        return [_compact(kept)]
    if "annotations" in kept:
        kept = _with_compiler_restored(kept)
    # Spack 0.21 and newer hash compact text, older ones text with an indent of two.
    return [_compact(kept), json.dumps(kept, indent=2).encode("ascii")]


def _compact(node: dict[str, Any]) -> bytes:
    return json.dumps(node, separators=(",", ":")).encode("ascii")


def _with_compiler_restored(node: dict[str, Any]) -> dict[str, Any]:
    """Undo what Spack 1.x does to a node of format 4: the compiler became an annotation."""
    annotated = node["annotations"].get("compiler") if isinstance(node["annotations"], dict) else None
    restored: dict[str, Any] = {}
    for key, value in node.items():
        if key == "annotations":
            continue
        restored[key] = value
        if key == "arch" and isinstance(annotated, str) and "@" in annotated:
            name, _, version = annotated.partition("@")
            restored["compiler"] = {"name": name, "version": version.removeprefix("=")}
    return restored


def _explain(dag_hash: DagHash, node: dict[str, Any], own: list[str], spec_format: int) -> Verification:
    # Index version 6 holds nodes of Spack 0.17 too, which have no 'package_hash' and were linked by another hash.
    as_hashed = spec_format == _FORMAT_3 and "package_hash" in node and "annotations" not in node
    if spec_format < _FIRST_JSON_FORMAT and not as_hashed:
        return Verification(
            Verdict.NOT_VERIFIABLE, f"format {spec_format} hashed a text that this record no longer holds"
        )
    arch = node.get("arch")
    if isinstance(arch, dict) and isinstance(arch.get("target"), dict):
        return Verification(
            Verdict.NOT_VERIFIABLE,
            "its target is written as an object, which index writers renew from their own list of microarchitectures",
        )
    # A spliced spec that lost its build spec cannot be told from an altered one by its record alone; the end of its hash
    # is that of its build spec, so a record of the same name with this end makes the case.
    return Verification(
        Verdict.MISMATCH,
        f"the record hashes to /{_spliced(own[0], node)}: it was altered"
        + ("" if "build_spec" in node else ", or spliced and lost its build spec"),
        dag_hash[OWN_PART:],
    )
