"""Forms of records, by which new specs are written out again; records that stand already are kept as they are."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "record_form",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "digest",
            sa.LargeBinary(),
            nullable=False,
            comment="first 16 bytes of the sha256 of the content",
        ),
        sa.Column(
            "content", sa.LargeBinary(), nullable=False, comment="the text that its records have in common"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
        comment="see model.record_form: with it a record is written out again from its columns",
    )
    op.add_column(
        "spec",
        sa.Column(
            "form_id",
            sa.Integer(),
            nullable=True,
            comment="null where the record itself is kept, or there is none",
        ),
    )
