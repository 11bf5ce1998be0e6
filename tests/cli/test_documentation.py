"""Every command and every setting is named in the documents for users."""

import re

import pytest

from cachescope.settings import environment_name, rows
from tests.catalogues import ROOT
from tests.cli.test_command_line import commands


def _documents() -> str:
    files = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_is_documented(command: tuple[str, ...]) -> None:
    assert re.search(rf"cachescope {' '.join(command)}\b", _documents())


@pytest.mark.parametrize("name", [row.name for row in rows()])
def test_every_setting_is_documented_with_its_variable(name: str) -> None:
    documents = _documents()
    assert re.search(rf"`{name}`", documents)
    assert environment_name(name) in documents
