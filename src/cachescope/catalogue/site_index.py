"""The hashes of a scope and what a list shows of each; fulfils ``model.site.SiteIndex``."""

from collections.abc import Sequence

from sqlalchemy import select

from cachescope.catalogue import schema as t
from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.lowering import hash_starts_with
from cachescope.catalogue.scope import Scope, checked_scope, current_presence
from cachescope.model.identity import DagHash, PackageName, Ref
from cachescope.model.record import Presence
from cachescope.model.site import IndexedSpec

__all__ = ["CatalogueSiteIndex"]


class CatalogueSiteIndex:
    """Reads them from an open catalogue; two statements at the most for each question."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def hashes(self, *, ref: Ref | None) -> Sequence[DagHash]:
        """All hashes that are known, or those that a source of a ref speaks of now. Raises ``NotInCatalogue``."""
        statement = select(t.spec.c.hash)
        with self._catalogue.reading() as connection:
            if ref is not None:
                presence = current_presence(checked_scope(connection, ref, None))
                statement = statement.join(presence, presence.c.spec_id == t.spec.c.id)
            # Sorted here: a database sorts text by the rules of its language.
            return sorted(map(DagHash, connection.execute(statement).scalars()))

    def beginning(self, characters: str, *, ref: Ref | None) -> Sequence[IndexedSpec]:
        """Return the specs whose hash begins so, by hash."""
        begins = hash_starts_with(t.spec.c.hash, characters)
        presence = current_presence(Scope(ref), begins)
        columns = (
            t.spec.c.hash,
            t.name.c.text.label("name"),
            t.version.c.text.label("version"),
            t.compiler.c.name.label("compiler_name"),
            t.compiler.c.version.label("compiler_version"),
            t.architecture.c.os,
            t.architecture.c.target,
            presence.c.state,
        )
        statement = (
            select(*columns)
            .select_from(
                t.spec.join(t.name, t.name.c.id == t.spec.c.name_id)
                .outerjoin(t.version, t.version.c.id == t.spec.c.version_id)
                .outerjoin(t.compiler, t.compiler.c.id == t.spec.c.compiler_id)
                .outerjoin(t.architecture, t.architecture.c.id == t.spec.c.architecture_id)
                .join(presence, presence.c.spec_id == t.spec.c.id, isouter=ref is None)
            )
            .where(begins)
        )
        with self._catalogue.reading() as connection:
            rows = connection.execute(statement).all()
        found = [
            IndexedSpec(
                hash=DagHash(row.hash),
                name=PackageName(row.name),
                version=row.version or "",
                compiler=f"{row.compiler_name}@{row.compiler_version}" if row.compiler_name else "",
                os=row.os or "",
                target=row.target or "",
                present=row.state == int(Presence.PRESENT),
            )
            for row in rows
        ]
        return sorted(found, key=lambda one: one.hash)
