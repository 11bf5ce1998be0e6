"""Importing a module opens nothing and reads no environment."""

import pkgutil
import subprocess
import sys

import cachescope.transport

MODULES = [one.name for one in pkgutil.iter_modules(cachescope.transport.__path__, "cachescope.transport.")]

# What others open while they are imported is not ours to judge (urllib3 binds a socket to learn of IPv6).
GUARDED = """
import asyncio, email.utils, hashlib, http, ipaddress, mmap, ssl, sys, tempfile, urllib.request, urllib3
import os

class Watched(dict):
    def __getitem__(self, key): raise AssertionError(f"reads the environment: {key}")
    def get(self, key, default=None): raise AssertionError(f"reads the environment: {key}")

def watch(event, arguments):
    modules = event == "open" and str(arguments[0]).endswith((".py", ".pyc", ".so"))
    if not modules and event.partition(".")[0] in {"open", "socket", "subprocess", "sqlite3"}:
        raise AssertionError(f"{event} {arguments}")

os.environ = Watched()
sys.addaudithook(watch)
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_importing_any_module_opens_nothing() -> None:
    assert "cachescope.transport.http_source" in MODULES

    done = subprocess.run(
        [sys.executable, "-c", GUARDED, *MODULES], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
