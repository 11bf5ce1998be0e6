"""A *flavour*: nodes built for one system, target and compiler, and what becomes of them from tick to tick.

Each tick replaces an exact number of nodes, as new recipes do: a node with a new recipe, and all that depends on it, for
their hashes change with it. The rest stays. Texts are filled into templates, since only recipe and children change.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nodes import (
    COMPILER_PACKAGES,
    Node,
    Rebuild,
    canonical_text,
    compiler_versions,
    dag_hash,
    other_recipe,
    rebuild_nodes,
)

_FILLED = "\0"
_FILLED_TEXT = '"\\u0000"'
"""Stands in a template for what is filled in, and its JSON text; no node holds it."""


class Slice(NamedTuple):
    """One concrete spec of a flavour: the beginning of its record, and what it is and depends on."""

    text: str
    place: int
    """Position of its node."""

    children: tuple[int, ...]
    """Numbers of the slices that it depends on, one for each edge."""


class Recipes(NamedTuple):
    """What all flavours share: nodes with their dependencies first, and who depends on whom, by position."""

    nodes: tuple[Node, ...]
    children: tuple[tuple[int, ...], ...]
    below: tuple[int, ...]
    """Bit mask of a node and all it depends on, at any depth."""

    build_only: frozenset[int]
    """Nodes that are needed, and by nobody at link or run time."""


def prepare(nodes: Sequence[Node]) -> Recipes:
    """Make nodes ready for flavours: those that differ only in what a flavour sets become one."""
    built = rebuild_nodes(nodes, Rebuild(1, "none", "none"))
    places = {digest: place for place, digest in enumerate(built)}
    children = tuple(tuple(places[edge["hash"]] for edge in _edges(one.node)) for one in built.values())
    below: list[int] = []
    for place, ones in enumerate(children):
        mask = 1 << place
        for child in ones:
            mask |= below[child]
        below.append(mask)
    needed: dict[int, bool] = {}
    for one in built.values():
        for edge in _edges(one.node):
            at_run = not {"link", "run"}.isdisjoint(edge["parameters"]["deptypes"])
            needed[places[edge["hash"]]] = needed.get(places[edge["hash"]], False) or at_run
    build_only = frozenset(place for place, at_run in needed.items() if not at_run)
    return Recipes(tuple(one.node for one in built.values()), children, tuple(below), build_only)


def _edges(node: Node) -> Sequence[Node]:
    edges: Sequence[Node] = node.get("dependencies", ())
    return edges


def places(mask: int) -> Iterator[int]:
    """Yield the positions in a bit mask, dependencies first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def closed_choice(recipes: Recipes, among: int, count: int, dice: random.Random) -> int:
    """Choose exactly ``count`` nodes of the closed set ``among``, none without its dependencies; as a bit mask."""
    chosen = 0
    order = list(places(among))
    dice.shuffle(order)
    for place in order:
        for one in places(recipes.below[place] & ~chosen):
            if chosen.bit_count() == count:
                return chosen
            chosen |= 1 << one
    return chosen


@dataclass(frozen=True, slots=True)
class Members:
    """Which nodes of a flavour a mirror holds, and which of these it has no binary of."""

    mask: int
    absent: int


class Flavour:
    """Nodes built for one thing: the current state, and every slice that ever was."""

    def __init__(self, recipes: Recipes, mask: int, rebuild: Rebuild, era: str) -> None:
        self.recipes = recipes
        self.mask = mask
        self.slices: list[Slice] = []
        self._hashes: list[str] = []
        self._current: dict[int, int] = {}
        self._versions = compiler_versions(recipes.nodes, rebuild)
        self._templates = {place: self._template(place, rebuild) for place in places(mask)}
        self._package_hash = {
            place: other_recipe(recipes.nodes[place]["package_hash"], era) for place in places(mask)
        }
        self._above = _above(recipes, mask)
        for place in places(mask):
            self._make(place)

    def _version(self, node: Node) -> str:
        version: str = node["version"]
        return self._versions[version] if node["name"] in COMPILER_PACKAGES else version

    def _template(self, place: int, rebuild: Rebuild) -> str:
        """Return the text of a node with gaps for its recipe and the hashes of its children."""
        old = self.recipes.nodes[place]
        node = {
            **old,
            "version": self._version(old),
            "arch": {**old["arch"], "platform_os": rebuild.system, "target": rebuild.target},
            "package_hash": _FILLED,
        }
        if "dependencies" in old:
            node["dependencies"] = [{**edge, "hash": _FILLED} for edge in old["dependencies"]]
        keys = list(node)
        if "dependencies" in node and keys.index("dependencies") < keys.index("package_hash"):
            raise ValueError(f"{node['name']} has its dependencies before its package_hash")
        return canonical_text(node).replace("%", "%%").replace(_FILLED_TEXT, '"%s"')

    def tick(self, count: int, dice: random.Random, why: str) -> None:
        """Replace exactly ``count`` nodes, by new recipes and their consequences."""
        changed = self._cones(count, dice)
        for place in places(changed):
            if not any(changed >> child & 1 for child in self.recipes.children[place]):
                self._package_hash[place] = other_recipe(self._package_hash[place], why)
            self._make(place)

    def _cones(self, count: int, dice: random.Random) -> int:
        """Choose nodes with all that depends on them, exactly ``count`` in total."""
        order = list(places(self.mask))
        dice.shuffle(order)
        chosen = 0
        # A node whose dependents are all chosen adds itself alone, so every round finds at least one more.
        while chosen.bit_count() < count:
            for place in order:
                more = chosen | self._above[place]
                if more.bit_count() <= count:
                    chosen = more
        return chosen

    def _make(self, place: int) -> None:
        children = tuple(self._current[child] for child in self.recipes.children[place])
        filled = (self._package_hash[place], *(self._hashes[child] for child in children))
        text = self._templates[place] % filled
        digest = dag_hash(text)
        self._current[place] = len(self.slices)
        self._hashes.append(digest)
        beginning = f'"{digest}":{{"spec":{text[:-1]},"hash":"{digest}"}},"ref_count":'
        self.slices.append(Slice(beginning, place, children))

    def state(self) -> set[int]:
        """Return the numbers of the slices that are current."""
        return set(self._current.values())

    def within(self, slices: Iterable[int], members: Members) -> list[int]:
        """Return those slices whose nodes are members, in the order in which they were made: dependencies first."""
        return sorted(one for one in slices if members.mask >> self.slices[one].place & 1)

    def records(self, slices: Sequence[int], members: Members) -> bytes:
        """Write slices as the records of an index that holds these of the flavour, joined by commas."""
        dependents = Counter(child for one in slices for child in self.slices[one].children)
        kept = ("true}", "false}")
        return ",".join(
            f'{self.slices[one].text}{dependents[one]},"in_buildcache":'
            f"{kept[members.absent >> self.slices[one].place & 1]}"
            for one in slices
        ).encode("ascii")

    def binaries(self, slices: Iterable[int], members: Members) -> Iterator[tuple[str, str, str]]:
        """Yield name, version and hash of each slice that the mirror has a binary of."""
        for one in slices:
            place = self.slices[one].place
            if not members.absent >> place & 1:
                node = self.recipes.nodes[place]
                yield node["name"], self._version(node), self._hashes[one]


def _above(recipes: Recipes, mask: int) -> dict[int, int]:
    """Return for each node of a closed set the bit mask of itself and all in the set that depend on it."""
    above = {place: 1 << place for place in places(mask)}
    for place in reversed(list(places(mask))):
        for child in recipes.children[place]:
            above[child] |= above[place]
    return above
