"""What a published page of a package needs: specs that are present in ``root``, and all stacks that speak of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.originals import RecordReader
from cachescope.catalogue.scope import Scope, current_presence
from cachescope.catalogue.sizes import sizes_of
from cachescope.catalogue.summaries import chunks
from cachescope.catalogue.summaries_of_specs import read_summaries, select_specs
from cachescope.model.identity import ROOT, PackageName, Ref, Stack
from cachescope.model.record import Presence
from cachescope.model.results import SpecSummary

__all__ = ["PageSpec", "packages_of_root", "page_specs"]


@dataclass(frozen=True, slots=True)
class PageSpec:
    """One row of a page: the spec, every stack of the ref that has it as any record, and its row on an older page."""

    spec: SpecSummary
    stacks: tuple[Stack, ...]
    original: bytes | None
    """JSON of the row of a page, for a spec that is known from that page alone."""


def packages_of_root(connection: Connection, ref: Ref) -> Sequence[PackageName]:
    """Return the packages with a binary in the root of a ref, by name."""
    names = connection.execute(
        select(t.name.c.text)
        .join(t.package_summary, t.package_summary.c.name_id == t.name.c.id)
        .where(
            t.package_summary.c.ref == ref, t.package_summary.c.stack == ROOT, t.package_summary.c.present > 0
        )
        .order_by(t.name.c.text)
    )
    return [PackageName(name) for name in names.scalars()]


def page_specs(connection: Connection, package: PackageName, ref: Ref) -> Sequence[PageSpec]:
    """Return the specs of a package that are present in the root of a ref, by hash, with their sizes there.

    6 statements for 500 specs.
    """
    scope = Scope(ref, ROOT)
    name_id = select(t.name.c.id).where(t.name.c.text == package).scalar_subquery()
    presence = current_presence(scope, t.spec.c.name_id == name_id)
    rows = connection.execute(
        select_specs(presence).where(presence.c.state == int(Presence.PRESENT)).order_by(t.spec.c.hash)
    ).all()
    specs = read_summaries(connection, rows, scope)
    sizes = sizes_of(connection, [row.id for row in rows], scope)
    stacks = _stacks(connection, [row.id for row in rows], ref)
    from_pages = [row.id for row in rows if row.knowledge == Knowledge.PAGE]
    reader = RecordReader(connection)
    originals = {key: record for some in chunks(from_pages) for key, record in reader.read(some).items()}
    return [
        PageSpec(replace(spec, size=sizes.get(row.id)), tuple(sorted(stacks[row.id])), originals.get(row.id))
        for row, spec in zip(rows, specs, strict=True)
    ]


def _stacks(connection: Connection, spec_ids: Sequence[int], ref: Ref) -> dict[int, set[Stack]]:
    found: dict[int, set[Stack]] = {}
    for some in chunks(spec_ids):
        rows = connection.execute(
            select(t.presence.c.spec_id, t.mirror.c.stack)
            .join(t.source, t.source.c.id == t.presence.c.source_id)
            .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
            .where(t.presence.c.spec_id.in_(some), t.presence.c.until.is_(None), t.mirror.c.ref == ref)
        )
        for spec_id, stack in rows:
            found.setdefault(spec_id, set()).add(Stack(stack))
    return found
