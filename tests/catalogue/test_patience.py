"""An answer that takes too long is given up, in both databases; the next one is answered."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.engine import open_for_reading
from cachescope.catalogue.patience import Patience
from cachescope.model.errors import AnswerTooSlow

SHORT = 0.4
"""Seconds: far more than a busy machine takes for one row."""


def _work(connection: Connection, steps: int) -> None:
    counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :steps) SELECT count(*) FROM n"
    assert connection.execute(text(counting), {"steps": steps}).scalar() == steps


def _work_for_ever(connection: Connection) -> None:
    _work(connection, 2_000_000_000)


def test_answer_that_takes_too_long_is_given_up(each_new_catalogue: Callable[[], CatalogueAddress]) -> None:
    with open_for_reading(each_new_catalogue(), busy_timeout=1, patience=Patience(SHORT)) as catalogue:
        with pytest.raises(AnswerTooSlow) as caught, catalogue.reading() as connection:
            _work_for_ever(connection)
        assert caught.value.http_status == 503
        with catalogue.reading() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1


def test_what_is_read_once_a_state_may_take_longer(
    each_new_catalogue: Callable[[], CatalogueAddress],
) -> None:
    with open_for_reading(each_new_catalogue(), busy_timeout=1, patience=Patience(SHORT)) as catalogue:
        with catalogue.reading() as connection:
            catalogue.database.wait(connection)
            _work(connection, 4_000_000)
        with pytest.raises(AnswerTooSlow), catalogue.reading() as connection:
            _work_for_ever(connection)


def test_what_may_take_longer_ends_too_when_nobody_waits(sample_file: Path) -> None:
    patience = Patience(SHORT)
    with (
        open_for_reading(sample_file, busy_timeout=1, patience=patience) as catalogue,
        catalogue.reading() as connection,
    ):
        catalogue.database.wait(connection)
        patience.end()
        with pytest.raises(OperationalError, match="interrupted"):
            _work_for_ever(connection)


def test_nobody_waits_any_more_at_the_end(sample_file: Path) -> None:
    patience = Patience()
    patience.end()
    with (
        open_for_reading(sample_file, busy_timeout=1, patience=patience) as catalogue,
        pytest.raises(AnswerTooSlow),
        catalogue.reading() as connection,
    ):
        _work_for_ever(connection)
