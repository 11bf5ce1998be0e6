"""Programs that cachescope is measured beside, and how they are started.

orjson, DuckDB, datasette and matplotlib stand in an environment of their own (``.venv-bench``, by ``make bench``), so that
what is measured is what users install.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parent / ".venv-bench" / "bin" / "python"
NO_PYTHON = "there is no .venv-bench; 'make bench' makes it"
NO_SPACK = "SPACK_ROOT is not set"


@dataclass(frozen=True, slots=True)
class Spack:
    """A checkout of Spack, and the Python that runs it."""

    root: Path
    python: str

    def start(
        self, configuration: Path, environment: Mapping[str, str], *arguments: str
    ) -> tuple[list[str], dict[str, str]]:
        """Return command and environment of a Spack with nothing but an empty configuration in that folder."""
        configuration.mkdir(exist_ok=True)
        # No package repository: reading an index needs none, and Spack would download one.
        (configuration / "repos.yaml").write_text("repos:: {}\n", encoding="ascii")
        own = {
            **environment,
            "SPACK_PYTHON": self.python,
            "SPACK_DISABLE_LOCAL_CONFIG": "1",
            "SPACK_USER_CACHE_PATH": str(configuration / "cache"),
        }
        return [f"{self.root}/bin/spack", "-C", str(configuration), *arguments], own


def settings(environment: Mapping[str, str], database: Path) -> dict[str, str]:
    """Return the environment in which cachescope runs; settings of the person who measures stay out of it."""
    return {
        **environment,
        "CACHESCOPE_DB": str(database),
        "XDG_CONFIG_HOME": str(database.parent),
        "PYTHONPATH": str(HERE.parent / "src"),
    }


def cachescope(*arguments: str) -> list[str]:
    """Return the command that starts cachescope as a process."""
    return [sys.executable, "-m", "cachescope", *arguments]


def not_measured(absent: Mapping[str, str | None]) -> list[str]:
    """Return a line that says which peers were not measured and why; none if all were."""
    told = [f"{name} ({why})" for name, why in absent.items() if why is not None]
    return ["", f"Not measured: {'; '.join(told)}."] if told else []
