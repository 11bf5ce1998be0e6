"""Original records, compressed one by one with a dictionary that was trained on records of the first large sync.

Records are small and alike: with a dictionary a record of 1.7 kB takes about 250 bytes, without one about 700.
"""

from collections.abc import Callable, Iterator, Sequence

import zstandard
from sqlalchemy import Connection, func, insert, select

from cachescope.catalogue import schema as t
from cachescope.model.identity import DagHash

__all__ = ["RecordCompressor", "RecordReader"]

_LEVEL = 3
_WORTH_TRAINING = 500
_SAMPLES = 500
_DICTIONARY_BYTES = 64 * 1024
_NONE = 0


class RecordCompressor:
    """Compresses the records of one write transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        row = connection.execute(
            select(t.dictionary.c.id, t.dictionary.c.data).order_by(t.dictionary.c.id.desc()).limit(1)
        ).one_or_none()
        self._dictionary_id = row.id if row is not None else _NONE
        self._compressor = self._make(row.data if row is not None else None)

    @property
    def wants_training(self) -> bool:
        """Whether there is no dictionary yet."""
        return self._dictionary_id == _NONE

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
        self._dictionary_id = (
            int(self._connection.execute(select(func.max(t.dictionary.c.id))).scalar() or _NONE) + 1
        )
        self._connection.execute(insert(t.dictionary).values(id=self._dictionary_id, data=trained))
        self._compressor = self._make(trained)

    def rows(self, spec_ids: Sequence[int], records: Sequence[bytes]) -> Iterator[tuple[int, int, bytes]]:
        """Return the rows of ``spec_record`` for records; they are compressed on all cores."""
        if not records:
            return
        compressed = self._compressor.multi_compress_to_buffer([*records], threads=-1)
        for position, spec_id in enumerate(spec_ids):
            yield spec_id, self._dictionary_id, compressed[position].tobytes()

    @staticmethod
    def _make(dictionary: bytes | None) -> zstandard.ZstdCompressor:
        if dictionary is None:
            return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=False)
        data = zstandard.ZstdCompressionDict(dictionary)
        data.precompute_compress(level=_LEVEL)
        return zstandard.ZstdCompressor(dict_data=data, write_checksum=False)


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
