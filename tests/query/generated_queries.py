"""Queries in Spack's language, drawn from the words of the specs that they will be asked of."""

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random

from cachescope.model.errors import QuerySyntaxError
from cachescope.model.identity import DagHash
from cachescope.model.spec import Architecture, ConcreteSpec, DependencyEdge, Deptype, deptype_names
from cachescope.query.grammar import parse_query

_BARE = re.compile(r"[a-zA-Z_0-9\-+*.,:%^~/\\]+")
_TARGETS = ("x86_64", "x86_64_v2", "x86_64_v3", "x86_64_v4", "haswell", "zen2", "icelake", "aarch64")
_MOSTLY, _OFTEN, _SELDOM = 0.8, 0.4, 0.12


class QueryWriter:
    """Draws queries about some specs; most constraints are taken from a spec, the others from a stranger."""

    def __init__(
        self, random: Random, specs: Sequence[ConcreteSpec], *, targets: Sequence[str] = _TARGETS
    ) -> None:
        self._random = random
        self._specs = specs
        self._by_hash: Mapping[DagHash, ConcreteSpec] = {one.hash: one for one in specs}
        self._virtuals = sorted({one for spec in specs for edge in spec.edges for one in edge.kind.virtuals})
        self._targets = targets

    def query(self) -> str:
        """Draw one query; it may be one that is refused."""
        random = self._random
        spec = random.choice(self._specs)
        if self._virtuals and random.random() < _SELDOM / 2:
            text = random.choice(self._virtuals) + random.choice(("", "@3", "+shared"))
        else:
            text = self._node(spec, named=random.random() < _MOSTLY)
        parts = [text]
        if random.random() < _MOSTLY:
            parts += [self._dependency(spec) for _ in range(random.choice((1, 1, 1, 2, 3)))]
        return random.choice((" ", "  ")).join(part for part in parts if part).strip() or "*"

    # -- nodes -----------------------------------------------------------------------------------------------------

    def _node(self, spec: ConcreteSpec, *, named: bool, most: int = 3) -> str:
        random = self._random
        text = spec.name if named else random.choice(("", "", "*"))
        if named and random.random() < _SELDOM:
            text = f"{spec.namespace or 'builtin'}.{text}"
        if text == "*":
            return text
        asked: list[Callable[[ConcreteSpec], str]] = [
            self._version,
            self._variant,
            self._variant,
            self._variant,
            self._architecture,
            self._architecture,
            self._flags,
            self._hash,
            self._namespace,
        ]
        for one in random.sample(asked, random.choice((0, 1, 1, 2, most))):
            source = spec if random.random() < _MOSTLY else random.choice(self._specs)
            text += one(source)
        return text.strip()

    def _version(self, spec: ConcreteSpec) -> str:
        random, version = self._random, spec.version
        other = random.choice(self._specs).version
        git = version.startswith("git.") or "=" in version
        if git and random.random() < _OFTEN:
            return "@" + random.choice((version, version.partition("=")[0]))
        version, other = version.rpartition("=")[2], other.rpartition("=")[2]
        if version.startswith("git."):
            version = "develop"
        if other.startswith("git."):
            other = "main"
        short = re.split(r"[.\-]", version)[0]
        listed = ",".join(
            random.sample([f"={version}", other, f"{short}:", f":{other}", f"{other}:{other}"], 2)
        )
        forms = [version, f"={version}", short, f":{version}", f"{version}:", f"{short}:{version}", listed]
        forms += [f"{version}:{other}", f":{other}", f"{other}:", f" {version} , {other}", ":"]
        return "@" + random.choice(forms)

    def _variant(self, spec: ConcreteSpec) -> str:
        random = self._random
        variants = spec.variants.variants
        if random.random() < _SELDOM:
            variants = tuple(one for dag in self._below(spec) for one in dag.variants.variants) or variants
        if not variants or random.random() < _SELDOM / 2:
            return random.choice(("+nosuch", "~nosuch", " nosuch=*", " nosuch=x", "++nosuch"))
        name, value = random.choice(variants)
        if random.random() < _SELDOM:
            return f" {name}{random.choice(('=', '=='))}*"
        if isinstance(value, bool):
            if random.random() < _SELDOM:
                value = not value
            signs = ("+", "++", " +") if value else ("~", "~~", " -", "--")
            return random.choice((*(f"{sign}{name}" for sign in signs[:3]), f" {name}={str(value).title()}"))
        values = (value,) if isinstance(value, str) else value
        chosen = random.sample(values, random.randint(min(1, len(values)), len(values)))
        if random.random() < _SELDOM:
            chosen.append(random.choice(("none", "shared", "Release")))
        if name == "patches":
            chosen = [one[: random.choice((1, 3, 7, 64))] for one in chosen]
        sign = random.choice(("=", "=", "=", ":=", ":=", "==", ":=="))
        return f" {name}{sign}{quoted(','.join(chosen))}"

    def _flags(self, spec: ConcreteSpec) -> str:
        random = self._random
        if not spec.variants.flags:
            return random.choice((" cflags=-O2", " ldflags='-Wl,-z -g'", "", "", ""))
        name, items = random.choice(spec.variants.flags)
        chosen = random.sample(items, random.randint(1, len(items)))
        return f" {name}{random.choice(('=', '=='))}{quoted(' '.join(chosen))}"

    def _architecture(self, spec: ConcreteSpec) -> str:
        arch, random = spec.architecture, self._random
        forms = [f"os={arch.os}", f"platform={arch.platform}", f"target={arch.target}", f"arch={arch}"]
        forms += [self._target(arch), self._target(arch), random.choice(("os=*", "platform=*", "target=*"))]
        return " " + random.choice(forms)

    def _target(self, arch: Architecture) -> str:
        low, high = self._random.choices((arch.target, *self._targets), k=2)
        forms = [f"{low}:", f":{high}", f"{low}:{high}", f"{low},{high}", f":{low},{high}:", ":"]
        return f"target={self._random.choice(forms)}"

    def _hash(self, spec: ConcreteSpec) -> str:
        length = self._random.choice((1, 2, 3, 4, 7, 32))
        return f" /{spec.hash[:length]}" if self._random.random() < _OFTEN else ""

    def _namespace(self, spec: ConcreteSpec) -> str:
        known = spec.namespace or "site"
        return (
            f" namespace={self._random.choice((known, known, 'other'))}"
            if self._random.random() < _OFTEN
            else ""
        )

    # -- edges -----------------------------------------------------------------------------------------------------

    def _dependency(self, spec: ConcreteSpec) -> str:
        random = self._random
        if random.random() < 0.5:
            return self._direct(spec)
        below = self._below(spec)[1:]
        end = random.choice(below) if below and random.random() < _MOSTLY else random.choice(self._specs)
        edges = [edge for one in self._below(spec) for edge in one.edges if edge.hash == end.hash]
        text = f"^{self._properties(edges[0].kind.virtuals if edges else ())}{self._end(end, edges)}"
        if random.random() < _OFTEN:
            text += f" {self._direct(end)}"
        return text

    def _direct(self, spec: ConcreteSpec) -> str:
        random = self._random
        sigil = "%%" if random.random() < _SELDOM / 2 else "%"
        known = [edge for edge in spec.edges if edge.hash in self._by_hash]
        if spec.compiler is not None and (not known or random.random() < _OFTEN):
            version = random.choice(("", f"@{spec.compiler.version}:", f"@{spec.compiler.version}"))
            return f"{sigil}{spec.compiler.name}{version.removesuffix(':') if version == '@:' else version}".rstrip(
                "@"
            )
        if not known or random.random() < _SELDOM:
            return f"{sigil}{self._node(random.choice(self._specs), named=random.random() < _MOSTLY, most=2) or '*'}"
        edge = random.choice(known)
        end = self._by_hash[edge.hash]
        if edge.kind.virtuals and random.random() < _OFTEN:
            virtuals = random.sample(edge.kind.virtuals, random.randint(1, len(edge.kind.virtuals)))
            virtuals += random.sample(self._virtuals, 1) if random.random() < _SELDOM else []
            return f"{sigil}{','.join(virtuals)}={self._node(end, named=True, most=1)}"
        return f"{sigil}{self._properties(edge.kind.virtuals, edge.kind.deptypes)}{self._end(end, [edge])}"

    def _end(self, spec: ConcreteSpec, edges: Sequence[DependencyEdge]) -> str:
        random = self._random
        virtuals = [one for edge in edges for one in edge.kind.virtuals]
        if virtuals and random.random() < _OFTEN:
            return random.choice(virtuals) + random.choice(("", "", "@2", "+shared"))
        return self._node(spec, named=random.random() < _MOSTLY, most=2) or "*"

    def _properties(self, virtuals: Sequence[str], types: Deptype = Deptype.LINK) -> str:
        random = self._random
        if random.random() > _OFTEN / 2:
            return ""
        parts = []
        if virtuals and random.random() < _MOSTLY:
            parts.append(f"virtuals={','.join(random.sample(virtuals, random.randint(1, len(virtuals))))}")
        if random.random() < _OFTEN:
            names = deptype_names(types)
            parts.append(f"deptypes={','.join(random.sample(names, random.randint(1, len(names))))}")
        if random.random() < _OFTEN:
            condition = self._node(random.choice(self._specs), named=random.random() < _OFTEN, most=1)
            condition = condition.split(",", maxsplit=1)[0].replace("'", "").replace('"', "")
            parts.append(f"when='{condition or '*'}'")
        return f"[{' '.join(parts)}] " if parts else ""

    def _below(self, spec: ConcreteSpec) -> list[ConcreteSpec]:
        """Return the spec and what is known of its DAG, nearest first."""
        found, seen = [spec], {spec.hash}
        for one in found:
            for edge in one.edges:
                child = self._by_hash.get(edge.hash)
                if child is not None and edge.hash not in seen:
                    seen.add(edge.hash)
                    found.append(child)
        return found


def quoted(value: str) -> str:
    """Write a value so that the language reads it back, with quotes where it needs them."""
    if _BARE.fullmatch(value):
        return value
    if "'" not in value:
        return f"'{value}'"
    escaped = value.replace('"', '\\"')
    return f'"{escaped}"'


def says_the_same(text: str) -> bool:
    """Say whether the canonical text of a query is read as the same query; True also for one that is refused."""
    try:
        query = parse_query(text)
    except QuerySyntaxError:
        return True
    return parse_query(str(query)) == query
