"""Real DAGs in which known nodes are changed and everything above is hashed again: exactly these nodes are the causes."""

import copy
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from cachescope.formats.dag_hash import node_hash
from cachescope.model.why import CauseKind
from tests.catalogues import rows
from tests.explaining import assert_complete, explain
from tests.locks import Change, changed, closure, lock_document, read_nodes
from tests.mirrors import Node

pytestmark = pytest.mark.shared

SEED = 20261121
BATCHES = 14
CASES_A_BATCH = 15
"""210 cases together; a third of them with two changes at once."""


class Kind(NamedTuple):
    field: str
    """What the cause says differs, or how that begins."""

    make: Callable[[random.Random], Change]


def _version(_dice: random.Random) -> Change:
    def change(node: Node) -> None:
        node["version"] += ".99"

    return change


def _variant(dice: random.Random) -> Change:
    def change(node: Node) -> None:
        names = [name for name, value in node["parameters"].items() if isinstance(value, bool)]
        if names:
            name = dice.choice(names)
            node["parameters"][name] = not node["parameters"][name]
        else:
            node["parameters"]["build_system"] = "other"

    return change


def _recipe(_dice: random.Random) -> Change:
    def change(node: Node) -> None:
        node["package_hash"] = "a" * 20 + node["package_hash"][20:]

    return change


def _target(dice: random.Random) -> Change:
    def change(node: Node) -> None:
        node["arch"]["target"] = dice.choice(["x86_64_v2", "x86_64_v4", "x86_64"])

    return change


def _system(_dice: random.Random) -> Change:
    def change(node: Node) -> None:
        node["arch"]["platform_os"] = "debian11"

    return change


def _flags(_dice: random.Random) -> Change:
    def change(node: Node) -> None:
        node["parameters"]["cflags"] = ["-O3", "-g"]

    return change


def _namespace(_dice: random.Random) -> Change:
    def change(node: Node) -> None:
        node["namespace"] = "site"

    return change


KINDS = (
    Kind("version", _version),
    Kind("variant:", _variant),
    Kind("recipe", _recipe),
    Kind("target", _target),
    Kind("os", _system),
    Kind("flags:cflags", _flags),
    Kind("namespace", _namespace),
)


@pytest.fixture(scope="session")
def nodes(shared: Path) -> dict[str, Node]:
    return read_nodes(shared / "data" / "concrete-nodes.json.gz")


@pytest.fixture(scope="session")
def cached(judged_file: Path) -> set[str]:
    return {dag_hash for (dag_hash,) in rows(judged_file, "SELECT hash FROM spec")}


@pytest.mark.parametrize("batch", range(BATCHES))
def test_the_changed_nodes_are_the_causes(
    judged_file: Path, nodes: dict[str, Node], cached: set[str], batch: int
) -> None:
    dice = random.Random(SEED + batch)  # noqa: S311 - not for secrets
    done = 0
    while done < CASES_A_BATCH:
        roots = dice.sample(sorted(one for one in nodes if len(nodes[one].get("dependencies", ())) > 1), 2)
        candidates = [one for one in closure(roots, nodes) if not nodes[one].get("external")]
        chosen = dice.sample(candidates, 2 if done % 3 == 0 else 1)
        kinds = [dice.choice(KINDS) for _ in chosen]
        changes = {one: kind.make(dice) for one, kind in zip(chosen, kinds, strict=True)}
        made, renamed = changed(roots, nodes, changes)
        if any(renamed[one] in cached for one in chosen):
            continue  # the change led to a spec that there is
        done += 1
        told = [(nodes[one]["name"], kind.field) for one, kind in zip(chosen, kinds, strict=True)]
        report = explain(judged_file, lock_document([renamed[one] for one in roots], made))
        assert_complete(report)
        missing = {one for one, node in made.items() if one not in cached and not node.get("external")}
        assert {one.spec.hash for one in report.missing} == missing, told
        named = [dag_hash for cause in report.causes for dag_hash in cause.hashes]
        assert sorted(named) == sorted(renamed[one] for one in chosen), told
        for one, kind in zip(chosen, kinds, strict=True):
            fields = [
                difference.field
                for cause in report.causes
                if renamed[one] in cause.hashes
                for difference in cause.differences
            ]
            assert len(fields) == 1, told
            assert fields[0].startswith(kind.field), told


def _with_compiler(nodes: dict[str, Node], version: str) -> tuple[str, Node]:
    """Return the compiler's hash, and the like of it in another version."""
    (old,) = (one for one, node in nodes.items() if node["name"] == "gcc" and node.get("external"))
    other = copy.deepcopy(nodes[old])
    other["version"] = version
    other.pop("hash")
    other["hash"] = node_hash(other)
    return old, other


def _compiled(nodes: dict[str, Node], gcc: str) -> Sequence[str]:
    return sorted(
        one
        for one, node in nodes.items()
        if any(
            edge["hash"] == gcc and edge["parameters"]["virtuals"] for edge in node.get("dependencies", ())
        )
    )


@pytest.mark.parametrize("place", range(0, 300, 20))
def test_another_compiler_of_one_node_is_its_cause(
    judged_file: Path, nodes: dict[str, Node], place: int
) -> None:
    old, other = _with_compiler(nodes, "12.4.0")
    chosen = _compiled(nodes, old)[place]

    def change(node: Node) -> None:
        for edge in node["dependencies"]:
            if edge["hash"] == old:
                edge["hash"] = other["hash"]

    made, renamed = changed([chosen], nodes, {chosen: change})
    made[other["hash"]] = other
    report = explain(judged_file, lock_document([renamed[chosen]], made))
    (cause,) = report.causes
    assert (cause.kind, cause.hashes) == (CauseKind.OWN_FIELD, (renamed[chosen],))
    assert [(one.field, one.wanted, one.cached) for one in cause.differences] == [
        ("compiler", "gcc@12.4.0", "gcc@12.2.0")
    ]


def test_another_compiler_throughout_is_one_cause(judged_file: Path, nodes: dict[str, Node]) -> None:
    old, _ = _with_compiler(nodes, "12.4.0")
    root = next(one for one in sorted(nodes) if nodes[one]["name"] == "hdf5")

    def newer(node: Node) -> None:
        node["version"] = "12.4.0"

    runtimes = [one for one in closure([root], nodes) if nodes[one]["name"] == "gcc-runtime"]
    made, renamed = changed([root], nodes, {old: newer} | dict.fromkeys(runtimes, newer))
    report = explain(judged_file, lock_document([renamed[root]], made))
    assert_complete(report)
    (cause,) = report.causes
    assert cause.kind is CauseKind.SHARED_DIFFERENCE
    assert [(one.field, one.wanted, one.cached) for one in cause.differences] == [
        ("compiler", "gcc@12.4.0", "gcc@12.2.0")
    ]
    # The runtime of a compiler has its version: that is no cause of its own.
    assert {renamed[one] for one in runtimes} <= set(cause.consequences)
    assert cause.gains == len(report.missing)


def test_an_external_in_another_place_is_the_cause(judged_file: Path, nodes: dict[str, Node]) -> None:
    (perl,) = (one for one, node in nodes.items() if node["name"] == "perl" and node.get("external"))
    root = next(
        one for one in sorted(nodes) if nodes[one]["name"] == "openmpi" and perl in closure([one], nodes)
    )

    def move(node: Node) -> None:
        node["external"]["path"] = "/opt/perl"

    made, renamed = changed([root], nodes, {perl: move})
    report = explain(judged_file, lock_document([renamed[root]], made))
    assert_complete(report)
    (cause,) = report.causes
    assert (cause.kind, cause.name) == (CauseKind.OWN_FIELD, "perl")
    assert [(one.field, one.wanted, one.cached) for one in cause.differences] == [
        ("external", "/opt/perl", "/usr")
    ]
    assert len(cause.consequences) == len(report.missing)
