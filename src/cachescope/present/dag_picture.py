"""The dependencies of a spec as a picture: layers from left to right by the longest way from the spec.

To about 20 nodes it shows all of them, what is only needed to build by dashed lines; to 130 what is needed on the host, each
with its name; to 260 the same with names for the first layer and for what many need, and without lines that longer ways
imply; beyond, bars of how many nodes each layer has. The tree beside it always says the same as text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cachescope.model.identity import DagHash
from cachescope.model.results import SpecReport
from cachescope.model.spec import RUNTIME
from cachescope.present.dependency_tree import children_of

__all__ = ["DagPicture", "Dot", "Layer", "dag_picture"]

_ALL, _NAMED, _DOTS = 20, 130, 260
_MANY_PARENTS = 3
_LETTER = 7.3
"""Width of a letter of the label, in pixels."""

_MOST_NAMED = 10
_LONGEST_LABEL = 28
_KNOT_ROOM = 6
"""Height of a bundle of lines where it passes a layer, in pixels."""

_BEND = 52
"""Room between two layers."""

_Graph = Mapping[DagHash, Sequence[DagHash]]


@dataclass(frozen=True, slots=True)
class Dot:
    """A node at its place; ``label`` is empty where only pointing at it names it."""

    x: float
    y: float
    name: str
    label: str
    is_root: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """How many nodes have the same longest way from the spec; ``width`` in pixels."""

    number: int
    nodes: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DagPicture:
    """What is drawn; where there are too many nodes for that, ``layers`` in its place."""

    width: int
    height: int
    lines: str
    """Path of the edges that are link or run."""

    dashed: str
    """Path of those that are only for building."""

    dots: tuple[Dot, ...]
    words: str
    """The picture in one sentence."""

    layers: tuple[Layer, ...] = ()
    named: tuple[tuple[str, int], ...] = ()
    """The nodes that most others need, with how many need them."""


def dag_picture(report: SpecReport) -> DagPicture | None:
    """Draw the dependencies of a spec; None where there are none."""
    root = report.spec.hash
    edges = children_of(root, report.dependencies)
    names = {root: report.spec.name, **{one.spec.hash: one.spec.name for one in report.dependencies}}
    runtime = {
        node: tuple(dict.fromkeys(one.spec.hash for one in below if one.kind.deptypes & RUNTIME))
        for node, below in edges.items()
    }
    whole = {node: tuple(dict.fromkeys(one.spec.hash for one in below)) for node, below in edges.items()}
    with_build = len(names) <= _ALL
    graph = _without_circles(root, whole if with_build else runtime)
    if len(graph) < 2:  # noqa: PLR2004 - the spec alone is no picture
        return None
    depth = _depths(root, graph)
    words = (
        f"{names[root]} and the {len(graph) - 1} {'specs' if with_build else 'specs that it needs on the host'}, "
        f"in {max(depth.values()) + 1} layers. The tree below names them all."
    )
    parents: dict[DagHash, int] = {}
    for below in graph.values():
        for one in below:
            parents[one] = parents.get(one, 0) + 1
    if len(graph) > _DOTS:
        return _bars(graph, depth, parents, names, words)
    labels = {
        node: names[node][:_LONGEST_LABEL]
        for node in graph
        if len(graph) <= _NAMED or depth[node] < 2 or parents.get(node, 0) >= _MANY_PARENTS  # noqa: PLR2004 - root and first layer
    }
    row = 24 if len(graph) <= _ALL else 16
    drawing = _Drawing(_reduced(graph), depth, labels, row)
    return DagPicture(
        width=drawing.width,
        height=drawing.height,
        lines=drawing.path(lambda node, one: one in runtime.get(node, ())),
        dashed=drawing.path(lambda node, one: one not in runtime.get(node, ())),
        dots=tuple(
            Dot(*drawing.places[node], names[node], labels.get(node, ""), node == root)
            for node in sorted(graph, key=lambda one: drawing.places[one])
        ),
        words=words,
    )


def _bars(
    graph: _Graph,
    depth: Mapping[DagHash, int],
    parents: Mapping[DagHash, int],
    names: Mapping[DagHash, str],
    words: str,
) -> DagPicture:
    counted: dict[int, int] = {}
    for level in depth.values():
        counted[level] = counted.get(level, 0) + 1
    most = max(counted.values())
    layers = tuple(
        Layer(level, counted[level], max(2, 360 * counted[level] // most)) for level in sorted(counted)
    )
    ranked = sorted(graph, key=lambda node: (-parents.get(node, 0), names[node]))[:_MOST_NAMED]
    return DagPicture(
        width=480,
        height=18 * len(layers) + 4,
        lines="",
        dashed="",
        dots=(),
        words=words,
        layers=layers,
        named=tuple((names[node], parents.get(node, 0)) for node in ranked),
    )


def _without_circles(root: DagHash, edges: _Graph) -> dict[DagHash, list[DagHash]]:
    """Return what is reached from the root; an edge that closes a circle, as a hostile index may hold, is left out."""
    graph: dict[DagHash, list[DagHash]] = {root: []}
    above, done = {root}, set[DagHash]()
    stack = [(root, iter(edges.get(root, ())))]
    while stack:
        node, below = stack[-1]
        found = next(below, None)
        if found is None:
            above.discard(node)
            done.add(node)
            stack.pop()
        elif found not in above:
            graph[node].append(found)
            if found not in done:
                graph[found] = []
                above.add(found)
                stack.append((found, iter(edges.get(found, ()))))
    return graph


def _ordered(root: DagHash, graph: _Graph) -> list[DagHash]:
    """Order the nodes so that each stands before all below it."""
    order: list[DagHash] = []
    met = {root}
    stack = [(root, iter(graph[root]))]
    while stack:
        node, below = stack[-1]
        found = next((one for one in below if one not in met), None)
        if found is None:
            order.append(node)
            stack.pop()
        else:
            met.add(found)
            stack.append((found, iter(graph[found])))
    return order[::-1]


def _depths(root: DagHash, graph: _Graph) -> dict[DagHash, int]:
    depth = dict.fromkeys(graph, 0)
    for node in _ordered(root, graph):
        for one in graph[node]:
            depth[one] = max(depth[one], depth[node] + 1)
    return depth


def _reduced(graph: _Graph) -> dict[DagHash, list[DagHash]]:
    """Leave out the edges that longer ways imply: what can be reached through another dependency."""
    root = next(iter(graph))
    below: dict[DagHash, set[DagHash]] = {}
    for node in reversed(_ordered(root, graph)):
        below[node] = set(graph[node]).union(*(below[one] for one in graph[node]))
    return {
        node: [one for one in kids if not any(one in below[other] for other in kids if other != one)]
        for node, kids in graph.items()
    }


_Knot = tuple[DagHash, int]
"""Where the lines to a spec pass a layer: all lines to it run together."""

_Point = DagHash | _Knot


class _Drawing:
    """The nodes of a graph at their places, and the lines between them."""

    def __init__(
        self, graph: _Graph, depth: Mapping[DagHash, int], labels: Mapping[DagHash, str], row: int
    ) -> None:
        self._graph, self._depth, self._labels = graph, depth, labels
        self._layers: list[list[_Point]] = [[] for _ in range(max(depth.values()) + 1)]
        self._above: dict[_Point, list[_Point]] = {}
        for node in graph:
            self._layers[depth[node]].append(node)
        for node in graph:
            for one in graph[node]:
                self._lead(node, one)
        self.places: dict[_Point, tuple[float, float]] = {}
        self._right: list[float] = []
        """Where the lines of each layer begin to bend to the next."""

        self.width, self.height = self._place(row)

    def _lead(self, start: DagHash, end: DagHash) -> None:
        """Take a line from layer to layer."""
        for above, below in self._steps(start, end):
            known = self._above.setdefault(below, [])
            if not isinstance(below, str) and not known:
                self._layers[below[1]].append(below)
            if above not in known:
                known.append(above)

    def _steps(self, start: DagHash, end: DagHash) -> list[tuple[_Point, _Point]]:
        knots: list[_Point] = [(end, level) for level in range(self._depth[start] + 1, self._depth[end])]
        way: list[_Point] = [start, *knots, end]
        return list(pairwise(way))

    def _place(self, row: int) -> tuple[int, int]:
        heights: dict[_Point, float] = {}
        room = [sum(row if isinstance(one, str) else _KNOT_ROOM for one in layer) for layer in self._layers]
        tallest = max(room)
        for layer, needed in zip(self._layers, room, strict=True):
            if heights:
                # Near to what leads here, so that few lines cross.
                layer.sort(
                    key=lambda one: sum(heights[above] for above in self._above[one]) / len(self._above[one])
                )
            top = (tallest - needed) / 2
            for one in layer:
                taken = row if isinstance(one, str) else _KNOT_ROOM
                heights[one] = round(top + taken / 2, 1)
                top += taken
        left = 8.0
        for layer in self._layers:
            self.places.update({one: (left, heights[one]) for one in layer})
            longest = max(
                (len(self._labels.get(one, "")) for one in layer if isinstance(one, str)), default=0
            )
            self._right.append(left + (12 + round(longest * _LETTER) if longest else 8))
            left = self._right[-1] + _BEND
        return int(left - _BEND + 8), int(tallest)

    def path(self, chosen: Callable[[DagHash, DagHash], bool]) -> str:
        """Return the path of the chosen edges; what several share is drawn once."""
        found: dict[str, None] = {}
        for node, below in self._graph.items():
            for one in below:
                if chosen(node, one):
                    for above, under in self._steps(node, one):
                        found.setdefault(self._bend(above, under))
        return "".join(found)

    def _bend(self, above: _Point, under: _Point) -> str:
        (x, y), (end_x, end_y) = self.places[above], self.places[under]
        if isinstance(above, str):
            label = self._labels.get(above, "")
            x += 12 + round(len(label) * _LETTER) if label else 5
            bend = self._right[self._depth[above]]
        else:
            bend = self._right[above[1]]
        end_x -= 5 if isinstance(under, str) else 0
        half = round((bend + end_x) / 2, 1)
        straight = f"H{bend:g}" if bend > x else ""
        return f"M{x:g} {y:g}{straight}C{half:g} {y:g} {half:g} {end_y:g} {end_x:g} {end_y:g}"
