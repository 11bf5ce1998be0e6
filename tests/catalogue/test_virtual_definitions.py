"""Definitions of virtual mirrors in the catalogue."""

from dataclasses import replace

import pytest

from cachescope.catalogue.virtual_definitions import (
    define_virtual,
    defined_mirror,
    defined_mirrors,
    remove_virtual,
)
from cachescope.model.errors import CatalogueUnusable, NotInCatalogue, UserInputError
from cachescope.model.identity import DagHash
from cachescope.model.sightings import parse_against
from cachescope.model.virtual import LockShape, VirtualMirror
from tests.catalogues import V3, OpenCatalogue

WHOLE = VirtualMirror(
    name="hpc",
    sources=tuple(map(parse_against, ("develop/e4s@science", "ref:v1.0", "site"))),
    filter="hdf5 +mpi",
    host="platform=linux,os=rocky9,target=zen3,glibc=2.34",
    lock=LockShape(file="spack.lock", hashes=(DagHash("a" * 32), DagHash("b" * 32))),
    incomplete=True,
)
PLAIN = VirtualMirror(name="all", sources=(parse_against("site"),))


def _define(opened: OpenCatalogue, *mirrors: VirtualMirror) -> list[bool]:
    with opened.catalogue.writing() as connection:
        return [define_virtual(connection, one, now=opened.clock) for one in mirrors]


def test_definitions_are_read_as_they_were_written(opened: OpenCatalogue) -> None:
    assert _define(opened, WHOLE, PLAIN) == [True, True]
    with opened.catalogue.reading() as connection:
        assert defined_mirrors(connection) == [PLAIN, WHOLE]
        assert defined_mirror(connection, "hpc") == WHOLE
        assert defined_mirror(connection, "other") is None


def test_a_definition_takes_the_place_of_the_one_before(opened: OpenCatalogue) -> None:
    changed = replace(PLAIN, filter="zlib")
    assert _define(opened, PLAIN, changed) == [True, False]
    with opened.catalogue.reading() as connection:
        assert defined_mirrors(connection) == [changed]


def test_what_is_removed_is_gone_and_removing_it_again_is_told(opened: OpenCatalogue) -> None:
    _define(opened, PLAIN)
    with opened.catalogue.writing() as connection:
        remove_virtual(connection, "all")
        with pytest.raises(NotInCatalogue, match="no virtual mirror all is defined"):
            remove_virtual(connection, "all")


def test_a_definition_that_would_hide_a_mirror_is_refused(opened: OpenCatalogue) -> None:
    opened.sync("develop/e4s", V3)
    with pytest.raises(UserInputError, match="would hide /mirror/develop/STACK/"):
        _define(opened, replace(PLAIN, name="develop"))


def test_a_definition_that_somebody_broke_is_told_by_name(opened: OpenCatalogue) -> None:
    _define(opened, PLAIN)
    with opened.catalogue.writing() as connection:
        connection.exec_driver_sql("UPDATE virtual_mirror SET definition = '{'")
    with (
        pytest.raises(CatalogueUnusable, match="the definition of the virtual mirror all"),
        opened.catalogue.reading() as connection,
    ):
        defined_mirrors(connection)
