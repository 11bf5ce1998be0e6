"""Identities are made from text by one function each, which takes what is one and refuses the rest."""

from collections.abc import Callable

import pytest

from cachescope.model.errors import UserInputError
from cachescope.model.identity import (
    ROOT,
    Digest,
    MirrorName,
    Ref,
    SourceName,
    Stack,
    ViewName,
    is_hash_text,
    parse_dag_hash,
    parse_digest,
    parse_hash_prefix,
    parse_mirror_name,
    parse_package_name,
    parse_ref,
    parse_source_name,
)

HASH = "33pd4gqyffngxntyedk6ez7zmyci22np"
NO_HASHES = (
    "",
    "/",
    HASH[:-1],
    HASH + "a",
    HASH.upper(),
    HASH[:-1] + "1",
    HASH[:-1] + "8",
    HASH + "\n",
    "é" * 32,
)


def refused(parse: Callable[[str], object], text: str) -> UserInputError:
    with pytest.raises(UserInputError) as caught:
        parse(text)
    assert (caught.value.code, caught.value.exit_code, caught.value.http_status) == ("bad_input", 2, 400)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("text", [HASH, f"/{HASH}"])
def test_dag_hash_is_read_with_or_without_slash(text: str) -> None:
    assert parse_dag_hash(text) == HASH
    assert is_hash_text(text) is (text == HASH)


@pytest.mark.parametrize("text", [*NO_HASHES, f"//{HASH}"])
def test_what_is_no_dag_hash_is_refused(text: str) -> None:
    assert "is not a DAG hash" in refused(parse_dag_hash, text).message
    assert not is_hash_text(text)


@pytest.mark.parametrize("text", ["3", "/3", "33pd4gq", "/33pd4gq", HASH, f"/{HASH}"])
def test_hash_prefix_is_1_to_32_characters(text: str) -> None:
    assert parse_hash_prefix(text) == text.removeprefix("/")


@pytest.mark.parametrize("text", ["", "/", "1", "33PD", "33pd*", HASH + "a", "//3", "3 ", "3\n"])
def test_what_begins_no_dag_hash_is_refused(text: str) -> None:
    assert "is not the beginning of a DAG hash" in refused(parse_hash_prefix, text).message


@pytest.mark.parametrize("text", ["hdf5", "py-numpy", "7zip", "_x", "Builtin.Zlib", "a_b", "r"])
def test_package_name_is_read(text: str) -> None:
    assert parse_package_name(text) == text


@pytest.mark.parametrize(
    "text", ["", "-x", ".x", "..", "../x", "a/b", "a b", "a\n", "é", "a+", "a\x00", "a@1"]
)
def test_what_is_no_package_name_is_refused(text: str) -> None:
    assert "is not a package name" in refused(parse_package_name, text).message


@pytest.mark.parametrize(
    ("text", "ref", "stack", "view"),
    [
        ("develop/e4s", "develop", "e4s", None),
        ("site", "site", "root", None),
        ("site/root", "site", "root", None),
        ("develop/e4s@science", "develop", "e4s", "science"),
        ("site@science", "site", "root", "science"),
        ("v1.0.2/ml-linux-x86_64-cuda", "v1.0.2", "ml-linux-x86_64-cuda", None),
        ("develop-2025-07-13/e4s+x", "develop-2025-07-13", "e4s+x", None),
        ("v3x/blobs2", "v3x", "blobs2", None),
        ("a" * 128, "a" * 128, "root", None),
    ],
)
def test_source_name_is_ref_stack_and_view(text: str, ref: str, stack: str, view: str | None) -> None:
    mirror = MirrorName(Ref(ref), Stack(stack))
    name = parse_source_name(text)
    assert name == SourceName(mirror, ViewName(view) if view else None)
    assert str(name) == f"{ref}/{stack}" + (f"@{view}" if view else "")
    assert parse_source_name(str(name)) == name
    if view is None:
        assert parse_mirror_name(text) == mirror


def test_lone_name_is_the_root_of_its_ref() -> None:
    assert parse_mirror_name("site") == parse_mirror_name("site/root") == MirrorName(Ref("site"), ROOT)


@pytest.mark.parametrize("reserved", ["v2", "v3", "v10", "blobs", "build_cache"])
@pytest.mark.parametrize("template", ["{}", "{}/e4s", "develop/{}", "develop/e4s@{}"])
def test_names_that_mirrors_use_for_folders_are_refused(reserved: str, template: str) -> None:
    assert "mirrors use it for folders" in refused(parse_source_name, template.format(reserved)).message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'' is not a name of a ref"),
        ("/e4s", "'' is not a name of a ref"),
        ("@science", "'' is not a name of a ref"),
        ("develop/", "ends in '/' without a stack"),
        ("develop/e4s@", "ends in '@' without the name of a view"),
        ("develop/@science", "ends in '/' without a stack"),
        ("develop/e4s/more", "'e4s/more' is not a name of a stack"),
        ("develop/../x", "is not a name of a stack"),
        ("../develop", "'..' is not a name of a ref"),
        ("develop/e4s@a@b", "'a@b' is not a name of a view"),
        ("develop e4s", "is not a name of a ref"),
        ("develop\n", "is not a name of a ref"),
        ("-x", "is not a name of a ref"),
        ("é", "is not a name of a ref"),
        ("a" * 129, "is not a name of a ref"),
        ("ref:develop", "is not a name of a ref"),
    ],
)
def test_what_is_no_source_name_is_refused(text: str, problem: str) -> None:
    assert problem in refused(parse_source_name, text).message


def test_view_is_refused_where_a_mirror_is_wanted() -> None:
    error = refused(parse_mirror_name, "develop/e4s@science")
    assert "names a view" in error.message
    assert "develop/e4s" in error.hint


@pytest.mark.parametrize("text", ["v2", "blobs", "build_cache", "a/b", "", "a@b"])
def test_what_is_no_ref_is_refused(text: str) -> None:
    refused(parse_ref, text)
    assert parse_ref("v1.0") == "v1.0"


@pytest.mark.parametrize(("algorithm", "length"), [("sha256", 64), ("sha512", 128), ("sha1", 40)])
def test_digest_has_the_length_of_its_algorithm(algorithm: str, length: int) -> None:
    checksum = "0123456789abcdef" * 8
    digest = parse_digest(algorithm, checksum[:length])
    assert digest == Digest(algorithm, checksum[:length])
    assert str(digest) == f"{algorithm}:{checksum[:length]}"
    for wrong in (length - 1, length + 1):
        refused(lambda text: parse_digest(algorithm, text), "a" * wrong)


@pytest.mark.parametrize(
    "checksum", ["", "../" + "a" * 61, "A" * 64, "g" * 64, "a" * 64 + "\n", "a" * 63 + " "]
)
def test_what_could_be_more_than_a_checksum_is_refused(checksum: str) -> None:
    refused(lambda text: parse_digest("sha256", text), checksum)


def test_checksum_without_end_is_shown_in_part() -> None:
    assert len(refused(lambda text: parse_digest("sha256", text), "x" * 10_000).message) < 200


@pytest.mark.parametrize("algorithm", ["md5", "", "SHA256", "../sha256"])
def test_unknown_checksum_algorithm_is_refused(algorithm: str) -> None:
    error = refused(lambda text: parse_digest(text, "a" * 64), algorithm)
    assert "unknown checksum algorithm" in error.message
    assert "sha256" in error.hint
