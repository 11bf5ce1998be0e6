"""From text to ``SpecQuery``.

::

    spec       = [node] { dep }                       exactly one spec
    node       = [name | "*"] { attr }                name may be namespaced: builtin.zlib
    attr       = version | bool | pair | hash
    version    = "@" item { "," item }                item = V | "=" V | [V] ":" [V] | git form
    bool       = ("+" | "~" | "-") name               propagated: "++" "~~" "--"
    pair       = name ("=" | ":=") value              propagated: "==" or ":=="
    dep        = ("^" | "%" | "%%") [properties] [virtuals "="] node
    properties = "[" { ("deptypes" | "virtuals" | "when") "=" value } "]"

``^x`` belongs to the spec, ``%x`` to the nearest node before it that is the spec itself or behind ``^``; attributes behind a
dependency belong to that dependency. Source: Spack 1.2 ``spec_parser``. Names of files, which Spack would read, are refused.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from cachescope.model.errors import QuerySyntaxError
from cachescope.model.spec import FLAG_NAMES, Deptype
from cachescope.query.combining import NodeBuilder, merge_nodes
from cachescope.query.spec_query import DependencyQuery, NodeQuery, Sigil, SpecQuery
from cachescope.query.tokens import Token, tokenize

__all__ = ["LEGACY_COMPILERS", "empty_query", "parse_query"]

LEGACY_COMPILERS = {
    "clang": "llvm",
    "oneapi": "intel-oneapi-compilers",
    "rocmcc": "llvm-amdgpu",
    "intel": "intel-oneapi-compilers-classic",
    "arm": "acfl",
}
"""Names of compilers before Spack 1.0, which were not the names of their packages."""

_PROPERTIES = ("deptypes", "virtuals", "when")
_DEPTYPES = {"build": Deptype.BUILD, "link": Deptype.LINK, "run": Deptype.RUN, "test": Deptype.TEST}
_DEEPEST = 4


def parse_query(text: str) -> SpecQuery:
    """Parse one spec query. Raises ``QuerySyntaxError`` with the span of what is wrong."""
    return _parse(text, depth=0)


def empty_query(text: str = "") -> QuerySyntaxError:
    """Return the error of a query that asks nothing."""
    return QuerySyntaxError(
        "the query is empty", query=text, start=0, end=len(text), hint="for example: hdf5@1.14 +mpi"
    )


def _parse(text: str, depth: int) -> SpecQuery:
    parser = _Parser(text, tokenize(text), depth)
    if not parser.tokens:
        raise empty_query(text)
    return parser.spec()


class _Parser:
    def __init__(self, text: str, tokens: Sequence[Token], depth: int) -> None:
        self.text = text
        self.tokens = tokens
        self._depth = depth
        self._place = 0

    # -- the spec and its dependencies ---------------------------------------------------------------------------

    def spec(self) -> SpecQuery:
        root = self._node()
        edges: list[DependencyQuery] = []
        ignored: list[DependencyQuery] = []
        behind: int | None = None  # place in 'edges' of the '^' edge that a '%' belongs to
        repeated = False  # whether that one was named before: Spack forgets what is asked below it
        while (token := self._peek()) is not None and token.kind in {"edge_open", "sigil"}:
            edge = self._dependency()
            if edge.sigil == "^":
                known = len(edges)
                behind = self._add(edges, edge, token)
                repeated = behind < known
            elif behind is None:
                self._add(edges, edge, token)
            elif repeated:
                ignored.append(edge)
            else:
                below = list(edges[behind].direct)
                self._add(below, edge, token)
                edges[behind] = replace(edges[behind], direct=tuple(below))
        if token is not None:
            self._fail(
                "a second spec begins here, where one is wanted",
                token,
                hint="quote the query; ask one spec at a time",
            )
        return SpecQuery(node=root, dependencies=tuple(edges), ignored=tuple(ignored))

    def _dependency(self) -> DependencyQuery:
        token = self._next()
        sigil: Sigil = "^" if token.text[0] == "^" else "%%" if token.text.startswith("%%") else "%"
        deptypes, virtuals, when = Deptype(0), token.virtuals, None
        provider, provider_start = token.provider, token.end - len(token.provider)
        if token.kind == "edge_open":
            deptypes, virtuals, when, closing = self._properties()
            provider, provider_start = closing.provider, closing.end - len(closing.provider)
        if provider:
            kind = "dotted_name" if "." in provider else "name"
            node = self._node(Token(kind, provider, provider_start))
        else:
            if sigil != "^" and token.kind == "sigil" and self._peek() is None:
                self._fail("a package or compiler is expected behind '%'", token, hint="for example %gcc@12")
            node = self._node()
        if sigil != "^" and node.name in LEGACY_COMPILERS:
            node = replace(node, name=LEGACY_COMPILERS[node.name])
        return DependencyQuery(
            sigil=sigil, node=node, deptypes=deptypes, virtuals=tuple(dict.fromkeys(virtuals)), when=when
        )

    def _properties(self) -> tuple[Deptype, tuple[str, ...], SpecQuery | None, Token]:
        deptypes = Deptype(0)
        virtuals: tuple[str, ...] = ()
        when: SpecQuery | None = None
        while True:
            token = self._peek()
            if token is None:
                last = self.tokens[-1]
                raise QuerySyntaxError(
                    "']' is missing",
                    query=self.text,
                    start=last.end,
                    end=last.end + 1,
                    hint="close the edge properties",
                )
            self._next()
            if token.kind == "edge_close":
                return deptypes, (*virtuals, *token.virtuals), when, token
            if token.kind != "pair":
                self._fail(
                    "an edge property is expected here",
                    token,
                    hint="known are deptypes=, virtuals= and when=",
                )
            name, _, value = token.text.partition("=")
            name, value = name.removesuffix(":"), _unquoted(value).strip()
            if name == "deptypes":
                deptypes = self._deptypes(value, token)
            elif name == "virtuals":
                virtuals = tuple(value.split(","))
            elif name == "when":
                when = self._condition(value, token)
            else:
                self._fail(
                    f"{name!r} is not an edge property", token, hint=f"known are {', '.join(_PROPERTIES)}"
                )

    def _deptypes(self, value: str, token: Token) -> Deptype:
        found = Deptype(0)
        for one in value.split(","):
            if one in _DEPTYPES:
                found |= _DEPTYPES[one]
            else:
                self._fail(
                    f"{one!r} is not a dependency type",
                    token,
                    hint="known are build, link, run and test",
                )
        return found

    def _condition(self, value: str, token: Token) -> SpecQuery:
        if self._depth >= _DEEPEST:
            self._fail("conditions are nested too deeply", token)
        try:
            return _parse(value.split(",", maxsplit=1)[0], self._depth + 1)
        except QuerySyntaxError as error:
            self._fail(f"the condition cannot be read: {error.message}", token, hint=error.hint)

    def _add(self, edges: list[DependencyQuery], edge: DependencyQuery, token: Token) -> int:
        """Add an edge; one more to the same package with the same types and condition asks more of the first one."""
        for place, known in enumerate(edges):
            if edge.node.name is None or known.node.name != edge.node.name:
                continue
            if known.deptypes == edge.deptypes and known.when == edge.when:
                try:
                    node = merge_nodes(known.node, edge.node)
                except ValueError as error:
                    self._fail(f"{edge.node.name} is asked for twice: {error}", token)
                virtuals = tuple(dict.fromkeys((*known.virtuals, *edge.virtuals)))
                edges[place] = replace(known, node=node, virtuals=virtuals)
                return place
            if known.when == edge.when and not _separable(known.deptypes, edge.deptypes):
                self._fail(f"{edge.node.name} is asked for twice, with conflicting dependency types", token)
        edges.append(edge)
        return len(edges) - 1

    # -- one node --------------------------------------------------------------------------------------------------

    def _node(self, named: Token | None = None) -> NodeQuery:
        """Parse a node; ``named`` is a name that was written with its virtuals (``%c=gcc``)."""
        builder = NodeBuilder()
        first = named or self._peek()
        if first is not None and first.kind in {"name", "dotted_name", "file"}:
            if named is None:
                self._next()
            if first.kind == "file":
                self._fail(
                    "this is the name of a file, which is not read here", first, hint="write the spec itself"
                )
            if first.text != "*":
                namespace, _, name = first.text.rpartition(".")
                builder.name, builder.namespace = name, namespace or None
        while (token := self._peek()) is not None and self._attribute(builder, token):
            pass
        return builder.build()

    def _attribute(self, builder: NodeBuilder, token: Token) -> bool:
        """Take one attribute; False if the token is none."""
        try:
            match token.kind:
                case "version":
                    builder.add_version(token.text[1:])
                case "bool":
                    builder.add_variant(token.text[1:].strip(), value=token.text[0] == "+")
                case "propagated_bool":
                    builder.add_variant(token.text[2:].strip(), value=token.text[0] == "+", propagate=True)
                case "pair" | "propagated_pair":
                    self._pair(builder, token)
                case "hash":
                    if builder.hash is not None:
                        return False  # a second hash begins a second spec
                    builder.hash = token.text[1:]
                case _:
                    return False
        except ValueError as error:
            self._fail(str(error), token)
        self._next()
        return True

    @staticmethod
    def _pair(builder: NodeBuilder, token: Token) -> None:
        propagate = token.kind == "propagated_pair"
        name, _, value = token.text.partition("==" if propagate else "=")
        exact = name.endswith(":")
        name, value = name.removesuffix(":"), _unquoted(value)
        if name in FLAG_NAMES:
            builder.add_flags(name, value)
        elif not builder.add_reserved(name, value, propagate=propagate):
            builder.add_variant_text(name, value, exact=exact, propagate=propagate)

    # -- tokens ----------------------------------------------------------------------------------------------------

    def _peek(self) -> Token | None:
        return self.tokens[self._place] if self._place < len(self.tokens) else None

    def _next(self) -> Token:
        token = self.tokens[self._place]
        self._place += 1
        return token

    def _fail(self, message: str, token: Token, *, hint: str = "") -> NoReturn:
        raise QuerySyntaxError(message, query=self.text, start=token.start, end=token.end, hint=hint)


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
        return value[1:-1].replace(f"\\{value[0]}", value[0])
    return value


def _separable(one: Deptype, two: Deptype) -> bool:
    """Say whether a package may be asked for twice with these types: once to build, once to link or run."""
    to_run = Deptype.LINK | Deptype.RUN
    return not one & two and not (one & to_run and two & to_run)
