"""The API against its own description: schemathesis makes requests out of the OpenAPI document, good and bad ones.

The application runs whole over the bundled sample. What is made is the same on every run.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from cachescope.web.limits import RequestLimits
from cachescope.web.operations import OPERATIONS, Operation
from tests.catalogues import OpenCatalogue
from tests.web.api_examples import sample_app
from tests.web.conftest import read_sample

_EXAMPLES = 8
"""Of each operation and sort of request."""


_BEYOND_SCHEMAS = {"q", "cursor", "hash", "other_hash", "first", "second"}
"""What a schema cannot tell apart: queries by their grammar, cursors of other lists, beginnings of several hashes, names."""

_CASES = [
    pytest.param(one, mode, id=f"{one.name}-{mode.name.lower()}")
    for one in OPERATIONS.values()
    for mode in GenerationMode
    # Without anything to ask there is nothing to ask badly.
    if mode is GenerationMode.POSITIVE or one.path or one.query
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with OpenCatalogue(tmp_path_factory.mktemp("sample") / "catalogue.sqlite") as opened:
        read_sample(opened)
        # A text that is too long for its parameter is to be refused for that, not for the length of the address.
        limits = RequestLimits(address=10**6)
        yield schemathesis.openapi.from_asgi(
            "/api/v1/openapi.json", sample_app(opened, request_limits=limits)
        )


@pytest.mark.parametrize(("described", "mode"), _CASES)
def test_answers_are_as_the_document_says(api: Any, described: Operation, mode: GenerationMode) -> None:
    operation = api.find_operation_by_id(described.name)
    beyond = bool(_BEYOND_SCHEMAS & {*described.path, *described.query} or described.body)

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=_EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(excluded_checks=[positive_data_acceptance] if beyond else [])

    check()
