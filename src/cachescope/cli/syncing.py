"""``sync``: reads mirrors and published pages into the catalogue."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cachescope.cli.context import Context, console, error_console, write_bytes
from cachescope.cli.options import as_json as json_option
from cachescope.model.errors import CachescopeError, UserInputError
from cachescope.model.identity import MirrorName, SourceName, parse_source_name
from cachescope.model.mirror import MirrorUrl
from cachescope.model.results import SourceOutcome, SyncReport

if TYPE_CHECKING:
    from cachescope.compose import Writing
    from cachescope.jobs.published_pages import PageReader
    from cachescope.jobs.refresh import Refresher

__all__ = ["sync"]

_PUBLIC_REF = re.compile(r"develop(-\d{4}-\d{2}-\d{2})?|v\d+\.\d+(\.\d+)?")
_Step = Callable[[], Sequence[SourceOutcome]]


@click.command()
@click.argument("targets", nargs=-1, metavar="[NAME or URL]...")
@click.option("--as", "name", metavar="NAME", help="Name for the mirror at an address.")
@click.option("--probe", is_flag=True, help="Ask again for layouts that a mirror did not have.")
@click.option("--strict", is_flag=True, help="Refuse an index with even one record that cannot be read.")
@click.option("--allow-empty", is_flag=True, help="Accept an index that lost all its records.")
@click.option(
    "--keep-going/--fail-fast",
    default=True,
    show_default=True,
    help="Go on with the other mirrors after a failure, or stop.",
)
@json_option
@click.pass_obj
def sync(
    context: Context,
    *,
    targets: tuple[str, ...],
    name: str | None,
    probe: bool,
    strict: bool,
    allow_empty: bool,
    keep_going: bool,
    as_json: bool,
) -> int:
    """Read what is in mirrors: those named, those at the addresses given, or all that are registered.

    A target is a mirror (NAME or NAME@VIEW), the address of one, a published page or a folder of pages. What did not
    change costs one small request; what fails leaves the former state as it was.
    """
    from cachescope import compose
    from cachescope.cli.progress import sync_progress

    if name is not None and len(targets) != 1:
        raise UserInputError("--as names one mirror", hint="give one address with --as")
    hints: list[str] = []
    outcomes: list[SourceOutcome] = []
    with compose.writing(context.settings()) as tools, sync_progress(error_console()) as progress:
        refresher = tools.refresher(progress, probe=probe, strict=strict, allow_empty=allow_empty)
        pages = tools.page_reader(progress, strict=strict)
        for step in _steps(
            tools=tools, refresher=refresher, pages=pages, targets=targets, name=name, hints=hints
        ):
            outcomes.extend(step())
            if not keep_going and any(one.error is not None for one in outcomes):
                break
    report = SyncReport(tuple(outcomes), (*hints, *_remedies(outcomes)))
    if as_json:
        from cachescope.present import to_json

        write_bytes(to_json.render_sync(report))
    else:
        from cachescope.present import to_text

        to_text.sync_report(console(), report)
    return _exit_code(outcomes)


def _remedies(outcomes: Sequence[SourceOutcome]) -> Sequence[str]:
    """Return what to do about the failures, each once."""
    hints = [one.error.hint for one in outcomes if isinstance(one.error, CachescopeError)]
    return [f"Hint: {hint}" for hint in dict.fromkeys(hints) if hint]


def _exit_code(outcomes: Sequence[SourceOutcome]) -> int:
    """Return the worst code of several mirrors."""
    codes = [one.error.exit_code for one in outcomes if isinstance(one.error, CachescopeError)]
    return max(codes, default=0)


def _steps(
    *,
    tools: "Writing",
    refresher: "Refresher",
    pages: "PageReader",
    targets: Sequence[str],
    name: str | None,
    hints: list[str],
) -> Iterator[_Step]:
    if targets:
        for target in targets:
            yield _step_for(refresher, pages, target, name, hints)
        return
    from cachescope.catalogue import registry

    with tools.catalogue.reading() as connection:
        known = [mirror.name for mirror in registry.mirrors(connection) if mirror.url is not None]
    addresses = pages.known_pages()
    if not known and not addresses:
        raise UserInputError(
            "no mirror is registered yet",
            hint="cachescope add NAME URL, or at once: cachescope sync URL --as NAME",
        )
    for mirror in known:
        yield partial(refresher.refresh, mirror)
    for url in addresses:
        yield partial(pages.read_page, url)


def _step_for(
    refresher: "Refresher", pages: "PageReader", target: str, name: str | None, hints: list[str]
) -> _Step:
    from cachescope import compose
    from cachescope.jobs.published_pages import is_page_address

    if not _is_address(target):
        source = parse_source_name(target)
        if name is not None:
            raise UserInputError(
                f"{target} is the name of a mirror, not an address", hint="--as goes with an address"
            )
        return lambda: refresher.refresh(source.mirror, view=source.view)
    url = compose.parse_url(target)
    if is_page_address(target):
        return lambda: pages.read_page(url)
    if name is None and refresher.has_no_index(url) and pages.holds_pages(url):
        return lambda: pages.read_folder(url)
    chosen = parse_source_name(name) if name is not None else SourceName(_guessed_name(url))
    return lambda: _refresh_address(refresher, chosen, url, hints)


def _refresh_address(
    refresher: "Refresher", source: SourceName, url: MirrorUrl, hints: list[str]
) -> Sequence[SourceOutcome]:
    outcomes = refresher.refresh_at(source.mirror, url, view=source.view)
    views = refresher.views(source.mirror) if source.view is None else ()
    if views:
        listed = ", ".join(views)
        hints.append(
            f"{source.mirror} has views too ({listed}); read one with: cachescope sync {source.mirror}@{views[0]}"
        )
    return outcomes


def _is_address(text: str) -> bool:
    """Tell an address from a name: by its form, else because it is there on the disk (as in ``sync mirrors/site``)."""
    return "://" in text or text.startswith((".", "/", "~")) or text.endswith(".md") or Path(text).exists()


def _guessed_name(url: MirrorUrl) -> MirrorName:
    """Make a name of an address: its last parts, if the one before the last is a public ref."""
    parts = [re.sub(r"[^A-Za-z0-9_.+-]", "-", part) for part in url.text.split("/") if part]
    is_staged = len(parts) > 1 and _PUBLIC_REF.fullmatch(parts[-2])
    text = f"{parts[-2]}/{parts[-1]}" if is_staged else parts[-1]
    try:
        return parse_source_name(text).mirror
    except UserInputError as error:
        raise UserInputError(
            "no name can be made of the address", where=str(url), hint="give one with --as NAME"
        ) from error
