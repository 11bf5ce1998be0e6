"""The tables of the catalogue. SQLite and PostgreSQL share them; migrations are in ``migrations/``.

A spec never changes under its hash, so it stands once for all mirrors and snapshots. What repeats is interned: names,
versions, architectures, compilers, variant sets, kinds of edges. Presence is an interval, so history costs one row for
each change. Keys are numbers that the writer gives out in its transaction: no table needs a generated key, and bulk
loads know every key beforehand. Times are UTC in microseconds since 1970.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "architecture",
    "archive",
    "archive_kind",
    "compiler",
    "dictionary",
    "document",
    "edge",
    "edge_kind",
    "metadata",
    "mirror",
    "name",
    "named_blob",
    "package_summary",
    "presence",
    "provider",
    "record_form",
    "snapshot",
    "source",
    "spec",
    "spec_record",
    "variant",
    "variant_set",
    "variant_set_member",
    "version",
    "virtual_mirror",
]

metadata = MetaData()

_Position = SmallInteger().with_variant(Integer, "postgresql")
"""SQLite takes any number in any column; PostgreSQL needs no more room for this one."""

# -- where records come from ------------------------------------------------------------------------------------------

mirror = Table(
    "mirror",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("ref", Text, nullable=False),
    Column("stack", Text, nullable=False),
    Column("url", Text, comment="null where only published pages speak of it"),
    Column("probed_at", BigInteger, comment="when all layouts were last asked for"),
    Column("attempted_at", BigInteger, comment="last try that failed before any source was known"),
    Column("reason", Text),
    UniqueConstraint("ref", "stack"),
)

source = Table(
    "source",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("mirror_id", Integer, nullable=False),
    Column("layout", Text, nullable=False),
    Column("view", Text, nullable=False, comment="empty for the default index"),
    Column("url", Text, comment="where it was read, if not at the mirror's address"),
    Column("index_version", Integer),
    Column("present", Integer, nullable=False, default=0),
    Column("mentioned", Integer, nullable=False, default=0),
    Column("unstated", Integer, nullable=False, default=0),
    Column("rejected", Integer, nullable=False, default=0),
    Column("warnings", Text, nullable=False, default="", comment="one a line"),
    Column("snapshot_at", BigInteger),
    Column("attempted_at", BigInteger),
    Column("outcome", Text, nullable=False, default="never"),
    Column("reason", Text),
    UniqueConstraint("mirror_id", "layout", "view"),
)

document = Table(
    "document",
    metadata,
    Column("source_id", Integer, primary_key=True, autoincrement=False),
    Column("scope", Text, primary_key=True, comment="package of a published page, else empty"),
    Column("url", Text, nullable=False, comment="the document that is asked for conditionally"),
    Column("etag", Text, nullable=False),
    Column("last_modified", Text, nullable=False),
    Column("digest", Text, nullable=False, comment="of the index as stored, algorithm:hex"),
    comment="what was read last for a source: lets one ask whether it changed",
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("source_id", Integer, nullable=False),
    Column("scope", Text, nullable=False),
    Column("taken_at", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("records", Integer, nullable=False),
    Index("ix_snapshot_source", "source_id", "taken_at"),
)

# -- what they say ----------------------------------------------------------------------------------------------------

name = Table(
    "name",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False, unique=True),
)

version = Table(
    "version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False, unique=True),
    Column("key", LargeBinary, nullable=False, comment="order-preserving, see query.versions"),
    Index("ix_version_key", "key"),
)

architecture = Table(
    "architecture",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("platform", Text, nullable=False),
    Column("os", Text, nullable=False),
    Column("target", Text, nullable=False),
    UniqueConstraint("platform", "os", "target"),
)

compiler = Table(
    "compiler",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("version_key", LargeBinary, nullable=False),
    UniqueConstraint("name", "version"),
)

variant_set = Table(
    "variant_set",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column(
        "digest", LargeBinary, nullable=False, unique=True, comment="first 16 bytes of the sha256 of the key"
    ),
    Column("key", LargeBinary, nullable=False, comment="JSON of the parameters as it stood"),
    Column("content", LargeBinary, nullable=False, comment="variants and flags, msgpack"),
)

variant = Table(
    "variant",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="bool, single, multi or flag"),
    Column("value", Text, nullable=False, comment="one value; true or false for bool"),
    UniqueConstraint("name", "kind", "value"),
)

variant_set_member = Table(
    "variant_set_member",
    metadata,
    Column("set_id", Integer, primary_key=True, autoincrement=False),
    Column("variant_id", Integer, primary_key=True, autoincrement=False),
    Index("ix_variant_set_member_variant", "variant_id"),
    sqlite_with_rowid=False,
)

spec = Table(
    "spec",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("hash", Text, nullable=False, unique=True),
    Column(
        "knowledge",
        SmallInteger,
        nullable=False,
        comment="0 named by an edge, 1 from a page, 2 from a record",
    ),
    Column("name_id", Integer, nullable=False),
    Column("version_id", Integer),
    Column("architecture_id", Integer),
    Column("compiler_id", Integer),
    Column("variant_set_id", Integer),
    Column("namespace_id", Integer, comment="in name"),
    Column("package_hash", Text),
    Column("build_spec", Text),
    Column("external", SmallInteger, nullable=False, default=0),
    Column("spec_format", SmallInteger, nullable=False),
    Column("verdict", SmallInteger, comment="null where there is no record to recompute"),
    Column(
        "presence", SmallInteger, comment="highest state that a source gives it now; null where none does"
    ),
    Column("form_id", Integer, comment="null where the record itself is kept, or there is none"),
    # Behind what is sought stands what is counted by, so that counting reads no row.
    Index(
        "ix_spec_name",
        "name_id",
        "version_id",
        "presence",
        "compiler_id",
        "architecture_id",
        "variant_set_id",
    ),
    Index("ix_spec_architecture", "architecture_id", "presence", "name_id", "version_id"),
    Index("ix_spec_compiler", "compiler_id", "spec_format", "knowledge"),
    Index("ix_spec_variant_set", "variant_set_id", "presence", "name_id", "version_id"),
)

record_form = Table(
    "record_form",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column(
        "digest",
        LargeBinary,
        nullable=False,
        unique=True,
        comment="first 16 bytes of the sha256 of the content",
    ),
    Column("content", LargeBinary, nullable=False, comment="the text that its records have in common"),
    comment="see model.record_form: with it a record is written out again from its columns",
)

spec_record = Table(
    "spec_record",
    metadata,
    Column("spec_id", Integer, primary_key=True, autoincrement=False),
    Column("dictionary_id", SmallInteger, nullable=False, comment="0 for none"),
    Column("data", LargeBinary, nullable=False, comment="the record as it stood, zstd"),
)

dictionary = Table(
    "dictionary",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
    comment="zstd dictionaries, trained on records",
)

edge_kind = Table(
    "edge_kind",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("deptypes", SmallInteger, nullable=False, comment="build 1, link 2, run 4, test 8"),
    Column("virtuals", Text, nullable=False, comment="sorted, comma-separated"),
    UniqueConstraint("deptypes", "virtuals"),
)

provider = Table(
    "provider",
    metadata,
    Column("virtual", Text, primary_key=True),
    Column("name_id", Integer, primary_key=True, autoincrement=False),
    comment="packages that some edge reaches as this virtual",
)

edge = Table(
    "edge",
    metadata,
    Column("parent_id", Integer, primary_key=True, autoincrement=False),
    Column("position", _Position, primary_key=True, autoincrement=False),
    Column("child_id", Integer, nullable=False),
    Column("kind_id", Integer, nullable=False),
    Index("ix_edge_child", "child_id", "kind_id"),
    sqlite_with_rowid=False,
)

presence = Table(
    "presence",
    metadata,
    Column("source_id", Integer, primary_key=True, autoincrement=False),
    Column("spec_id", Integer, primary_key=True, autoincrement=False),
    Column("since", Integer, primary_key=True, autoincrement=False, comment="snapshot that first had it"),
    Column("until", Integer, comment="snapshot that no longer had it; null while it stands"),
    Column("state", SmallInteger, nullable=False, comment="0 mentioned, 1 unstated, 2 present"),
    Index("ix_presence_spec", "spec_id", "state", "until"),
    sqlite_with_rowid=False,
)

# -- how large binaries are, read when somebody asks ------------------------------------------------------------------

archive_kind = Table(
    "archive_kind",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("media_type", Text, nullable=False, comment="empty where the layout has none"),
    Column("compression", Text, nullable=False),
    Column("algorithm", Text, nullable=False, comment="of the digest"),
    UniqueConstraint("media_type", "compression", "algorithm"),
)

archive = Table(
    "archive",
    metadata,
    Column("source_id", Integer, primary_key=True, autoincrement=False),
    Column("spec_id", Integer, primary_key=True, autoincrement=False),
    Column("state", SmallInteger, nullable=False, comment="0 stated, 1 missing, 2 unreadable, 3 refused"),
    Column("asked_at", BigInteger, nullable=False),
    Column("size", BigInteger, comment="bytes as stored"),
    Column("kind_id", Integer),
    Column("digest", LargeBinary, comment="of the bytes as stored"),
    Column("signed", SmallInteger),
    Column("reason", Text),
    Index("ix_archive_spec", "spec_id"),
    Index("ix_archive_digest", "digest"),
    sqlite_with_rowid=False,
    comment="the same DAG hash in two sources may be other bytes",
)

# -- what every page needs, written with each snapshot --------------------------------------------------------------

package_summary = Table(
    "package_summary",
    metadata,
    Column("ref", Text, primary_key=True, comment="empty for the whole catalogue"),
    Column("stack", Text, primary_key=True, comment="empty for the whole ref"),
    Column("name_id", Integer, primary_key=True, autoincrement=False),
    Column("present", Integer, nullable=False),
    Column("mentioned", Integer, nullable=False),
    Column("unstated", Integer, nullable=False),
    Column("versions", Integer, nullable=False),
    Column("compilers", Integer, nullable=False),
    Column("systems", Integer, nullable=False),
    Column("targets", Integer, nullable=False),
    Column("newest_version_id", Integer),
    Index("ix_package_summary_name", "name_id"),
)

# -- virtual mirrors --------------------------------------------------------------------------------------------------

virtual_mirror = Table(
    "virtual_mirror",
    metadata,
    Column("name", Text, primary_key=True),
    Column("definition", Text, nullable=False, comment="JSON, see catalogue.virtual_definitions"),
    Column("defined_at", BigInteger, nullable=False),
)

named_blob = Table(
    "named_blob",
    metadata,
    Column("spec_id", Integer, primary_key=True, autoincrement=False),
    Column("source_id", Integer, primary_key=True, autoincrement=False),
    Column("algorithm", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True, comment="of the bytes as stored"),
    Column("size", BigInteger, comment="bytes as stored"),
    Column("archive", SmallInteger, nullable=False, comment="1 for the archive of the spec"),
    Index("ix_named_blob_digest", "digest"),
    sqlite_with_rowid=False,
    comment="what served manifests named: no other blob is served",
)
