"""How large binaries are: what manifests and spec documents state of archives."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archive_kind",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False, comment="empty where the layout has none"),
        sa.Column("compression", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False, comment="of the digest"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("media_type", "compression", "algorithm"),
    )
    op.create_table(
        "archive",
        sa.Column("source_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("spec_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "state", sa.SmallInteger(), nullable=False, comment="0 stated, 1 missing, 2 unreadable, 3 refused"
        ),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True, comment="bytes as stored"),
        sa.Column("kind_id", sa.Integer(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True, comment="of the bytes as stored"),
        sa.Column("signed", sa.SmallInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("source_id", "spec_id"),
        comment="the same DAG hash in two sources may be other bytes",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_archive_spec", "archive", ["spec_id"])
