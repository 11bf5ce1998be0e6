"""``serve``: the site and the API."""

import gc

import click

from cachescope.cli.context import Context, say

__all__ = ["serve"]


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on (CACHESCOPE_HOST).")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on, 0 for a free one (CACHESCOPE_PORT)."
)
@click.pass_obj
def serve(context: Context, *, host: str | None, port: int | None) -> None:
    """Serve the site and the API until Ctrl-C."""
    from cachescope import compose
    from cachescope.web.serving import serve as serve_app

    gc.enable()
    chosen = context.settings(host=host, port=port)
    with (
        compose.reading(chosen, make=True) as (catalogue, reader),
        compose.virtual_mirrors(catalogue, chosen) as virtual,
    ):
        serve_app(
            compose.web_app(catalogue, reader, chosen, virtual),
            chosen.host,
            chosen.port,
            announce=lambda url: say(f"cachescope is at {url} (Ctrl-C ends it)"),
        )
