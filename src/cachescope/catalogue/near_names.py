"""Names of packages that are spelt nearly as somebody asked."""

import difflib
from collections.abc import Sequence

from sqlalchemy import Connection, select

from cachescope.catalogue import schema as t
from cachescope.model.identity import PackageName

__all__ = ["near_names"]


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
