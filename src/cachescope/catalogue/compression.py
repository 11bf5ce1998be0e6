"""The stored form of one original record. Knows no database, so that the processes that decode can compress as well."""

from collections.abc import Sequence
from functools import cached_property

import zstandard

__all__ = ["Compression"]

_LEVEL = 1
"""Level 3 takes half as long again for 1.5 % less."""

_ALL_CORES = -1
_THIS_THREAD = 0


class Compression:
    """Compresses records one by one, with a dictionary or without; travels to other processes."""

    def __init__(self, dictionary: bytes | None, threads: int = _ALL_CORES) -> None:
        self._dictionary = dictionary
        self._threads = threads

    def __reduce__(self) -> tuple[type["Compression"], tuple[bytes | None, int]]:
        # Where several processes compress, each has a core already.
        return Compression, (self._dictionary, _THIS_THREAD)

    def __call__(self, records: Sequence[bytes]) -> list[bytes]:
        """Return the records in their stored form."""
        if not records:
            return []
        compressed = self._compressor.multi_compress_to_buffer([*records], threads=self._threads)
        return [compressed[position].tobytes() for position in range(len(compressed))]

    @cached_property
    def _compressor(self) -> zstandard.ZstdCompressor:
        if self._dictionary is None:
            return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=False)
        data = zstandard.ZstdCompressionDict(self._dictionary)
        data.precompute_compress(level=_LEVEL)
        return zstandard.ZstdCompressor(dict_data=data, write_checksum=False)
