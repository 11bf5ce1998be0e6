"""``spack cachescope``: what build caches have of specs that this Spack, with its configuration, would build.

The specs are concretized here, as ``spack install`` would; what is in the caches is told by the command ``cachescope``
(found by ``--command``, ``CACHESCOPE_COMMAND`` or the path), or by a server of it (``--server``, ``CACHESCOPE_SERVER``).
Exit codes are those of ``cachescope``. Written for the Python versions and the command extensions of Spack 1.0 and newer.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import TextIO

import spack.cmd
import spack.environment
import spack.error
import spack.spec

description = "say what of specs is in build caches, and why the rest is not"
section = "query"
level = "short"

LOCK_VERSION = 6
"""Version of the lock file form that is handed on (``spack.lock`` of Spack 1.0 and newer)."""

UNAVAILABLE = 4
EXIT_HEADER = "X-Cachescope-Exit"
PATIENCE = 60.0
"""Seconds to wait for a server."""

ABOUT_LOCKS = ("coverage", "why")


class CachescopeNotFound(spack.error.SpackError):
    """Neither the command nor a server is there to ask."""


def setup_parser(subparser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    commands = subparser.add_subparsers(metavar="SUBCOMMAND", dest="subcommand", required=True)
    coverage = commands.add_parser(
        "coverage", help="how much of specs is in build caches, and what is missing"
    )
    why = commands.add_parser("why", help="why specs are not in build caches, causes first")
    search = commands.add_parser("search", help="binaries that match a spec, concretized or not")
    for command in (coverage, why):
        _add_where(command)
        command.add_argument(
            "--against", metavar="NAME", action="append", help="judge by this mirror or ref alone"
        )
        command.add_argument("--markdown", action="store_true", help="print Markdown")
        command.add_argument(
            "specs", nargs="*", help="specs; those of the active environment, if none are given"
        )
    coverage.add_argument("--deptypes", choices=("run", "build", "all"), help="which closure counts")
    coverage.add_argument("--fail-under", metavar="PERCENT", help="exit with 1 if less than this is present")
    coverage.add_argument("--for", dest="host", metavar="HOST", help="count only what runs on this host")
    coverage.add_argument(
        "--installable", action="store_true", help="exit with 1 if the run closure has gaps"
    )
    why.add_argument("--spec", metavar="QUERY", help="only missing specs that match")
    why.add_argument(
        "--if", dest="assumed", metavar="QUERY", help="estimate the coverage if specs fulfilled this"
    )
    _add_where(search)
    search.add_argument("--ref", help="only mirrors of this ref")
    search.add_argument("--stack", help="only this stack")
    search.add_argument(
        "--for", dest="host", metavar="HOST", help="say of each binary whether it runs on this host"
    )
    search.add_argument("--limit", metavar="N", help="how many to list; 0 is all")
    search.add_argument("specs", nargs="+", help="one spec; it is asked as it stands, not concretized")


def _add_where(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument("--command", metavar="PATH", help="the command cachescope (CACHESCOPE_COMMAND)")
    command.add_argument("--db", metavar="FILE", help="catalogue to ask (CACHESCOPE_DB)")
    command.add_argument(
        "--server", metavar="URL", help="server to ask, in place of the command (CACHESCOPE_SERVER)"
    )


def cachescope(_parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    lock = _lock(_concrete_roots(args.specs)) if args.subcommand in ABOUT_LOCKS else None
    server = args.server or (None if args.db or args.command else os.environ.get("CACHESCOPE_SERVER"))
    if server:
        return _ask_server(server.rstrip("/"), args, lock)
    return _run_command(args, lock)


def _concrete_roots(specs: "list[str]") -> "list[tuple[spack.spec.Spec, spack.spec.Spec]]":
    """Return the roots as (what was asked, concrete spec); from the active environment if nothing was asked."""
    if specs:
        asked = spack.cmd.parse_specs(specs)
        concrete = spack.cmd.parse_specs(specs, concretize=True)
        return list(zip(asked, concrete))  # noqa: B905 - Spack runs on older Pythons too
    environment = spack.environment.active_environment()
    if environment is None:
        raise spack.error.SpackError(
            "no specs were given and no environment is active",
            "Name specs, or activate an environment: spack env activate DIR",
        )
    roots = list(environment.concretized_specs())
    if not roots:
        raise spack.error.SpackError(
            f"the environment {environment.name} is not concretized",
            "Concretize it first: spack concretize",
        )
    return roots


def _lock(roots: "list[tuple[spack.spec.Spec, spack.spec.Spec]]") -> bytes:
    """Return a lock file of the roots, as an environment of them would have it."""
    nodes = {}
    pending = [concrete for _, concrete in roots]
    while pending:
        for node in pending.pop().traverse():
            if node.dag_hash() not in nodes:
                nodes[node.dag_hash()] = node.node_dict_with_hashes()
                if node.build_spec is not node:
                    pending.append(node.build_spec)
    document = {
        "_meta": {
            "file-type": "spack-lockfile",
            "lockfile-version": LOCK_VERSION,
            "specfile-version": spack.spec.SPECFILE_FORMAT_VERSION,
        },
        "roots": [{"hash": concrete.dag_hash(), "spec": str(asked)} for asked, concrete in roots],
        "concrete_specs": nodes,
    }
    return json.dumps(document).encode("ascii")


def _options(args: argparse.Namespace) -> "list[tuple[str, str | bool]]":
    """Return what was asked, as (name of the option, its value); flags have the value True."""
    asked = [("against", name) for name in getattr(args, "against", None) or ()]
    for option, attribute in (
        ("deptypes", "deptypes"),
        ("fail-under", "fail_under"),
        ("for", "host"),
        ("installable", "installable"),
        ("spec", "spec"),
        ("if", "assumed"),
        ("ref", "ref"),
        ("stack", "stack"),
        ("limit", "limit"),
        ("markdown", "markdown"),
    ):
        value = getattr(args, attribute, None)
        if value:
            asked.append((option, value))
    return asked


def _run_command(args: argparse.Namespace, lock: "bytes | None") -> int:
    command = args.command or os.environ.get("CACHESCOPE_COMMAND") or shutil.which("cachescope")
    if not command:
        raise CachescopeNotFound(
            "the command cachescope is not on the path",
            "Install it (spack install py-cachescope; spack load py-cachescope), set CACHESCOPE_COMMAND,"
            " or ask a server: --server URL",
        )
    line = [command, args.subcommand]
    for option, value in _options(args):
        line += ["--" + option] if value is True else ["--" + option, value]
    if args.db:
        line += ["--db", args.db]
    if args.json:
        line.append("--json")
    line += ["--", "-" if lock is not None else " ".join(args.specs)]
    try:
        return subprocess.run(line, input=lock, check=False).returncode  # noqa: S603 - the command that was chosen
    except OSError as error:
        raise CachescopeNotFound(f"{command} cannot be run: {error.strerror}") from error


def _ask_server(server: str, args: argparse.Namespace, lock: "bytes | None") -> int:
    parameters = [(option, "1" if value is True else value) for option, value in _options(args)]
    if lock is None:
        parameters.insert(0, ("q", " ".join(args.specs)))
        if args.host:
            raise spack.error.SpackError(
                "a server does not judge a search by a host",
                "Leave --for out, or ask the command: --command, --db",
            )
    # A search is a page, which the API has as JSON alone.
    path = f"api/v1/{args.subcommand}" if lock is not None or args.json else args.subcommand
    address = f"{server}/{path}?{urllib.parse.urlencode(parameters)}"
    kind = "application/json" if args.json else "text/plain"
    headers = {"Accept": kind, "Content-Type": "application/json"}
    request = urllib.request.Request(address, data=lock, headers=headers)  # noqa: S310 - the address that was chosen
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - as above
            _write(sys.stdout, answer.read())
            return int(answer.headers.get(EXIT_HEADER, 0))
    except urllib.error.HTTPError as error:
        # As the command does: an error is JSON where JSON was asked for, else it is no output.
        _write(sys.stdout if args.json else sys.stderr, error.read())
        code = error.headers.get(EXIT_HEADER)
        if code is not None:
            return int(code)
        return 2 if error.code < 500 else UNAVAILABLE  # noqa: PLR2004 - HTTP's border of whose fault it is
    except (urllib.error.URLError, OSError) as error:
        raise spack.error.SpackError(
            f"the server {server} does not answer: {getattr(error, 'reason', error)}"
        ) from error


def _write(stream: "TextIO", data: bytes) -> None:
    """Write what the server sent as it is, whatever the encoding of this terminal."""
    stream.flush()
    stream.buffer.write(data)
    stream.buffer.flush()
