"""``serve``: the site and the API."""

import gc
import re
from pathlib import Path
from typing import Any

import click

from cachescope.cli.context import Context, say

__all__ = ["serve"]

_SIZE = re.compile(r"(\d{1,15})(?:([KMGT])B?|B)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _bytes(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    """Read a number of bytes, with a unit or without."""
    if value is None:
        return None
    found = _SIZE.fullmatch(value.strip())
    if found is None:
        raise click.BadParameter(f"{value!r} is not a number of bytes, for example 500M or 50G")
    return int(found[1]) * _UNITS[(found[2] or "").upper()]


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on (CACHESCOPE_HOST).")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on, 0 for a free one (CACHESCOPE_PORT)."
)
@click.option(
    "--stream",
    is_flag=True,
    help="Hand on the blobs of virtual mirrors always, with no redirect to a source.",
)
@click.option(
    "--store",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the blobs of virtual mirrors here, checked before they go out (CACHESCOPE_BLOB_STORE).",
)
@click.option(
    "--store-size",
    metavar="SIZE",
    callback=_bytes,
    help="Most that is kept, for example 50G (CACHESCOPE_BLOB_STORE_SIZE).",
)
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that answer (CACHESCOPE_WORKERS).")
@click.option(
    "--base-path", metavar="PATH", help="Where the site stands, e.g. /cachescope (CACHESCOPE_BASE_PATH)."
)
@click.option(
    "--trusted-proxies",
    metavar="ADDRESSES",
    help="Proxies whose X-Forwarded-For and -Proto are believed (CACHESCOPE_TRUSTED_PROXIES).",
)
@click.option(
    "--access-log",
    type=click.Choice(["off", "text", "json"]),
    help="A line a request on standard output (CACHESCOPE_ACCESS_LOG).",
)
@click.pass_obj
def serve(
    context: Context, /, *, stream: bool, store: Path | None, store_size: int | None, **given: Any
) -> None:
    """Serve the site, the API and virtual mirrors until Ctrl-C or SIGTERM; running requests are finished first.

    The catalogue is opened for reading; what virtual mirrors named is noted there. Behind a proxy: docs/user/serve.md.
    """
    from cachescope import compose
    from cachescope.web.serving import serve as serve_app

    gc.enable()
    chosen = context.settings(
        **given, blob_store=str(store) if store is not None else None, blob_store_size=store_size
    )
    options = compose.serving_options(chosen)
    open_app = compose.web_service(chosen, stream=stream)
    serve_app(
        open_app,
        chosen.host,
        chosen.port,
        announce=lambda url: say(f"cachescope is at {url}{chosen.base_path.strip('/')} (Ctrl-C ends it)"),
        options=options,
    )
