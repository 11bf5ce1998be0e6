"""The highest state that any source gives a spec now, in ``spec``, and in the indexes that are counted by."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "spec",
        sa.Column(
            "presence",
            sa.SmallInteger(),
            nullable=True,
            comment="highest state that a source gives it now; null where none does",
        ),
    )
    spec = sa.table("spec", sa.column("id"), sa.column("presence"))
    presence = sa.table("presence", sa.column("spec_id"), sa.column("state"), sa.column("until"))
    highest = (
        sa.select(sa.func.max(presence.c.state))
        .where(presence.c.spec_id == spec.c.id, presence.c.until.is_(None))
        .scalar_subquery()
    )
    op.execute(sa.update(spec).values(presence=highest))
    for name, columns in _INDEXES.items():
        op.drop_index(name, "spec")
        op.create_index(name, "spec", columns)


_INDEXES = {
    "ix_spec_name": [
        "name_id",
        "version_id",
        "presence",
        "compiler_id",
        "architecture_id",
        "variant_set_id",
    ],
    "ix_spec_architecture": ["architecture_id", "presence", "name_id", "version_id"],
    "ix_spec_variant_set": ["variant_set_id", "presence", "name_id", "version_id"],
}
