"""The benchmark of blobs: wrk asks ``cachescope serve --store`` and nginx over the folder of the same mirror, in turn."""

import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import quote

from listening import Server, serving
from measure import ProcessFailed, measure
from mirror_files import SPEC_MEDIA_TYPE, TARBALL_MEDIA_TYPE, Record, blob_entry, manifest_text, write_mirror
from nodes import read_nodes, with_children
from peers import cachescope, not_measured, settings
from sync import Plan
from wrk import read_wrk

NO_NGINX = "nginx is not installed (Debian: apt-get install nginx-light)"
NO_WRK = "wrk is not installed (Debian: apt-get install wrk)"
NAME = "bench/root"
CONNECTIONS = 8
MIB = 1024 * 1024
SIZES = {4_000: 32, 100_000: 32, 1_000_000: 8, 10_000_000: 4, 64_000_000: 1}
"""Bytes of a blob, and how many different ones are asked for in turn."""

SCRIPT = """
local paths = {}
for line in io.lines("%s") do paths[#paths + 1] = line end
local at = 0
request = function()
  at = at %% #paths + 1
  return wrk.format("GET", paths[at])
end
"""

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; default_type application/octet-stream; }}
}}
"""
"""As Debian sets nginx up, but for the log, which neither server writes, and connections that are not closed meanwhile."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a server did in one round."""

    per_second: float
    cpu_seconds: float
    """Of the server, for one request."""

    errors: int


@dataclass(frozen=True, slots=True)
class Asked:
    """One kind of request, and all rounds of both servers."""

    title: str
    size: int
    own: tuple[Taken, ...]
    nginx: tuple[Taken, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """A mirror: the folder, and the paths to ask for by kind."""

    folder: Path
    manifests: Sequence[str]
    blobs: Mapping[int, Sequence[str]]


def benchmark(plan: Plan, seconds: int) -> tuple[Asked, ...] | None:
    """Ask both for so many seconds, kind by kind, in turn. None where nginx or wrk is missing. Raises ``ProcessFailed``."""
    if absent():
        return None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = make(folder / "mirror", plan.seed)
        environment = settings(plan.environment, folder / "catalogue.sqlite")
        environment["CACHESCOPE_VIRTUAL_FOLDER"] = str(folder / "virtual")
        measure(cachescope("sync", str(made.folder), "--as", NAME), environment)
        command = cachescope("serve", "--port", "0", "--store", str(folder / "store"))
        with serving(command, environment) as own, _nginx(folder, made.folder, plan.environment) as nginx:
            _warm(own, made)
            return tuple(_rounds(plan, own, nginx, made, seconds))


def absent() -> dict[str, str]:
    """Return what is missing, and why."""
    needed = {"nginx": NO_NGINX, "wrk": NO_WRK}
    return {name: reason for name, reason in needed.items() if shutil.which(name) is None}


def make(folder: Path, seed: int) -> Made:
    """Write a mirror with a binary for each blob, unsigned."""
    dice = random.Random(f"{seed}/blobs")
    plain = next(one for one in read_nodes(None) if "dependencies" not in one and "external" not in one)
    records: list[Record] = []
    manifests: list[str] = []
    blobs: dict[int, list[str]] = {}
    for size, number in SIZES.items():
        for place in range(number):
            node = {key: value for key, value in plain.items() if key != "hash"}
            node["version"] = f"{size}.{place}"
            digest, _ = with_children(node, {})
            record = {"spec": {**node, "hash": digest}, "ref_count": 1, "in_buildcache": True}
            records.append(
                Record(digest, json.dumps(record), plain["name"], node["version"], is_present=True)
            )
            blob = _write_blob(folder, dice.randbytes(size))
            document = _write_blob(folder, dice.randbytes(2000))
            text = manifest_text(
                blob_entry(size, TARBALL_MEDIA_TYPE, "gzip", blob),
                blob_entry(2000, SPEC_MEDIA_TYPE, "gzip", document),
            )
            path = f"v3/manifests/spec/{plain['name']}/{plain['name']}-{node['version']}-{digest}.spec.manifest.json"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="ascii")
            manifests.append(path)
            blobs.setdefault(size, []).append(f"blobs/sha256/{blob[:2]}/{blob}")
    write_mirror(folder, records)
    return Made(folder, manifests, blobs)


def _write_blob(folder: Path, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    place = folder / "blobs" / "sha256" / digest[:2] / digest
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return digest


@contextmanager
def _nginx(folder: Path, root: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    port = _free_port()
    text = NGINX.format(folder=folder, root=root, port=port)
    if os.geteuid() == 0:
        text = "user root;\n" + text
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    command = ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL) as server:
        try:
            _wait(port)
            yield Server(port, server.pid)
        finally:
            server.terminate()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(port: int) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            HTTPConnection("127.0.0.1", port).connect()
        except OSError:
            if time.monotonic() > until:
                raise ProcessFailed("nginx does not listen") from None
            time.sleep(0.05)
        else:
            return


def _warm(own: Server, made: Made) -> None:
    """Ask for everything twice, so that it is stored, and a while later, so that the catalogue is at rest."""
    paths = [*made.manifests, *(path for some in made.blobs.values() for path in some)]
    for pause in (0.0, 1.5):
        time.sleep(pause)
        connection = HTTPConnection("127.0.0.1", own.port, timeout=120)
        for path in paths:
            connection.request("GET", _own(path))
            answer = connection.getresponse()
            if len(answer.read()) != (made.folder / path).stat().st_size:
                raise ProcessFailed(f"{path} is answered with {answer.status}")
        connection.close()


def _own(path: str) -> str:
    return f"/mirror/{NAME}/{path}"


def _rounds(plan: Plan, own: Server, nginx: Server, made: Made, seconds: int) -> Iterator[Asked]:
    kinds = [("manifests", (made.folder / made.manifests[0]).stat().st_size, made.manifests)]
    kinds += [(f"blobs of {_shown(size)}", size, paths) for size, paths in made.blobs.items()]
    for title, size, paths in kinds:
        taken: dict[int, list[Taken]] = {own.port: [], nginx.port: []}
        for _ in range(plan.runs):
            for server, asked in (
                (nginx, [f"/{quote(one)}" for one in paths]),
                (own, [_own(one) for one in paths]),
            ):
                taken[server.port].append(_load(server, asked, seconds, plan.environment))
        yield Asked(title, size, tuple(taken[own.port]), tuple(taken[nginx.port]))
        print(f"  {title}: {_rate(taken[own.port]) / _rate(taken[nginx.port]):.2f} of nginx", flush=True)


def _shown(size: int) -> str:
    return f"{size / 1e6:g} MB" if size >= 1_000_000 else f"{size / 1e3:g} kB"


def _load(server: Server, paths: Sequence[str], seconds: int, environment: Mapping[str, str]) -> Taken:
    with tempfile.TemporaryDirectory() as folder:
        listed, script = Path(folder, "paths"), Path(folder, "asked.lua")
        listed.write_text("\n".join(paths), encoding="ascii")
        script.write_text(SCRIPT % listed, encoding="ascii")
        before = server.cpu_seconds()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "--latency"]
        said = measure([*command, "-s", str(script), f"http://127.0.0.1:{server.port}"], environment).output
    found = read_wrk("", said, 0, 0)
    spent = server.cpu_seconds() - before
    return Taken(found.per_second, spent / max(1, found.requests), found.errors)


def _rate(taken: Sequence[Taken]) -> float:
    return median(one.per_second for one in taken)


def _cpu(taken: Sequence[Taken]) -> float:
    return median(one.cpu_seconds for one in taken)


def block(plan: Plan, figures: Sequence[Asked] | None, seconds: int) -> Iterator[str]:
    """Yield the lines of the table."""
    if figures is not None:
        yield (
            f"`cachescope serve --store` with one worker, all blobs stored, and nginx with one worker over the folder of the "
            f"same mirror; {CONNECTIONS} connections, {seconds} s for each, one after the other, rounds: {plan.runs}; wrk on "
            "the same machine. Processor time is of the server, for one request."
        )
        yield ""
        yield (
            "| asked for | requests a second | MB a second | cpu ms | nginx: requests a second | MB a second | cpu ms "
            "| of nginx | errors |"
        )
        yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
        for one in figures:
            cells = [one.title]
            for taken in (one.own, one.nginx):
                rate = _rate(taken)
                cells += [f"{rate:,.0f}", f"{rate * one.size / 1e6:,.0f}", f"{_cpu(taken) * 1000:.2f}"]
            errors = sum(taken.errors for taken in (*one.own, *one.nginx))
            yield f"| {' | '.join([*cells, f'{_rate(one.own) / _rate(one.nginx):.2f}', str(errors)])} |"
    yield from not_measured(dict(absent()))
