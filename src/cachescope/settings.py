"""Every setting, one row each: name, default, help, unit.

A value comes from the command line, else from the environment (``CACHESCOPE_`` and the name in capitals), else from the
settings file (TOML, same names), else it is the default. Read by ``compose`` and ``cli`` alone, once; values are handed on.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cachescope.model.errors import UserInputError

__all__ = ["Settings", "environment_name", "read_settings", "rows"]

_PREFIX = "CACHESCOPE_"


def _row(default: Any, text: str, *, unit: str = "", least: float = 0, most: float = 1e9) -> Any:
    return field(default=default, metadata={"help": text, "unit": unit, "least": least, "most": most})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings with their values."""

    db: str = _row(
        "", "file of the catalogue, or postgresql+psycopg://USER@HOST/NAME; empty for the user's data folder"
    )
    busy_timeout: float = _row(
        30.0, "how long to wait for another process that writes the catalogue", unit="s"
    )
    connect_timeout: float = _row(
        10.0, "how long to wait for a connection to a mirror", unit="s", least=0.001
    )
    read_timeout: float = _row(
        60.0, "how long a mirror may stay silent while it answers", unit="s", least=0.001
    )
    retries: int = _row(3, "how often to try again after a failure that may pass")
    backoff: float = _row(0.5, "wait before the first retry; doubled for each further one", unit="s")
    longest_wait: float = _row(60.0, "longest wait before a retry, also if a server asks for more", unit="s")
    max_unpacked_bytes: int = _row(
        4 * 1024**3, "largest document that is read, after decompression", unit="bytes"
    )
    max_redirects: int = _row(10, "how many redirects are followed for one document")
    connections_per_host: int = _row(
        8, "how many questions are asked of one host at a time", least=1, most=256
    )
    mirrors_at_once: int = _row(
        4,
        "how many mirrors a sync reads at a time; each holds its index until it is written",
        least=1,
        most=64,
    )
    hosts_at_once: int = _row(4, "how many hosts are asked at a time", least=1, most=64)
    sizes_retry_days: float = _row(
        7.0, "when to ask again for the size of a binary that its mirror did not state", unit="days"
    )
    ca_file: str = _row("", "PEM file of further certificate authorities to trust")
    temporary_folder: str = _row(
        "", "where large documents are held while they are read; empty for the system's choice"
    )
    probe_after_days: float = _row(
        7.0, "when to ask again for layouts that a mirror did not have", unit="days"
    )
    history_days: float = _row(
        0.0,
        "how long what is gone from a mirror is remembered: 'db vacuum' removes older; 0 for ever",
        unit="days",
    )
    public_addresses: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({"s3://spack-binaries/": "https://binaries.spack.io/"}),
        metadata={
            "help": "readable addresses of buckets, for 'add --discover': beginning to beginning",
            "unit": "",
        },
    )
    host: str = _row("127.0.0.1", "address that 'serve' listens on")
    port: int = _row(8000, "port that 'serve' listens on; 0 for any free one", most=65535)
    site_address: str = _row(
        "",
        "where visitors find the site, for feeds, the site map and commands: https://HOST/PATH; empty for what they asked",
    )
    cors_origins: str = _row(
        "",
        "whose pages may read what 'serve' answers: origins, by blanks or commas, or * for all; empty for none",
    )
    max_upload_bytes: int = _row(
        64 * 1024**2,
        "largest lock file that 'serve' takes; larger ones are refused unread",
        unit="bytes",
        least=1,
    )
    trusted_keys: str = _row(
        "", "file of OpenPGP public keys that 'pull' verifies signatures by, armoured or not"
    )
    max_upload_specs: int = _row(20_000, "most specs that 'serve' answers about at once", least=1)
    workers: int = _row(1, "processes of 'serve'", least=1, most=64)
    base_path: str = _row("", "path that the site of 'serve' stands below, for example /cachescope")
    trusted_proxies: str = _row(
        "", "addresses and networks of proxies whose word on who asks is believed; empty for nobody"
    )
    access_log: str = _row("off", "one line a request on standard output: off, text or json")
    answer_timeout: float = _row(
        10.0, "how long 'serve' lets the database work on one answer; 0 for ever", unit="s"
    )
    stop_timeout: float = _row(10.0, "how long 'serve' lets running requests go on at its end", unit="s")
    max_requests: int = _row(64, "requests that one worker answers at a time; others get 503", least=1)
    max_address_bytes: int = _row(8_000, "longest address that 'serve' takes", unit="bytes", least=100)
    max_header_bytes: int = _row(
        16_000, "largest headers of a request that 'serve' takes", unit="bytes", least=500
    )
    hsts_seconds: int = _row(
        0, "how long browsers are told to come by https alone (needs https); 0 for not at all", unit="s"
    )
    stale_after_hours: float = _row(
        0.0, "age of the data from which /healthz answers 503; 0 for none", unit="h"
    )
    virtual_folder: str = _row(
        "",
        "where 'serve' keeps the indexes and manifests of virtual mirrors; empty for the user's cache folder",
    )
    blob_store: str = _row(
        "", "folder in which 'serve' keeps the blobs of virtual mirrors that it fetched; empty for none"
    )
    blob_store_size: int = _row(
        50 * 10**9,
        "most that is kept there; what was not asked for longest goes first",
        unit="bytes",
        most=1e18,
    )
    virtual: Mapping[str, Any] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata={"help": "virtual mirrors, a table each, in the settings file alone", "unit": ""},
    )


def rows() -> tuple[Field[Any], ...]:
    """Return all settings as rows: ``name``, ``default``, ``metadata['help']``, ``metadata['unit']``."""
    return fields(Settings)


def environment_name(name: str) -> str:
    """Return the name of a setting in the environment."""
    return _PREFIX + name.upper()


def read_settings(
    file: Path, environment: Mapping[str, str], given: Mapping[str, Any], *, must_be_there: bool = False
) -> Settings:
    """Read all settings once; ``given`` are those of the command line (None for those that are not).

    Raises ``UserInputError`` for an unknown name or a value of the wrong kind, and with ``must_be_there`` if there is no file.
    """
    values = _from_file(file, must_be_there=must_be_there)
    for row in rows():
        text = environment.get(environment_name(row.name))
        if text is not None:
            values[row.name] = _parsed(row, text, where=environment_name(row.name))
    values.update({name: value for name, value in given.items() if value is not None})
    return Settings(**values)


def _from_file(file: Path, *, must_be_there: bool) -> dict[str, Any]:
    try:
        text = file.read_bytes()
    except FileNotFoundError as error:
        if must_be_there:
            raise UserInputError(
                "there is no such settings file",
                where=str(file),
                hint="let CACHESCOPE_CONFIG name a file that is there or /dev/null, or unset it for the usual place",
            ) from error
        return {}
    except OSError as error:
        raise UserInputError(
            f"the settings file cannot be read: {error.strerror}", where=str(file)
        ) from error
    try:
        found = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserInputError(f"the settings file is not TOML: {error}", where=str(file)) from error
    known = {row.name: row for row in rows()}
    for name, value in found.items():
        if name not in known:
            raise UserInputError(
                f"unknown setting {name!r}", where=str(file), hint=f"known are {', '.join(sorted(known))}"
            )
        found[name] = _checked(known[name], value, where=f"{file}: {name}")
    return found


def _default(row: Field[Any]) -> Any:
    return row.default_factory() if row.default_factory is not MISSING else row.default


def _parsed(row: Field[Any], text: str, *, where: str) -> Any:
    """Read a value from the environment; a table is ``beginning=address`` pairs, separated by blanks."""
    default = _default(row)
    try:
        if isinstance(default, Mapping):
            return _checked(row, dict(pair.split("=", 1) for pair in text.split()), where=where)
        return _checked(row, type(default)(text), where=where)
    except ValueError as error:
        raise _wrong(row, text, where) from error


def _checked(row: Field[Any], value: Any, *, where: str) -> Any:
    default = _default(row)
    if isinstance(default, Mapping):
        kind = dict if row.name == "virtual" else str
        if isinstance(value, Mapping) and all(isinstance(one, kind) for one in value.values()):
            return MappingProxyType(dict(value))
        raise _wrong(row, value, where)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default) or (isinstance(value, int | float) and not 0 <= value < math.inf):
        raise _wrong(row, value, where)
    least, most = row.metadata["least"], row.metadata["most"]
    if isinstance(value, int | float) and not least <= value <= most:
        raise UserInputError(
            f"{value!r} is not between {least:g} and {most:g}", where=where, hint=row.metadata["help"]
        )
    return value


def _wrong(row: Field[Any], value: object, where: str) -> UserInputError:
    kinds = {"str": "a text", "int": "a whole number, not negative", "float": "a number, not negative"}
    tables = "a table of tables, in the settings file" if row.name == "virtual" else "a table of texts"
    kind = kinds.get(type(_default(row)).__name__, tables)
    unit = f" ({row.metadata['unit']})" if row.metadata["unit"] else ""
    return UserInputError(f"{value!r} is not {kind}{unit}", where=where, hint=row.metadata["help"])
