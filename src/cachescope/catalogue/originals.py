"""Original records, compressed one by one with a dictionary that was trained on records of the first large sync.

Records are small and alike: with a dictionary a record of 1.7 kB takes about 250 bytes, without one about 700.
"""

from collections.abc import Callable, Sequence

import zstandard
from sqlalchemy import Connection, func, insert, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.compression import Compression
from cachescope.model.identity import DagHash

__all__ = ["DictionaryKeeper", "RecordReader"]

_WORTH_TRAINING = 500
_SAMPLES = 500
_DICTIONARY_BYTES = 64 * 1024
_NONE = 0


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

    def train(self, hashes: Sequence[DagHash], record: Callable[[DagHash], bytes]) -> None:
        """Make a dictionary from a sample of what is about to be written; few records are not worth one."""
        if len(hashes) < _WORTH_TRAINING:
            return
        step = max(1, len(hashes) // _SAMPLES)
        try:
            trained = zstandard.train_dictionary(
                _DICTIONARY_BYTES, [record(one) for one in hashes[::step]]
            ).as_bytes()
        except zstandard.ZstdError:
            return  # records that have too little in common
        self.dictionary_id = (
            int(self._connection.execute(select(func.max(t.dictionary.c.id))).scalar() or _NONE) + 1
        )
        self._connection.execute(insert(t.dictionary).values(id=self.dictionary_id, data=trained))
        self.compression = Compression(trained)


class RecordReader:
    """Reads records back; dictionaries are loaded once for each reader."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._decompressors: dict[int, zstandard.ZstdDecompressor] = {}

    def read(self, spec_ids: Sequence[int]) -> dict[int, bytes]:
        """Return the records of these specs; those without one are left out."""
        rows = self._connection.execute(select(t.spec_record).where(t.spec_record.c.spec_id.in_(spec_ids)))
        return {row.spec_id: self._decompressor(row.dictionary_id).decompress(row.data) for row in rows}

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
