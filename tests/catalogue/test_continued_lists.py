"""Lists that are read in parts: together the parts are the list, whatever comes and goes between them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cachescope.catalogue.address import CatalogueAddress
from cachescope.model.errors import UserInputError
from cachescope.model.identity import DagHash, PackageName
from cachescope.model.results import PACKAGE_SORTS, PackagePosition, PackageSummary, SpecSummary
from tests import mirrors
from tests.catalogues import OpenCatalogue


@pytest.fixture
def sample(each_sample: CatalogueAddress) -> Iterator[OpenCatalogue]:
    with OpenCatalogue(each_sample) as opened:
        yield opened


def _in_parts(opened: OpenCatalogue, query: str, limit: int) -> list[DagHash]:
    found: list[SpecSummary] = []
    while True:
        after = found[-1].hash if found else None
        part = opened.reader.search(query, ref=None, stack=None, limit=limit, after=after)
        found += part.specs
        if len(part.specs) < limit:
            assert part.total == len(found)
            return [one.hash for one in found]


@pytest.mark.parametrize(
    ("query", "limit"),
    [("*", 11), ("cr-*", 9), ("cr-zlib", 1), ("^cr-zlib", 4), ("%gcc", 13), ("cr-hdf ^cr-zlib", 1)],
)
def test_parts_of_a_search_are_the_search(sample: OpenCatalogue, query: str, limit: int) -> None:
    whole = sample.reader.search(query, ref=None, stack=None, limit=0)
    assert _in_parts(sample, query, limit) == [one.hash for one in whole.specs]


def _value(package: PackageSummary, sort: str) -> str:
    column = sort.removeprefix("-")
    counts = {"present": package.counts.present, "unstated": package.counts.unstated}
    named = {"name": "", "newest": package.newest_version}
    return str(named.get(column, counts.get(column, getattr(package, column, ""))))


@pytest.mark.parametrize("sort", [*PACKAGE_SORTS, *(f"-{one}" for one in PACKAGE_SORTS)])
def test_parts_of_a_list_of_packages_are_the_list(sample: OpenCatalogue, sort: str) -> None:
    def packages(limit: int, after: PackagePosition | None = None) -> Sequence[PackageSummary]:
        return sample.reader.packages(ref=None, stack=None, limit=limit, sort=sort, after=after).packages

    whole, found = packages(0), list(packages(2))
    while part := packages(2, PackagePosition(found[-1].name, _value(found[-1], sort))):
        found += part
    assert tuple(found) == whole


def test_list_goes_on_behind_what_is_gone(opened: OpenCatalogue, tmp_path: Path) -> None:
    """Neither is what came before repeated, nor is what comes behind left out."""
    nodes = [mirrors.node(name, version) for name in ("a", "b", "c") for version in ("1.0", "2.0")]
    mirrors.write_v3(tmp_path / "mirror", mirrors.index(mirrors.installs(nodes)))
    opened.sync("site", tmp_path / "mirror")
    first = opened.reader.search("*", ref=None, stack=None, limit=3).specs
    assert [(one.name, one.version) for one in first] == [("a", "2.0"), ("a", "1.0"), ("b", "2.0")]
    kept = [one for one in nodes if (one["name"], one["version"]) not in {("b", "2.0"), ("a", "1.0")}]
    mirrors.write_v3(
        tmp_path / "mirror", mirrors.index(mirrors.installs([*kept, mirrors.node("aa"), mirrors.node("ba")]))
    )
    opened.pass_time(1)
    opened.sync_again("site")
    rest = opened.reader.search("*", ref=None, stack=None, limit=0, after=first[-1].hash)
    assert [one.name for one in rest.specs] == ["b", "ba", "c", "c"]
    packages = opened.reader.packages(ref=None, stack=None, after=PackagePosition(PackageName("az"), ""))
    assert [one.name for one in packages.packages] == ["b", "ba", "c"]


def test_specs_of_which_little_is_known_have_their_place(opened: OpenCatalogue, tmp_path: Path) -> None:
    """A page names no version key, a mention no architecture: nulls stand in the order too."""
    nodes = [mirrors.node("a", version, system=system) for version in ("", "1.0") for system in ("", "x")]
    mirrors.write_v3(tmp_path / "mirror", mirrors.index(mirrors.installs(nodes)))
    opened.sync("site", tmp_path / "mirror")
    whole = opened.reader.search("a", ref=None, stack=None, limit=0, mentioned=True)
    assert _in_parts(opened, "a", 1) == [one.hash for one in whole.specs]
    assert len(whole.specs) >= 2


def test_only_a_list_by_name_of_known_specs_can_be_continued(sample: OpenCatalogue) -> None:
    known = sample.reader.search("*", ref=None, stack=None, limit=1).specs[0].hash
    with pytest.raises(UserInputError, match="only a list by name"):
        sample.reader.search("*", ref=None, stack=None, limit=1, sort="hash", after=known)
    with pytest.raises(UserInputError, match="continued no longer"):
        sample.reader.search("*", ref=None, stack=None, limit=1, after=DagHash("a" * 32))
