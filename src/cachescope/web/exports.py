"""Answers that are no pages: the badge of a package, and its binaries as a table."""

from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import parse_package_name
from cachescope.model.services import CatalogueReader
from cachescope.present import exports, wording
from cachescope.present.pages import PageRequest

__all__ = ["package_badge", "package_table"]


def package_badge(reader: CatalogueReader, request: PageRequest) -> bytes:
    """Draw the badge of a package in a scope. Raises ``NotInCatalogue``."""
    name = parse_package_name(request.subject)
    scope = request.scope
    # The package itself is the first by name of those that begin so.
    found = reader.packages(ref=scope.ref, stack=scope.stack, prefix=name, limit=1).packages
    if not found or found[0].name != name:
        raise NotInCatalogue(f"there is no {name} in {scope.words}")
    return exports.badge(
        f"{name} {found[0].newest_version}".rstrip(),
        wording.count(found[0].counts.present, "binary", "binaries"),
    )


def package_table(reader: CatalogueReader, request: PageRequest) -> bytes:
    """Write the present binaries of a package that match a query, all of them. Raises what ``search`` raises."""
    name = parse_package_name(request.subject)
    scope = request.scope
    found = reader.search(request.query or name, ref=scope.ref, stack=scope.stack, limit=0)
    return exports.table([spec for spec in found.specs if spec.name == name])
