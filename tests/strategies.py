"""What hypothesis draws for the tests: JSON of the kind that formats meet, versions, rows of pages."""

from typing import Any

from hypothesis import strategies as st

from cachescope.formats.pages_md import PageRow
from cachescope.model.identity import DagHash, Stack

HASH_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"

_KNOWN_KEYS = [
    "database",
    "version",
    "installs",
    "spec",
    "in_buildcache",
    "name",
    "arch",
    "platform",
    "platform_os",
    "target",
    "namespace",
    "parameters",
    "external",
    "path",
    "module",
    "patches",
    "package_hash",
    "dependencies",
    "hash",
    "type",
    "deptypes",
    "virtuals",
    "build_spec",
    "annotations",
    "original_specfile_version",
    "compiler",
    "build_hash",
]
_KNOWN_TEXTS = (
    "",
    "5",
    "6",
    "7",
    "8",
    "9",
    "0.9.3",
    "z" * 32,
    "g" * 32,
    "build",
    "c",
    "None",
    "gcc@=1",
    "True",
    "é",
)

dag_hashes = st.text(HASH_ALPHABET, min_size=32, max_size=32).map(DagHash)

json_texts = st.sampled_from(_KNOWN_TEXTS) | st.text(max_size=8)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(2**70), 2**70) | st.floats() | json_texts,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_KNOWN_KEYS) | json_texts, inner, max_size=5)
    ),
    max_leaves=12,
)
"""NaN and infinity included, which Python writes and no JSON knows."""

_words = st.sampled_from(
    [
        "a",
        "b",
        "abc",
        "p1",
        "pre",
        "alpha",
        "beta",
        "rc",
        "final",
        "stable",
        "nightly",
        "trunk",
        "head",
        "master",
        "main",
        "develop",
        "rcx",
        "Z",
    ]
)
_numbers = st.integers(0, 300).map(str) | st.sampled_from(("0", "00", "01", "4294967296", "9" * 30))
_separators = st.sampled_from((".", ".", "-", "_", ""))
standard_versions = st.lists(st.tuples(_numbers | _words, _separators), min_size=1, max_size=5).map(
    lambda parts: "".join(part + separator for part, separator in parts).rstrip("._-")
)
git_refs = st.sampled_from(("main", "feature/x", "v1.0", "0", "\x01", "é")) | st.text(
    "0123456789abcdef", min_size=40
)
git_versions = st.builds("git.{}={}".format, git_refs, standard_versions)
versions = standard_versions | git_versions

_texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
page_rows = st.builds(
    PageRow,
    hash=dag_hashes,
    version=_texts,
    compiler=_texts | st.sampled_from(("gcc@13.2.0", "gcc@=13.2.0", "none")),
    os=_texts,
    platform=_texts,
    target=_texts,
    variants=st.lists(_texts | st.sampled_from(("+pic", "languages:='c,c++'")), max_size=4).map(tuple),
    stacks=st.sets(st.sampled_from(("root", "e4s", "ml-linux-x86_64-cuda", "hep"))).map(
        lambda names: tuple(sorted(map(Stack, names)))
    ),
    size=st.just("-") | st.integers(0, 2**40).map(str),
)
