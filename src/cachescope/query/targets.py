"""Microarchitectures: which is older than which, from archspec, Spack's own knowledge of them.

``x <= y`` where x is y or an ancestor of y. A query's ``target=`` is a comma list of names, which are compared by name, and
of ranges ``a:b``, which are compared in this partial order. Source: Spack 1.2 ``ArchSpec``, archspec.
"""

from functools import cache

__all__ = ["is_known_target", "target_matches", "unknown_bounds"]


@cache
def _ancestors(name: str) -> frozenset[str]:
    """Return the target itself and all that it can run; a name that archspec does not know has no ancestors."""
    import archspec.cpu  # reads its table: only where a range is asked for

    known = archspec.cpu.TARGETS.get(name)
    return frozenset({name}) if known is None else frozenset({name, *(one.name for one in known.ancestors)})


def is_known_target(name: str) -> bool:
    """Say whether archspec knows the target."""
    import archspec.cpu

    return name in archspec.cpu.TARGETS


def target_matches(asked: str, target: str) -> bool:
    """Say whether a concrete target satisfies what stands behind ``target=``."""
    if asked == "*":
        return True
    for item in asked.split(","):
        low, colon, high = item.partition(":")
        if not colon:
            if item == target:
                return True
        elif (not low or _ancestors(low) <= _ancestors(target)) and (
            not high or _ancestors(target) <= _ancestors(high)
        ):
            return True
    return False


def unknown_bounds(asked: str) -> tuple[str, ...]:
    """Return the bounds of ranges that archspec does not know: such a range matches nothing but the name itself."""
    bounds = [bound for item in asked.split(",") if ":" in item for bound in item.split(":") if bound]
    return tuple(bound for bound in bounds if not is_known_target(bound))
