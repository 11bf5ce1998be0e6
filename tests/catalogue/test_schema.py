"""The migrations make the tables that the code describes."""

import re
from pathlib import Path

import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import cachescope.catalogue.migrations
from cachescope.catalogue.engine import open_for_writing
from cachescope.catalogue.revisions import REVISIONS
from cachescope.catalogue.schema import metadata
from tests.catalogues import Rows, rows

VERSIONS = Path(cachescope.catalogue.migrations.__file__).parent / "versions"


def test_migrations_make_the_schema_that_the_code_describes(catalogue_file: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{catalogue_file}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == []


def test_migrated_tables_have_the_keys_and_options_that_the_code_describes(
    catalogue_file: Path, tmp_path: Path
) -> None:
    described = tmp_path / "described.sqlite"
    engine = sqlalchemy.create_engine(f"sqlite:///{described}")
    metadata.create_all(engine)
    engine.dispose()
    assert _tables(catalogue_file) == _tables(described)


def _tables(file: Path) -> dict[str, tuple[Rows, bool]]:
    """Return columns with their types, defaults and places in the key, and whether there is a row number."""
    statements = rows(
        file, "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'"
    )
    return {
        name: (
            rows(file, 'SELECT name, type, "notnull", pk FROM pragma_table_info(?)', name),
            "WITHOUT ROWID" in sql.upper(),
        )
        for name, sql in statements
    }


def test_revisions_are_the_files_of_the_migrations_in_their_order() -> None:
    files = sorted(VERSIONS.glob("[0-9]*.py"))
    assert tuple(re.match(r"\d+", file.name)[0] for file in files) == REVISIONS  # type: ignore[index] # digits by the glob
    scripts = ScriptDirectory(str(VERSIONS.parent)).walk_revisions()
    assert tuple(one.revision for one in scripts)[::-1] == REVISIONS


def test_a_new_catalogue_is_at_the_newest_revision(catalogue_file: Path) -> None:
    assert rows(catalogue_file, "SELECT version_num FROM alembic_version") == [(REVISIONS[-1],)]


def test_opening_again_changes_nothing(catalogue_file: Path) -> None:
    before = catalogue_file.read_bytes()
    open_for_writing(catalogue_file, busy_timeout=1).close()
    assert catalogue_file.read_bytes() == before
