"""Writes published pages: one package, or the whole tree of a ref, in the canonical form of formats.pages_md."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Connection

from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.package_report import ref_stacks
from cachescope.catalogue.page_rows import PageSpec, packages_of_root, page_specs
from cachescope.catalogue.scope import checked_scope
from cachescope.formats.pages_md import PageRow, encode_page, printed_row
from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import PackageName, Ref
from cachescope.model.spec import compiler_text

__all__ = ["export_pages", "page"]


def page(catalogue: Catalogue, package: PackageName, ref: Ref, *, with_sizes: bool = False) -> bytes:
    """Return the page of a package of a ref: its specs that are present in ``root``.

    Raises ``NotInCatalogue`` for a ref or package that ``root`` does not have.
    """
    with catalogue.reading() as connection:
        checked_scope(connection, ref, None)
        rows = [_row(one, with_sizes=with_sizes) for one in page_specs(connection, package, ref)]
    if not rows:
        raise NotInCatalogue(
            f"{ref}/root has no binary of {package}",
            hint=f"pages show what is present in root; try 'cachescope search {package} --ref {ref} --mentioned'",
        )
    return encode_page(package, ref, rows)


def export_pages(
    catalogue: Catalogue,
    ref: Ref,
    folder: Path,
    *,
    write: Callable[[Path, bytes], bool],
    with_sizes: bool = False,
) -> tuple[int, int]:
    """Write all pages of a ref below ``folder``; returns how many pages there are and how many files changed.

    The tree is that of the public site: ``_cache/REF/PACKAGE/specs.md``, ``pages/tags/REF.md`` and ``_data/tags.yaml``.
    The same catalogue gives the same bytes. Raises ``NotInCatalogue`` for a ref without a ``root``.
    """
    count = changed = 0
    with catalogue.reading() as connection:
        checked_scope(connection, ref, None)
        packages = packages_of_root(connection, ref)
        if not packages:
            raise NotInCatalogue(
                f"{ref} has no root mirror with binaries", hint="published pages are made from root alone"
            )
        for package in packages:
            rows = [_row(one, with_sizes=with_sizes) for one in page_specs(connection, package, ref)]
            count += 1
            changed += write(folder / "_cache" / ref / package / "specs.md", encode_page(package, ref, rows))
        for path, data in _site_files(connection, ref):
            changed += write(folder / path, data)
    return count, changed


def _row(one: PageSpec, *, with_sizes: bool) -> PageRow:
    spec = one.spec
    # What came from a page is printed as it stood there; what came from an index, by the rule of its format.
    printed = printed_row(one.original) if one.original is not None else None
    size = "-"
    if with_sizes and spec.size is not None:
        size = str(spec.size)
    elif with_sizes and printed is not None and printed.size.isdecimal():
        size = printed.size
    return PageRow(
        hash=spec.hash,
        version=spec.version,
        compiler=printed.compiler
        if printed is not None
        else compiler_text(spec.compiler, spec_format=spec.spec_format),
        os=spec.architecture.os,
        platform=spec.architecture.platform,
        target=spec.architecture.target,
        variants=spec.variant_texts,
        stacks=one.stacks,
        size=size,
    )


def _site_files(connection: Connection, ref: Ref) -> Iterator[tuple[Path, bytes]]:
    """The two small files by which the public site lists refs; the second one names all of the catalogue."""
    tag = f"---\nlayout: table\npermalink: /tag/{ref}/\ntag: {ref}\n---\n"
    yield Path("pages") / "tags" / f"{ref}.md", tag.encode()
    listed = [
        f"- name: {json.dumps(one.ref)}\n  stacks:\n"
        + "".join(f"  - {json.dumps(stack)}\n" for stack in one.stacks)
        for one in ref_stacks(connection)
    ]
    yield Path("_data") / "tags.yaml", "".join(listed).encode()
