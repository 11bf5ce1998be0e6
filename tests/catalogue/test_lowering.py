"""A query as SQL and over arrays has the answer of the reference, on catalogues that are drawn at random."""

from collections.abc import Callable
from random import Random

import pytest
from sqlalchemy import ColumnElement, Connection, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.array_lowering import lower_to_arrays
from cachescope.catalogue.engine import open_for_writing
from cachescope.catalogue.lowering import lower
from cachescope.catalogue.reading_arrays import read_arrays
from cachescope.catalogue.scope import Scope, current_presence
from cachescope.catalogue.spec_arrays import SpecArrays
from cachescope.model.errors import QuerySyntaxError
from cachescope.model.identity import DagHash
from cachescope.model.spec import ConcreteSpec, Deptype
from cachescope.query.grammar import parse_query
from cachescope.query.matching import matches
from cachescope.query.spec_query import SpecQuery
from cachescope.query.universe import Universe
from tests.query.generated import concrete, edge_to, random_specs, write_specs
from tests.query.generated_queries import QueryWriter

NewCatalogue = Callable[[], CatalogueAddress]
SEED = 3
_AMONG_FEW = 4
"""Of so many queries one is asked of a part of the catalogue, as the first of a list are."""


def answer(
    connection: Connection, query: SpecQuery, among: ColumnElement[bool] | None = None
) -> tuple[set[DagHash], set[DagHash]]:
    """Return what SQL lets through (of those ``among`` which it is to look), and what of that it is not sure of."""
    lowered = lower(connection, query, among)
    presence = current_presence(Scope(), lowered.condition, *([among] if among is not None else []))
    statement = select(t.spec.c.hash).join(presence, presence.c.spec_id == t.spec.c.id)
    passed = set(connection.execute(statement).scalars())
    if lowered.unsure is None:
        return passed, set()
    return passed, set(connection.execute(statement.where(lowered.unsure)).scalars())


def answer_of_arrays(
    connection: Connection, arrays: SpecArrays, query: SpecQuery
) -> tuple[set[DagHash], set[DagHash]]:
    """Return the same of the arrays: what they let through, and what of that they are not sure of."""
    lowered = lower_to_arrays(connection, arrays, query)
    known = lowered.fulfilling & (arrays.presence >= 0)
    unsure = known & lowered.unsure if lowered.unsure is not None else arrays.none()
    hashes = {row.id: row.hash for row in connection.execute(select(t.spec.c.id, t.spec.c.hash))}
    passed, open_ = ({hashes[key] for key in arrays.ids[some].tolist()} for some in (known, unsure))
    return passed, open_


def drawn_query(writer: QueryWriter) -> tuple[str, SpecQuery]:
    """Draw until a query is none that the language refuses."""
    while True:
        text = writer.query()
        try:
            return text, parse_query(text)
        except QuerySyntaxError:
            continue


def differences(address: CatalogueAddress, random: Random, queries: int) -> tuple[list[str], int]:
    """Draw a catalogue and queries; return the queries whose answers differ, and how many queries matched something."""
    specs = random_specs(random)
    universe, writer = Universe.of(specs), QueryWriter(random, specs)
    found, matched = [], 0
    with open_for_writing(address, busy_timeout=1) as catalogue:
        write_specs(catalogue, specs)
        with catalogue.reading() as connection:
            arrays = read_arrays(connection)
            assert arrays is not None
            for number in range(queries):
                text, query = drawn_query(writer)
                looked_at, among = specs, None
                if number % _AMONG_FEW == 0:
                    looked_at = random.sample(specs, len(specs) // 3)
                    among = t.spec.c.hash.in_([spec.hash for spec in looked_at])
                expected = {spec.hash for spec in looked_at if matches(query, spec, universe)}
                matched += bool(expected)
                passed, unsure = answer(connection, query, among)
                if not passed - unsure <= expected <= passed:
                    found.append(
                        f"{text!r}: too many {sorted(passed - expected)}, too few {sorted(expected - passed)}"
                    )
                passed, unsure = answer_of_arrays(connection, arrays, query)
                passed &= {spec.hash for spec in looked_at}
                if not passed - unsure <= expected <= passed:
                    found.append(
                        f"{text!r}: arrays have too many {sorted(passed - expected)}, too few {sorted(expected - passed)}"
                    )
    return found, matched


def compare(new_catalogue: NewCatalogue, seeds: range, queries: int) -> None:
    matched = 0
    for seed in seeds:
        found, some = differences(new_catalogue(), Random(f"{SEED}/{seed}"), queries)  # noqa: S311 - test data
        assert found == [], f"catalogue {seed}"
        matched += some
    assert matched > len(seeds) * queries / 4, "too few of the drawn queries match anything"


@pytest.mark.parametrize("part", range(8))
def test_sql_and_arrays_have_the_answer_of_the_reference(each_new_catalogue: NewCatalogue, part: int) -> None:
    compare(each_new_catalogue, range(part * 5, part * 5 + 5), queries=50)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(20))
def test_sql_and_arrays_have_the_answer_of_the_reference_in_long_runs(
    each_new_catalogue: NewCatalogue, part: int
) -> None:
    compare(each_new_catalogue, range(1000 + part * 50, 1050 + part * 50), queries=100)


# -- one example of each kind of answer ---------------------------------------------------------------------------------

GCC = concrete("gcc", "13.1.0")
OTHER_GCC = concrete("gcc", "12.2.0", dag_hash="h" * 32)
ZLIB = concrete(
    "zlib", "1.3.1", variants={"shared": True, "odd": ""}, edges=[edge_to(GCC, Deptype.BUILD, "c")]
)
APP = concrete(
    "app",
    "2.0",
    variants={"libs": ()},
    edges=[
        edge_to(ZLIB, Deptype.LINK, "zlib-api"),
        edge_to(OTHER_GCC, Deptype.BUILD, "c"),
        edge_to(GCC, Deptype.BUILD, "cxx"),
        edge_to(concrete("nowhere"), Deptype.LINK, "mpi"),
    ],
)
SPECS = (GCC, OTHER_GCC, ZLIB, APP)


def names_found(
    catalogue_address: CatalogueAddress, text: str, specs: tuple[ConcreteSpec, ...] = SPECS
) -> tuple[set[str], bool]:
    with open_for_writing(catalogue_address, busy_timeout=1) as catalogue:
        write_specs(catalogue, specs)
        with catalogue.reading() as connection:
            found, unsure = answer(connection, parse_query(text))
    return {spec.name for spec in specs if spec.hash in found}, not unsure


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("^zlib+shared", {"app"}),
        ("odd=''", {"zlib"}),
        ("libs=''", set()),
        ("libs=*", {"app"}),
        ("^nowhere", {"app"}),
        ("^mpi", {"app"}),
        ("^nowhere++shared", set()),
        ("nowhere", set()),
        ("^[virtuals=mpi] zlib-api", set()),
        ("^[virtuals=zlib] zlib-api", {"app"}),
        ("^[virtuals=zlib] +shared", {"app"}),
        ("%gcc@13 %gcc", {"app", "zlib"}),
        ("%[when=^zlib] gcc@13 ^zlib", {"app"}),
        ("^[when=^zlib] mpi ^[when=^mpi] zlib", {"app", "gcc", "zlib"}),
        ("mpi", set()),
        ("zlib-api", {"zlib"}),
    ],
)
def test_sql_answers_exactly(catalogue_address: CatalogueAddress, text: str, names: set[str]) -> None:
    assert names_found(catalogue_address, text) == (names, True)


def test_sql_says_when_it_lets_too_many_through(catalogue_address: CatalogueAddress) -> None:
    """Which of two gcc nodes Spack looks at first is for the reference to say, where they differ."""
    other = concrete("gcc", "12.2.0", dag_hash="h" * 32, edges=[edge_to(ZLIB, Deptype.BUILD)])
    app = concrete("app", edges=[edge_to(other, Deptype.LINK), edge_to(GCC, Deptype.BUILD)])
    specs = (GCC, ZLIB, other, app)
    assert names_found(catalogue_address, "app ^gcc %zlib", specs) == ({"app"}, False)


def test_sql_is_sure_of_an_edge_behind_another_where_one_node_has_that_name(
    catalogue_address: CatalogueAddress,
) -> None:
    assert names_found(catalogue_address, "app ^zlib %gcc@13") == ({"app"}, True)
    assert names_found(catalogue_address, "^zlib %gcc@12") == (set(), True)
