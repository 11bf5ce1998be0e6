"""Settings: the command line before the environment, that before the file, that before the default."""

from pathlib import Path

import pytest

from cachescope import compose
from cachescope.model.errors import UserInputError
from cachescope.settings import Settings, environment_name, read_settings, rows
from tests.commands import CommandLine

BAD = 2


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_a_value_comes_from_the_command_line_else_the_environment_else_the_file_else_the_default(
    file: Path,
) -> None:
    file.write_text("port = 1001\nretries = 1\nhost = 'file'\n")
    found = read_settings(
        file, {"CACHESCOPE_PORT": "1002", "CACHESCOPE_RETRIES": "2"}, {"port": 1003, "host": None}
    )
    assert (found.port, found.retries, found.host, found.backoff) == (1003, 2, "file", Settings().backoff)


def test_without_a_file_all_are_defaults(file: Path) -> None:
    assert read_settings(file, {}, {}) == Settings()


def test_every_setting_has_a_help_and_can_be_set_in_file_and_environment(file: Path) -> None:
    texts = {"str": "text", "int": "7", "float": "7.5"}
    for row in rows():
        assert row.metadata["help"]
        default = getattr(Settings(), row.name)
        kind = type(default).__name__
        if kind not in texts:
            continue
        text = texts[kind] if kind == "str" or row.metadata["least"] <= 7 else f"{row.metadata['least']:g}"
        given = read_settings(file, {environment_name(row.name): text}, {})
        file.write_text(f"{row.name} = {repr(text) if kind == 'str' else text}\n")
        assert getattr(read_settings(file, {}, {}), row.name) == getattr(given, row.name) != default
        file.unlink()


def test_public_addresses_are_a_table_in_the_file_and_pairs_in_the_environment(file: Path) -> None:
    file.write_text("[public_addresses]\n's3://a/' = 'https://a/'\n's3://b/' = 'https://b/'\n")
    from_file = read_settings(file, {}, {}).public_addresses
    pairs = {"CACHESCOPE_PUBLIC_ADDRESSES": "s3://a/=https://a/ s3://b/=https://b/"}
    assert dict(from_file) == dict(read_settings(Path("/none"), pairs, {}).public_addresses)
    assert dict(from_file) == {"s3://a/": "https://a/", "s3://b/": "https://b/"}


def test_a_whole_number_is_a_number_of_seconds(file: Path) -> None:
    file.write_text("read_timeout = 5\n")
    assert read_settings(file, {}, {}).read_timeout == 5.0


WRONG_FILES = {
    "no TOML": ("port = = 1", "the settings file is not TOML", ""),
    "unknown": ("prot = 1", "unknown setting 'prot'", "known are access_log"),
    "text for a number": ("port = 'http'", "'http' is not a whole number, not negative", "port that 'serve'"),
    "number for a text": ("host = 5", "5 is not a text", "address that 'serve' listens on"),
    "truth": ("retries = true", "True is not a whole number", ""),
    "negative": ("read_timeout = -1", "-1.0 is not a number, not negative (s)", "stay silent"),
    "part of a whole": ("retries = 1.5", "1.5 is not a whole number", ""),
    "table of numbers": ("[public_addresses]\na = 1", "is not a table of texts", ""),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_settings_file_that_is_wrong_ends_with_2_and_names_file_and_setting(
    case: str, file: Path, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, message, hint = WRONG_FILES[case]
    file.write_text(text)
    monkeypatch.setenv("CACHESCOPE_CONFIG", str(file))
    refused = run("caches")
    assert refused.code == BAD
    for fragment in (message, hint, str(file)):
        assert fragment in refused.err


def test_a_settings_file_that_is_no_text_is_told(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UserInputError, match="is not TOML"):
        read_settings(file, {}, {})
    file.unlink()
    file.mkdir()
    with pytest.raises(UserInputError, match="cannot be read"):
        read_settings(file, {}, {})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("CACHESCOPE_PORT", "http", "'http' is not a whole number"),
        ("CACHESCOPE_PORT", "-1", "-1 is not a whole number, not negative"),
        ("CACHESCOPE_PORT", "", "'' is not a whole number"),
        ("CACHESCOPE_READ_TIMEOUT", "soon", "'soon' is not a number"),
        ("CACHESCOPE_READ_TIMEOUT", "nan", "is not a number"),
        ("CACHESCOPE_PUBLIC_ADDRESSES", "s3://a/", "'s3://a/' is not a table of texts"),
    ],
)
def test_a_variable_that_is_wrong_ends_with_2_and_is_named(
    name: str, text: str, message: str, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    refused = run("caches")
    assert refused.code == BAD
    assert message in refused.err
    assert name in refused.err


def test_the_catalogue_is_in_the_users_data_folder_unless_it_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CACHESCOPE_DB")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    found = compose.database_address(compose.settings({}))
    assert isinstance(found, Path)
    assert found.name == "catalogue.sqlite"
    assert found.parent.name == "cachescope"
    assert compose.database_address(Settings(db="~/mine.sqlite")) == Path.home() / "mine.sqlite"


def test_the_settings_file_is_in_the_users_configuration_folder_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (tmp_path / "cachescope").exists():
        (tmp_path / "cachescope").mkdir()
    (tmp_path / "cachescope" / "config.toml").write_text("port = 4711\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("CACHESCOPE_CONFIG")
    assert compose.settings({}).port == 4711


def test_a_settings_file_that_is_named_but_not_there_ends_with_2_and_says_what_to_do(
    tmp_path: Path, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHESCOPE_CONFIG", str(tmp_path / "none.toml"))
    refused = run("caches", "--json")
    assert refused.code == BAD
    error = refused.json["error"]
    assert error["message"] == "there is no such settings file"
    assert error["where"] == str(tmp_path / "none.toml")
    assert "CACHESCOPE_CONFIG" in error["hint"]


@pytest.mark.parametrize("named", ["/dev/null", ""])
def test_no_settings_file_is_read_where_none_is_meant(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("CACHESCOPE_CONFIG", named)
    assert compose.settings({}).port == Settings().port
