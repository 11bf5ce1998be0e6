"""Packages as text for a terminal, for a pipe, and for pages asked as plain text."""

from typing import TYPE_CHECKING

from cachescope.model.results import PackageList, PackageReport
from cachescope.present import wording
from cachescope.present.package_page import chief_differences, separation
from cachescope.present.terminal import cell, new_table, room, say

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["package", "packages"]


def packages(console: "Console", result: PackageList) -> None:
    """Print the packages of a scope by name."""
    if not result.packages:
        beginning = f" beginning with {result.prefix}" if result.prefix else ""
        say(console, f"No packages{beginning} here. Read a cache first: cachescope sync")
        return
    with room(console) as roomy:
        head = ("Versions", "Compilers", "Systems", "Targets") if roomy else ("Versions", "Targets")
        columns = ("Package", "Newest", *head, "Binaries", "Unstated")
        table = new_table(*columns, numbers=range(2, len(columns)))
        for one in result.packages:
            built = (one.versions, one.compilers, one.systems, one.targets)
            figures = (
                *(built if roomy else (one.versions, one.targets)),
                one.counts.present,
                one.counts.unstated,
            )
            table.add_row(*map(cell, [one.name, one.newest_version, *map(wording.count, figures)]))
        console.print(table)
    if result.total > len(result.packages):
        first = result.offset + 1
        last = result.offset + len(result.packages)
        say(console, f"{first} to {last} of {wording.count(result.total, 'package')}.")
    else:
        say(console, wording.count(result.total, "package") + ".")


def package(console: "Console", result: PackageReport) -> None:
    """Print one package: its counts, and its look-alikes with what separates them."""
    scope = (
        "all refs" if result.ref is None else f"{result.ref}/{result.stack}" if result.stack else result.ref
    )
    say(console, f"{result.name}, {scope}", bold=True)
    say(console, ", ".join(_package_figures(result)))
    if result.stacks:
        say(console, "In " + ", ".join(_stack_words(result)))
    if result.sizes is not None and result.sizes.total:
        say(console, f"Size: {wording.size_sum(result.sizes)}")
    for group in result.groups:
        first = group.specs[0]
        say(console, "")
        say(
            console,
            wording.identity(first) + f"  {wording.count(len(group.specs), 'binary', 'binaries')}",
            bold=True,
        )
        if first.variant_texts:
            say(console, "  " + " ".join(first.variant_texts))
        if apart := separation(group):
            say(console, f"  {apart}")
        with room(console):
            differences = chief_differences(group)
            sized = result.sizes is not None and result.sizes.known
            sizes = ("Size", "To run") if sized else ()
            table = new_table("Hash", *map(wording.difference_name, differences), *sizes, "Where")
            for place, one in enumerate(group.specs):
                values = [difference.values[place] for difference in differences]
                values = [wording.ABSENT if value == "-" else value for value in values]
                figures = (wording.size(one.size), wording.short_sum(one.closure)) if sized else ()
                table.add_row(*map(cell, [one.hash, *values, *figures, wording.where(one)]))
            console.print(table)
    if result.shown < result.counts.present + result.counts.unstated:
        say(console, f"The first {wording.count(result.shown, 'binary', 'binaries')} are shown.")


def _package_figures(result: PackageReport) -> list[str]:
    counts = result.counts
    figures = [wording.count(counts.present, "binary", "binaries")]
    figures += [f"{wording.count(counts.unstated)} unstated"] if counts.unstated else []
    figures += [f"{wording.count(counts.mentioned)} only mentioned"] if counts.mentioned else []
    return [
        *figures,
        wording.count(len(result.versions), "version"),
        wording.count(len(result.compilers), "compiler"),
        wording.count(len(result.systems), "system"),
        wording.count(len(result.targets), "target"),
    ]


def _stack_words(result: PackageReport) -> list[str]:
    words: list[str] = []
    for name, present, unstated in result.stacks:
        figures = [wording.count(present)] if present or not unstated else []
        figures += [f"{wording.count(unstated)} unstated"] if unstated else []
        words.append(f"{name} ({', '.join(figures)})")
    return words
