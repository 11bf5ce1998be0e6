"""What is said of the catalogue holds in each database."""

import pytest

from cachescope.catalogue.address import CatalogueAddress


@pytest.fixture
def catalogue_address(each_catalogue: CatalogueAddress) -> CatalogueAddress:
    """The catalogue runs on each database."""
    return each_catalogue
