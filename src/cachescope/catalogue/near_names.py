"""Names of packages that are spelt nearly as somebody asked."""

import difflib
from collections.abc import Sequence

from sqlalchemy import Connection, case, func, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.scope import Scope
from cachescope.model.identity import PackageName

__all__ = ["near_names", "suggested_names"]


def near_names(connection: Connection, text_: str, *, count: int = 3) -> tuple[PackageName, ...]:
    """Return names of packages that are spelt nearly so. Looks at names alone, of which there are some thousands."""
    bare = text_.strip("*?")
    if not bare:
        return ()
    names: Sequence[str] = (
        connection.execute(select(t.name.c.text).where(t.name.c.id.in_(select(t.package_summary.c.name_id))))
        .scalars()
        .all()
    )
    prefixed = [
        name
        for name in names
        if name in {f"py-{bare}", f"r-{bare}", f"perl-{bare}", bare.removeprefix("py-")}
    ]
    near = difflib.get_close_matches(bare, names, n=count, cutoff=0.7)
    return tuple(PackageName(name) for name in dict.fromkeys([*prefixed, *near]) if name != bare)[:count]


def suggested_names(
    connection: Connection, text: str, scope: Scope, *, limit: int
) -> tuple[PackageName, ...]:
    """Return packages of a scope whose names hold a text: those that begin so first, then the shortest. 1 statement."""
    asked = text.strip().lower()
    if not asked:
        return ()
    here = t.package_summary
    conditions = [here.c.ref == (scope.ref or ""), here.c.stack == (scope.stack or "")]
    if scope.ref is None and scope.stack is not None:
        conditions = [here.c.stack == scope.stack]
    begins = case((t.name.c.text.startswith(asked, autoescape=True), 0), else_=1)
    names = connection.execute(
        select(t.name.c.text)
        .join(here, here.c.name_id == t.name.c.id)
        .where(t.name.c.text.contains(asked, autoescape=True), *conditions)
        .group_by(t.name.c.text)
        .order_by(begins, func.length(t.name.c.text), t.name.c.text)
        .limit(limit)
    )
    return tuple(PackageName(name) for name in names.scalars())
