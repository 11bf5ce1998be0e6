"""Specs are printed as Spack prints them."""

import pytest

from cachescope.model.record import Presence, Validator, Verdict
from cachescope.model.spec import (
    FLAG_NAMES,
    Architecture,
    Compiler,
    Deptype,
    Variant,
    compiler_text,
    deptype_names,
    variant_text,
)

SHA = "646eb1a39a7e8b3e01a1d5ef8e8a2bdd2a86aa2bbbdf7bdb0e2c58a9d27bd1f4"


@pytest.mark.parametrize(
    ("name", "value", "since_format_5", "before"),
    [
        ("pic", True, "+pic", "+pic"),
        ("pic", False, "~pic", "~pic"),
        ("build_system", "makefile", "build_system=makefile", "build_system=makefile"),
        ("fabrics", ("ofi", "ucx"), "fabrics:=ofi,ucx", "fabrics=ofi,ucx"),
        ("fabrics", ("none",), "fabrics:=none", "fabrics=none"),
        ("fabrics", (), "fabrics:='*'", "fabrics='*'"),
        ("languages", ("c", "c++"), "languages:='c,c++'", "languages='c,c++'"),
        ("patches", (SHA,), "patches:=646eb1a", "patches=646eb1a"),
        ("patches", (SHA, "abc1234" + SHA[7:]), "patches:=646eb1a,abc1234", "patches=646eb1a,abc1234"),
        ("patches", (), "patches:='*'", "patches='*'"),
        ("patches", SHA, f"patches={SHA}", f"patches={SHA}"),
        ("x", "a.b-c_d/e,f[0]", "x=a.b-c_d/e,f[0]", "x=a.b-c_d/e,f[0]"),
        ("x", "a:b", "x='a:b'", "x='a:b'"),
        ("x", "a b", "x='a b'", "x='a b'"),
        ("x", "", "x=''", "x=''"),
        ("x", "it's", 'x="it\'s"', 'x="it\'s"'),
        ("x", 'it\'s "so"', 'x="it\'s \\"so\\""', 'x="it\'s \\"so\\""'),
        ("x", 'say "so"', "x='say \"so\"'", "x='say \"so\"'"),
        ("x", "größe", "x='größe'", "x='größe'"),
        ("x", "a\n", "x='a\n'", "x='a\n'"),
        ("x", ("a", "it's"), 'x:="a,it\'s"', 'x="a,it\'s"'),
    ],
)
def test_variant_is_printed_as_its_spack_did(
    name: str, *, value: bool | str | tuple[str, ...], since_format_5: str, before: str
) -> None:
    variant = Variant(name, value)
    assert variant_text(variant) == variant_text(variant, spec_format=5) == since_format_5
    assert [variant_text(variant, spec_format=one) for one in (1, 2, 3, 4)] == [before] * 4


@pytest.mark.parametrize(
    ("compiler", "since_format_5", "before"),
    [
        (Compiler("gcc", "13.2.0"), "gcc@13.2.0", "gcc@=13.2.0"),
        (Compiler("gcc", ""), "gcc", "gcc"),
        (None, "none", "none"),
    ],
)
def test_compiler_is_printed_as_pages_of_its_time_did(
    compiler: Compiler | None, since_format_5: str, before: str
) -> None:
    assert compiler_text(compiler) == compiler_text(compiler, spec_format=5) == since_format_5
    assert [compiler_text(compiler, spec_format=one) for one in (1, 3, 4)] == [before] * 3
    assert compiler is None or str(compiler) == since_format_5


@pytest.mark.parametrize(
    ("types", "names"),
    [
        (Deptype(0), ()),
        (Deptype.TEST | Deptype.BUILD, ("build", "test")),
        (Deptype.RUN | Deptype.LINK, ("link", "run")),
        (15, ("build", "link", "run", "test")),
    ],
)
def test_dependency_types_are_named_in_spacks_order(types: Deptype | int, names: tuple[str, ...]) -> None:
    assert deptype_names(types) == names


def test_architecture_is_printed_with_dashes() -> None:
    assert str(Architecture("linux", "debian12", "x86_64_v3")) == "linux-debian12-x86_64_v3"


def test_flags_are_the_six_of_spack() -> None:
    assert FLAG_NAMES == ("cflags", "cppflags", "cxxflags", "fflags", "ldflags", "ldlibs")


def test_of_several_sources_the_highest_presence_counts() -> None:
    assert max(Presence.MENTIONED, Presence.UNSTATED) is Presence.UNSTATED
    assert max(Presence.PRESENT, Presence.UNSTATED) is Presence.PRESENT
    assert [one.word for one in Presence] == ["mentioned", "unstated", "present"]
    assert [one.word for one in Verdict] == ["verified", "mismatch", "not_verifiable"]


@pytest.mark.parametrize(
    ("validator", "usable"),
    [(Validator(), False), (Validator(etag='"x"'), True), (Validator(last_modified="Sat"), True)],
)
def test_validator_without_content_is_none(validator: Validator, *, usable: bool) -> None:
    assert bool(validator) is usable
