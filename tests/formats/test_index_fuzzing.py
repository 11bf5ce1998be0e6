"""Whatever stands in an index, reading it ends in records or in an error of ours."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.formats.samples import CMAKE, GCC, V3, ZLIB, changed, edge, node, opened, read_all, v3_index
from tests.strategies import json_values

_SMALL: dict[str, Any] = {
    "database": {
        "version": "8",
        "installs": {
            ZLIB: {
                "spec": node(
                    package_hash="kdta====",
                    external={"path": "/usr", "module": ["zlib/1"], "extra_attributes": {}},
                    patches=["a" * 64],
                    dependencies=[
                        edge("gcc", GCC, "build", virtuals=("c",)),
                        {"name": "cmake", "hash": CMAKE, "type": ["build"]},
                    ],
                    build_spec={"name": "zlib", "hash": GCC},
                    annotations={"original_specfile_version": 4, "compiler": "gcc@=12"},
                ),
                "in_buildcache": True,
            },
            GCC: {"spec": {"gcc": {**node(), "dependencies": {"a": {"hash": CMAKE}}}}, "ref_count": 1},
            CMAKE: {"spec": node("cmake", compiler={"name": "gcc", "version": "12"})},
        },
    }
}
_PYSTACK = v3_index(V3, "pystack")


def _places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in _places(one, (*path, key)))]


_edits = st.lists(
    st.tuples(st.integers(0, len(_PYSTACK) - 1), st.integers(0, 3), st.binary(max_size=3)),
    min_size=1,
    max_size=6,
)


def _edited(edits: list[tuple[int, int, bytes]]) -> bytes:
    data = bytearray(_PYSTACK)
    for position, removed, inserted in edits:
        data[position : position + removed] = inserted
    return bytes(data)


def _read_values(value: Any) -> None:
    read_all(json.dumps(value).encode())


def _read_with_a_place_changed(place: tuple[str | int, ...], value: Any) -> None:
    read_all(json.dumps(changed(_SMALL, place, value)).encode())


def _read_with_bytes_changed(edits: list[tuple[int, int, bytes]]) -> None:
    read_all(_edited(edits))


_PROPERTIES: dict[str, Callable[[], Callable[..., None]]] = {
    "any JSON": lambda: given(json_values)(_read_values),
    "a place changed": lambda: given(st.sampled_from(_places(_SMALL)), json_values)(
        _read_with_a_place_changed
    ),
    "bytes changed": lambda: given(_edits)(_read_with_bytes_changed),
}
_PATIENT = settings(deadline=None, suppress_health_check=list(HealthCheck))


def test_samples_that_are_changed_can_be_read() -> None:
    assert read_all(json.dumps(_SMALL).encode()) == 3
    assert read_all(_PYSTACK) == len(opened(_PYSTACK)) == 14


@pytest.mark.parametrize("change", _PROPERTIES)
def test_reading_raises_errors_of_ours_alone_for(change: str) -> None:
    settings(_PATIENT, max_examples=200)(_PROPERTIES[change]())()


@pytest.mark.soak
@pytest.mark.parametrize("change", _PROPERTIES)
def test_reading_raises_errors_of_ours_alone_in_long_runs_for(change: str) -> None:
    settings(_PATIENT, max_examples=10_000)(_PROPERTIES[change]())()
