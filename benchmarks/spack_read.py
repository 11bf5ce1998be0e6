"""Reads an index as Spack itself does, for comparison: ``$SPACK_ROOT/bin/spack python benchmarks/spack_read.py INDEX``.

Prints the seconds of the reading alone, since the process spends some on starting Spack. Source:
``spack.binary_distribution``, ``BinaryCacheIndex``, which reads each fetched index into a ``BuildCacheDatabase``.
"""

import importlib
import json
import sys
import tempfile
import time
from pathlib import Path


def main(index: Path) -> None:
    # By name: Spack is no dependency of ours and is there only when Spack itself runs this file.
    binary_distribution = importlib.import_module("spack.binary_distribution")
    with tempfile.TemporaryDirectory() as root:
        database = binary_distribution.BuildCacheDatabase(root)
        start = time.perf_counter()
        database._read_from_file(index)  # noqa: SLF001 - as Spack's own index cache calls it
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "records": len(database._data)}))  # noqa: SLF001 - no public count


if __name__ == "__main__":
    main(Path(sys.argv[1]))
