"""A real PostgreSQL server for tests: on a free port, in a folder of its own, as a user without rights, gone at the end."""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from cachescope.catalogue.address import ServerAddress, parse_catalogue_address

USER = "cachescope"
_PATIENCE = 60.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",  # what is tested is killed processes, not failing power
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "40",
    "shared_buffers": "32MB",
    "log_min_messages": "fatal",
    "autovacuum": "off",
}


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest if there are several; None if there is none."""
    found = shutil.which("postgres")
    if found is not None:
        return Path(found).resolve().parent
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    usable = [one for one in folders if (one / "postgres").exists()]
    return max(usable, default=None)


def unprivileged() -> str | None:
    """Return the user that the server runs as, because it refuses to be root; None for whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise LookupError("no user to run PostgreSQL as: neither 'postgres' nor 'nobody' is known here")


class PostgresqlServer:
    """A server with a password, and databases by name."""

    def __init__(self, bin_folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._bin = bin_folder
        self._user = unprivileged()
        self._settings = {**_SETTINGS, **(settings or {})}
        self.password = secrets.token_hex(8)
        self.folder = Path(tempfile.mkdtemp(prefix="cachescope-postgresql-"))
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0

    def __enter__(self) -> Self:
        try:
            self._make()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def address(
        self, database: str, *, password: str | None = None, port: int | None = None
    ) -> ServerAddress:
        """Return the address of a database, with the password in it."""
        found = parse_catalogue_address(
            f"postgresql+psycopg://{USER}:{password or self.password}@127.0.0.1:{port or self.port}/{database}"
        )
        assert isinstance(found, ServerAddress)
        return found

    def new_database(self, template: str | None = None) -> ServerAddress:
        """Make a database, as a copy of another one if that is named."""
        self._count += 1
        name = f"db{self._count}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template or "template0")
        )
        with closing(self.connect("postgres")) as connection:
            connection.execute(statement)
        return self.address(name)

    def drop_database(self, address: ServerAddress) -> None:
        """Remove a database with the connections to it."""
        name = database_of(address)
        with closing(self.connect("postgres")) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    def connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        """Connect past our own code, each statement on its own."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            dbname=database,
            autocommit=True,
        )

    def start(self) -> None:
        """Start the server, on the port that it had before if there was one."""
        for _ in range(5):
            self.port = self.port or _free_port()
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    [
                        self._bin / "postgres",
                        "-D",
                        self.folder / "data",
                        "-p",
                        str(self.port),
                        *self._given(),
                    ],
                    user=self._user,
                    cwd=self.folder,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    preexec_fn=_end_with_the_tests if sys.platform == "linux" else None,  # noqa: PLW1509 - no other thread runs here
                )
            if self._answers():
                return
            self.stop()
            self.port = 0
        raise RuntimeError((self.folder / "log").read_text(errors="replace"))

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: connections are ended (SIGINT), or nothing is put in order (SIGQUIT)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_PATIENCE)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server and start it again."""
        self.stop(how)
        self.start()

    def _make(self) -> None:
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)
        options = ("--auth=scram-sha-256", f"--username={USER}", f"--pwfile={secret}", "--encoding=UTF8")
        # A language, so that a column that does not say how it sorts shows: in it, names sort as in a dictionary.
        languages = (["--locale-provider=icu", "--icu-locale=en", "--locale=C"], ["--locale=C"])
        said = ""
        for language in languages:
            made = subprocess.run(
                [self._bin / "initdb", "-D", self.folder / "data", *options, *language, "--no-sync"],
                user=self._user,
                cwd=self.folder,
                check=False,
                capture_output=True,
                text=True,
            )
            if made.returncode == 0:
                return
            said = made.stderr
        raise RuntimeError(said)

    def _given(self) -> list[str]:
        settings = {**self._settings, "unix_socket_directories": str(self.folder)}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _answers(self) -> bool:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                return False
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return True
        return False


def database_of(address: ServerAddress) -> str:
    """Return the name of a database."""
    return address.shown.rpartition("/")[2]


_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _end_with_the_tests() -> None:
    """Let the server be stopped by the system when the process of the tests is gone, however it ended."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGQUIT))


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
