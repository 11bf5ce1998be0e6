"""The lock files that Spack wrote, against the reference mirror: exactly what is missing, and exactly its causes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.explaining import assert_complete, cover, explain

CASES = ("small", "medium", "other-target", "dep-variant", "dep-version")

pytestmark = pytest.mark.shared


@pytest.fixture(scope="session")
def expected(shared: Path) -> Any:
    return json.loads((shared / "data" / "locks" / "expected.json").read_text(encoding="utf-8"))


def _document(shared: Path, case: str) -> bytes:
    return (shared / "data" / "locks" / case / "spack.lock").read_bytes()


@pytest.mark.parametrize("case", CASES)
def test_coverage_of_a_lock_file_is_exact(shared: Path, judged_file: Path, expected: Any, case: str) -> None:
    found = cover(judged_file, _document(shared, case))
    wanted = expected[case]
    assert len(found.external) == wanted["external"]
    assert found.tally.present == len(found.present) == wanted["present"]
    assert found.tally.total == wanted["nodes"] - wanted["external"]
    missing = {one.spec.hash: f"{one.spec.name}@{one.spec.version}" for one in found.missing}
    assert missing == wanted["missing"]


@pytest.mark.parametrize("case", CASES)
def test_causes_of_a_lock_file_are_exact(shared: Path, judged_file: Path, expected: Any, case: str) -> None:
    report = explain(judged_file, _document(shared, case))
    wanted = expected[case]["causes"]
    assert_complete(report)
    assert {one.spec.hash for one in report.missing} == set(expected[case]["missing"])
    assert [(one.kind.value, one.name) for one in report.causes] == [
        (one["kind"], one["name"]) for one in wanted
    ]
    for found, one in zip(report.causes, wanted, strict=True):
        if "version" in one:
            assert found.version == one["version"]
        if "differences" in one:
            told = [
                {"field": each.field, "wanted": each.wanted, "cached": each.cached}
                for each in found.differences
            ]
            assert told == one["differences"]


def test_a_dependency_that_nothing_is_built_on_is_named_with_what_is_used_in_its_place(
    shared: Path, judged_file: Path
) -> None:
    (cause,) = explain(judged_file, _document(shared, "dep-version")).causes
    assert (
        cause.note
        == "python@3.12.13 is there, but cached python-venv and re2c are built on 3.13.13 and 3.14.5"
    )
    assert len(cause.consequences) == 13
    assert cause.remedy == "packages:\n  python:\n    require: '@3.14.5'"


def test_one_target_throughout_is_one_cause(shared: Path, judged_file: Path) -> None:
    (cause,) = explain(judged_file, _document(shared, "other-target")).causes
    assert len(cause.hashes) == cause.gains == 41
    assert not cause.consequences
    assert cause.remedy == "packages:\n  all:\n    require: target=x86_64_v3"
