"""Summaries are written with the snapshots: after any change they equal a recount of what stands."""

import random
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cachescope.catalogue import summaries
from cachescope.model.identity import PackageName, Ref, Stack
from cachescope.model.record import Presence
from cachescope.query.versions import version_key
from tests import mirrors
from tests.catalogues import SEED_PAGE, V3, OpenCatalogue

NAMES = ("zlib", "hdf5", "curl", "cmake", "py-numpy")
VERSIONS = ("1.2", "1.10", "1.9.3", "develop", "2.0-rc1")
SYSTEMS = ("debian12", "ubuntu24.04")
TARGETS = ("x86_64", "x86_64_v3", "aarch64")
MIRRORS = ("develop/root", "develop/e4s", "v1.0/root", "site/root")
GCC = mirrors.node("gcc", "13.2.0")
LLVM = mirrors.node("llvm", "18.1.8")


class Known(NamedTuple):
    """What a summary counts, of one spec in one scope."""

    name: str
    version: str | None
    compiler: int | None
    system: str | None
    target: str | None
    state: int


class Summary(NamedTuple):
    """One row of the summaries."""

    present: int
    mentioned: int
    unstated: int
    versions: int
    compilers: int
    systems: int
    targets: int
    newest: str | None


def _pool() -> list[mirrors.Node]:
    compilers: tuple[mirrors.Node | None, ...] = (GCC, LLVM, None)
    return [
        mirrors.node(
            name,
            version,
            system=SYSTEMS[number % 2],
            target=TARGETS[number % 3],
            needs=[(compiler, "build", "c")] if compiler else [],
        )
        for number, (name, version, compiler) in enumerate(
            (name, version, compiler) for name in NAMES for version in VERSIONS for compiler in compilers
        )
    ]


POOL = _pool()


def _recount(opened: OpenCatalogue) -> dict[tuple[str, str, str], Summary]:
    """Count again, from what stands in the tables of specs and presence."""
    scopes: dict[tuple[str, str], dict[str, Known]] = defaultdict(dict)
    for ref, stack, dag_hash, *fields in opened.rows(
        """
        SELECT ref, stack, hash, name.text, version.text, compiler_id, os, target, state
        FROM presence JOIN source ON source.id = source_id JOIN mirror ON mirror.id = mirror_id
        JOIN spec ON spec.id = spec_id JOIN name ON name.id = name_id
        LEFT JOIN version ON version.id = version_id LEFT JOIN architecture ON architecture.id = architecture_id
        WHERE until IS NULL
        """
    ):
        known = Known(*fields)
        for scope in ((ref, stack), (ref, ""), ("", "")):
            former = scopes[scope].get(dag_hash)
            if former is None or known.state > former.state:
                scopes[scope][dag_hash] = known
    return {
        (*scope, name): _counted([one for one in specs.values() if one.name == name])
        for scope, specs in scopes.items()
        for name in {one.name for one in specs.values()}
    }


def _counted(specs: list[Known]) -> Summary:
    binaries = [one for one in specs if one.state > Presence.MENTIONED] or specs
    newest = max((one.version for one in binaries if one.version is not None), key=version_key, default=None)

    def having(state: Presence) -> int:
        return sum(one.state == state for one in specs)

    def different(values: Iterable[object]) -> int:
        return len(set(values) - {None})

    return Summary(
        having(Presence.PRESENT),
        having(Presence.MENTIONED),
        having(Presence.UNSTATED),
        different(one.version for one in binaries),
        different(one.compiler for one in binaries),
        different(one.system for one in binaries),
        different(one.target for one in binaries),
        newest,
    )


def _written(opened: OpenCatalogue) -> dict[tuple[str, str, str], Summary]:
    rows = opened.rows(
        """
        SELECT ref, stack, name.text, present, mentioned, unstated, versions, compilers, systems, targets, version.text
        FROM package_summary JOIN name ON name.id = name_id LEFT JOIN version ON version.id = newest_version_id
        """
    )
    return {(row[0], row[1], row[2]): Summary(*row[3:]) for row in rows}


def _counts_of_sources(opened: OpenCatalogue) -> list[tuple[Any, ...]]:
    return opened.rows("SELECT id, present, mentioned, unstated FROM source ORDER BY id")


def _recounted_sources(opened: OpenCatalogue) -> list[tuple[Any, ...]]:
    return opened.rows(
        """
        SELECT source.id, count(CASE state WHEN 2 THEN 1 END), count(CASE state WHEN 0 THEN 1 END),
               count(CASE state WHEN 1 THEN 1 END)
        FROM source LEFT JOIN presence ON source_id = source.id AND until IS NULL GROUP BY source.id ORDER BY 1
        """
    )


def _change(opened: OpenCatalogue, folder: Path, dice: random.Random) -> None:
    name = dice.choice(MIRRORS)
    known = {str(one) for one in opened.reader.mirror_names()}
    if name in known and dice.random() < 0.15:
        opened.remove(name)
        return
    present = dice.sample(POOL, dice.randrange(1, 25))
    mentioned = [one for one in dice.sample(POOL, dice.randrange(10)) if one not in present]
    # Version 5 does not say what is present, so its records are unstated.
    version = dice.choice(("8", "8", "8", "5"))
    document = mirrors.index(mirrors.installs(present, [*mentioned, GCC, LLVM]), version=version)
    place = folder / name
    if dice.random() < 0.3:
        mirrors.write_v2(place, document)
    else:
        mirrors.write_v3(place, document)
    outcomes = opened.sync(name, place, probe=True)
    assert not [one.error for one in outcomes if one.error]


@pytest.fixture(params=[0, 1_000_000], ids=["by arrays", "by SQL"])
def counted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count every scope in one of the two ways, whichever its size."""
    monkeypatch.setattr(summaries, "_MANY_RECORDS", request.param)
    monkeypatch.setattr(summaries, "_SOME_RECORDS", request.param)
    if not request.param:
        monkeypatch.setattr(summaries, "_MANY_NAMES", 0)


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("seed", range(4))
def test_after_random_changes_summaries_equal_a_recount(
    seed: int, opened: OpenCatalogue, tmp_path: Path
) -> None:
    _change_and_recount(opened, tmp_path, seed=seed, changes=12)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 120))
def test_after_many_random_changes_summaries_equal_a_recount(
    seed: int, opened: OpenCatalogue, tmp_path: Path
) -> None:
    _change_and_recount(opened, tmp_path, seed=seed, changes=150)


def _change_and_recount(opened: OpenCatalogue, folder: Path, *, seed: int, changes: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same changes on every run
    for _ in range(changes):
        _change(opened, folder, dice)
        opened.pass_time(days=0.1)
        assert _written(opened) == _recount(opened)
        assert _counts_of_sources(opened) == _recounted_sources(opened)


@pytest.mark.usefixtures("counted")
def test_summaries_of_pages_and_views_equal_a_recount(opened: OpenCatalogue) -> None:
    opened.sync("develop/crafted", V3)
    opened.sync("develop/crafted@science", V3)
    opened.sync_page(SEED_PAGE)
    assert _written(opened) == _recount(opened)
    assert _counts_of_sources(opened) == _recounted_sources(opened)
    opened.remove("develop/root")
    assert _written(opened) == _recount(opened)


def test_a_list_of_packages_is_that_of_the_summaries(opened: OpenCatalogue, tmp_path: Path) -> None:
    first, second = POOL[0], POOL[1]
    mirrors.write_v3(tmp_path / "root", mirrors.index(mirrors.installs([first], [GCC, LLVM])))
    mirrors.write_v3(tmp_path / "e4s", mirrors.index(mirrors.installs([first, second], [GCC, LLVM])))
    opened.sync("develop/root", tmp_path / "root")
    opened.sync("develop/e4s", tmp_path / "e4s")
    whole = opened.reader.packages(ref=Ref("develop"), stack=None)
    assert [(one.name, one.counts.present) for one in whole.packages] == [
        (PackageName("gcc"), 0),
        (PackageName("llvm"), 0),
        (PackageName("zlib"), 2),
    ]
    root = opened.reader.packages(ref=Ref("develop"), stack=Stack("root"), prefix="z")
    assert [(one.name, one.counts.present) for one in root.packages] == [(PackageName("zlib"), 1)]
    (ref,) = opened.reader.refs()
    assert (ref.ref, ref.stacks, ref.counts.present, ref.packages) == ("develop", ("e4s", "root"), 2, 1)
