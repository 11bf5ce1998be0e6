"""Runs migrations on the connection that the catalogue hands over, inside its transaction."""

from alembic import context

from cachescope.catalogue.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=metadata, transactional_ddl=False, render_as_batch=True
)
context.run_migrations()
