"""Runs one process and writes what it took, for ``measure.py``: ``python -I -S benchmarks/launch.py DESCRIPTOR COMMAND ...``.

A process begins with the memory of the one that starts it, and the kernel counts that in its peak. This one is small, so
that the peak is the process's own. Writes wall seconds, exit status, processor seconds, and the peak in KiB.
"""

import os
import sys
import time


def main(descriptor: int, command: list[str]) -> None:
    start = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - start
    told = (seconds, status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
    os.write(descriptor, " ".join(map(str, told)).encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
