"""Original records: written out again by a form (``model.record_form``), or kept.

What is kept is compressed one by one with a dictionary that was trained on records of the first large sync. Records are
small and alike: with a dictionary a record of 1.7 kB takes about 250 bytes, without one about 700.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import repeat

import zstandard
from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update

from cachescope.catalogue import schema as t
from cachescope.catalogue.bulk import bulk_insert, fast_rows
from cachescope.catalogue.compression import Compression
from cachescope.catalogue.summaries import chunks
from cachescope.model.identity import DagHash
from cachescope.model.record_form import RecordForm, dependency_text, kind_text
from cachescope.model.spec import Deptype, EdgeKind
from cachescope.model.spec_records import SpecRecords

__all__ = ["DictionaryKeeper", "RecordKeeper", "RecordReader", "has_record"]

_WORTH_TRAINING = 250
_DICTIONARY_BYTES = 64 * 1024
_NONE = 0


def has_record() -> ColumnElement[bool]:
    """Return that the original of a row of ``spec`` can be read."""
    return or_(t.spec.c.form_id.is_not(None), t.spec.c.id.in_(select(t.spec_record.c.spec_id)))


class DictionaryKeeper:
    """Keeps the dictionary that new records are compressed with, through one write transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        row = connection.execute(
            select(t.dictionary.c.id, t.dictionary.c.data).order_by(t.dictionary.c.id.desc()).limit(1)
        ).one_or_none()
        self.dictionary_id = row.id if row is not None else _NONE
        self.compression = Compression(row.data if row is not None else None)
        """What makes the stored form of a record."""

    @property
    def wants_training(self) -> bool:
        """Whether there is no dictionary yet."""
        return self.dictionary_id == _NONE

    def train(self, samples: Sequence[bytes]) -> None:
        """Make a dictionary from a sample of what is about to be kept; few records are not worth one."""
        if len(samples) < _WORTH_TRAINING:
            return
        try:
            trained = zstandard.train_dictionary(_DICTIONARY_BYTES, [*samples]).as_bytes()
        except zstandard.ZstdError:
            return  # records that have too little in common
        self.dictionary_id = (
            int(self._connection.execute(select(func.max(t.dictionary.c.id))).scalar() or _NONE) + 1
        )
        self._connection.execute(insert(t.dictionary).values(id=self.dictionary_id, data=trained))
        self.compression = Compression(trained)


class RecordKeeper:
    """Keeps records that are not written out again by a form."""

    def __init__(self, connection: Connection, dictionary: DictionaryKeeper) -> None:
        self._connection = connection
        self._dictionary = dictionary
        self._renewed: set[int] = set()
        """Specs that stood before, and that this document told anew."""

    def insert(self, spec_ids: Sequence[int], stored: Sequence[bytes]) -> None:
        """Keep records in their stored form."""
        rows = zip(spec_ids, repeat(self._dictionary.dictionary_id), stored, strict=False)
        bulk_insert(self._connection, t.spec_record, rows)

    def keep_above(self, spec_ids: Sequence[int], records: SpecRecords, *, first: int) -> None:
        """Keep the records of what was read of this document and depends on these specs: some calls them otherwise.

        New specs have keys from ``first`` on. What others told of specs that stood before is not taken from this document.
        """
        for some in chunks(spec_ids):
            parents = self._with_form_above(some)
            read = [key for key in parents if key >= first or key in self._renewed]
            self._keep({key: records.original(parents[key]) for key in read})
        self._renewed.clear()

    def keep_above_renamed(self, spec_ids: Sequence[int], renamed: Sequence[int]) -> None:
        """Keep the records of what depends on specs that are about to get another name, of all that are told anew.

        What depends on them within the document that renames them is looked at behind it.
        """
        self._renewed.update(spec_ids)
        reader = RecordReader(self._connection)
        for some in chunks(renamed):
            parents = [key for key in self._with_form_above(some) if key not in self._renewed]
            for few in chunks(parents):
                self._keep(reader.read(few))

    def _with_form_above(self, spec_ids: Sequence[int]) -> dict[int, DagHash]:
        rows = self._connection.execute(
            select(t.spec.c.id, t.spec.c.hash)
            .join(t.edge, t.edge.c.parent_id == t.spec.c.id)
            .where(t.edge.c.child_id.in_(spec_ids), t.spec.c.form_id.is_not(None))
            .distinct()
        )
        return {key: DagHash(dag_hash) for key, dag_hash in rows}

    def _keep(self, records: Mapping[int, bytes]) -> None:
        self.insert(list(records), self._dictionary.compression(list(records.values())))
        for some in chunks(list(records)):
            self._connection.execute(update(t.spec).where(t.spec.c.id.in_(some)).values(form_id=None))


class RecordReader:
    """Reads records back, as they stood; dictionaries, forms and kinds of edges are loaded once for each reader."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._decompressors: dict[int, zstandard.ZstdDecompressor] = {}
        self._forms: dict[int, RecordForm] = {}

    def read(self, spec_ids: Sequence[int]) -> dict[int, bytes]:
        """Return the records of these specs; those without one are left out. At most 5 statements."""
        rows = self._connection.execute(select(t.spec_record).where(t.spec_record.c.spec_id.in_(spec_ids)))
        found = {row.spec_id: self._decompressor(row.dictionary_id).decompress(row.data) for row in rows}
        rest = [key for key in spec_ids if key not in found]
        return {**found, **self._written_out(rest)} if rest else found

    def _written_out(self, spec_ids: Sequence[int]) -> dict[int, bytes]:
        rows = self._connection.execute(
            select(
                t.spec.c.id,
                t.spec.c.hash,
                t.name.c.text.label("name"),
                t.version.c.text.label("version"),
                t.variant_set.c.key.label("parameters"),
                t.spec.c.package_hash,
                t.spec.c.form_id,
            )
            .join(t.name, t.name.c.id == t.spec.c.name_id)
            .join(t.version, t.version.c.id == t.spec.c.version_id)
            .join(t.variant_set, t.variant_set.c.id == t.spec.c.variant_set_id)
            .where(t.spec.c.id.in_(spec_ids), t.spec.c.form_id.is_not(None))
        ).all()
        if not rows:
            return {}
        self._load_forms({row.form_id for row in rows})
        edges = self._edges([row.id for row in rows])
        return {
            row.id: self._forms[row.form_id].record(
                name=row.name.encode(),
                version=row.version.encode(),
                parameters=row.parameters,
                package_hash=row.package_hash.encode(),
                edges=edges.get(row.id, ()),
                dag_hash=row.hash.encode(),
            )
            for row in rows
        }

    def _edges(self, spec_ids: Sequence[int]) -> dict[int, list[bytes]]:
        found: dict[int, list[bytes]] = {}
        rows = fast_rows(
            self._connection,
            select(t.edge.c.parent_id, t.name.c.text, t.spec.c.hash, t.edge.c.kind_id)
            .join(t.spec, t.spec.c.id == t.edge.c.child_id)
            .join(t.name, t.name.c.id == t.spec.c.name_id)
            .where(t.edge.c.parent_id.in_(spec_ids))
            .order_by(t.edge.c.parent_id, t.edge.c.position),
        )
        for parent, name, dag_hash, kind in rows:
            text = dependency_text(name, dag_hash, self._kinds[kind])
            found.setdefault(parent, []).append(text)
        return found

    @cached_property
    def _kinds(self) -> dict[int, str]:
        rows = self._connection.execute(select(t.edge_kind))
        return {
            row.id: kind_text(EdgeKind(Deptype(row.deptypes), tuple(filter(None, row.virtuals.split(",")))))
            for row in rows
        }

    def _load_forms(self, form_ids: set[int]) -> None:
        for some in chunks(sorted(form_ids - self._forms.keys())):
            rows = self._connection.execute(
                select(t.record_form.c.id, t.record_form.c.content).where(t.record_form.c.id.in_(some))
            )
            self._forms.update({key: RecordForm.of_content(content) for key, content in rows})

    def _decompressor(self, dictionary_id: int) -> zstandard.ZstdDecompressor:
        known = self._decompressors.get(dictionary_id)
        if known is None:
            data = None
            if dictionary_id != _NONE:
                stored = self._connection.execute(
                    select(t.dictionary.c.data).where(t.dictionary.c.id == dictionary_id)
                ).scalar_one()
                data = zstandard.ZstdCompressionDict(stored)
            known = self._decompressors[dictionary_id] = zstandard.ZstdDecompressor(dict_data=data)
        return known
