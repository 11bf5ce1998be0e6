"""The dependencies of a spec as a picture: layers from left to right by the longest way from the spec.

To about 20 nodes it shows all of them, what is only needed to build by dashed lines; to 60 what is needed on the host, each
with its name; to 260 the same with names for the first layer and for what many need, and without lines that longer ways
imply; beyond, bars of how many nodes each layer has. The tree beside it always says the same as text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cachescope.model.identity import DagHash
from cachescope.model.results import SpecReport
from cachescope.model.spec import RUNTIME
from cachescope.present.dependency_tree import children_of

__all__ = ["DagPicture", "Dot", "Layer", "dag_picture"]

_ALL, _NAMED, _DOTS = 20, 60, 260
_MANY_PARENTS = 3
_LETTER = 7.3
"""Width of a letter of the label, in pixels."""

_MOST_NAMED = 10
_LONGEST_LABEL = 28

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
    shown = graph if len(graph) <= _NAMED else _reduced(graph)
    labels = {
        node: names[node][:_LONGEST_LABEL]
        for node in graph
        if len(graph) <= _NAMED or depth[node] < 2 or parents.get(node, 0) >= _MANY_PARENTS  # noqa: PLR2004 - root and first layer
    }
    row = 24 if len(graph) <= _ALL else 18 if len(graph) <= _NAMED else 15
    places, width, height = _places(shown, depth, labels, row)
    lines: list[str] = []
    dashed: list[str] = []
    for node, below in shown.items():
        for one in below:
            is_run = one in runtime.get(node, ())
            (lines if is_run else dashed).append(_curve(places[node], places[one], labels.get(node, "")))
    return DagPicture(
        width=width,
        height=height,
        lines="".join(lines),
        dashed="".join(dashed),
        dots=tuple(
            Dot(*places[node], names[node], labels.get(node, ""), node == root)
            for node in sorted(places, key=lambda one: places[one])
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


def _places(
    graph: _Graph, depth: Mapping[DagHash, int], labels: Mapping[DagHash, str], row: int
) -> tuple[dict[DagHash, tuple[float, float]], int, int]:
    """Return where each node stands, and the size of the whole."""
    layers: list[list[DagHash]] = [[] for _ in range(max(depth.values()) + 1)]
    for node in graph:
        layers[depth[node]].append(node)
    above: dict[DagHash, list[DagHash]] = {}
    for node, below in graph.items():
        for one in below:
            above.setdefault(one, []).append(node)
    tallest = max(map(len, layers)) * row
    heights: dict[DagHash, float] = {}
    for layer in layers:
        if heights:
            # Near to what needs it, so that few lines cross.
            layer.sort(key=lambda node: sum(heights[one] for one in above[node]) / len(above[node]))
        top = (tallest - len(layer) * row) / 2
        for place, node in enumerate(layer):
            heights[node] = round(top + (place + 0.5) * row, 1)
    places, left = {}, 8.0
    for layer in layers:
        for node in layer:
            places[node] = (left, heights[node])
        longest = max((len(labels.get(node, "")) for node in layer), default=0)
        left += round(longest * _LETTER) + 64 if longest else 56
    return places, int(left), tallest


def _curve(start: tuple[float, float], end: tuple[float, float], label: str) -> str:
    x, y = start
    x += 6 if not label else 12 + round(len(label) * _LETTER)
    half = (x + end[0]) / 2
    return f"M{x:g} {y:g}C{half:g} {y:g} {half:g} {end[1]:g} {end[0] - 6:g} {end[1]:g}"
