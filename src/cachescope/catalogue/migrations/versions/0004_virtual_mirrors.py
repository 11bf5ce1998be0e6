"""Virtual mirrors: their definitions, and the blobs that served manifests named."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "virtual_mirror",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False, comment="JSON, see catalogue.virtual_definitions"),
        sa.Column("defined_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "named_blob",
        sa.Column("spec_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="of the bytes as stored"),
        sa.Column("size", sa.BigInteger(), nullable=True, comment="bytes as stored"),
        sa.Column("archive", sa.SmallInteger(), nullable=False, comment="1 for the archive of the spec"),
        sa.PrimaryKeyConstraint("spec_id", "source_id", "algorithm", "digest"),
        comment="what served manifests named: no other blob is served",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_named_blob_digest", "named_blob", ["digest"])
    op.create_index("ix_archive_digest", "archive", ["digest"])
