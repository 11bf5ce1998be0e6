"""A catalogue that is small enough to follow every link of its pages, and has each kind of page."""

from pathlib import Path

from tests.catalogues import OpenCatalogue
from tests.mirrors import Node, index, installs, node, write_v3

HOSTILE = '<script src="https://evil.example/x.js"></script>'


def read_small(opened: OpenCatalogue, folder: Path) -> list[Node]:
    """Read two refs and three mirrors; returns the specs that are present in ``develop``."""
    base = node("zlib-ng", "2.1.6")
    odd = node(
        "odd", "1.0", variants={"build_system": "generic", "note": HOSTILE}, needs=[(base, "link", "")]
    )
    demos = [
        node("py-demo", version, system=system, target=target, needs=[(base, "build,link", "")])
        for version, system, target in (
            ("1.2", "debian12", "x86_64_v3"),
            ("1.10", "debian12", "x86_64_v3"),
            ("1.10", "ubuntu24.04", "zen4"),
        )
    ]
    gone, missing, unlisted = node("gone"), node("missing"), node("unlisted")
    needy = node("needy", needs=[(missing, "run", ""), (unlisted, "link", "")])
    develop = [base, odd, *demos, needy]
    write_v3(folder / "root", index(installs([*develop, gone], [missing])))
    write_v3(folder / "e4s", index(installs(demos[1:], [base])))
    write_v3(folder / "old", index(installs(demos[:1])))
    opened.sync("develop/root", folder / "root")
    opened.sync("develop/e4s", folder / "e4s")
    opened.sync("v1.0.0/root", folder / "old")
    opened.pass_time(2)
    write_v3(folder / "root", index(installs(develop, [missing])))
    opened.sync("develop/root", folder / "root")
    return develop
