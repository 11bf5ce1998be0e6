"""Microarchitectures: which is older than which, from archspec, Spack's own knowledge of them.

``x <= y`` where x is y or an ancestor of y. A query's ``target=`` is a comma list of names, which are compared by name, and
of ranges ``a:b``, which are compared in this partial order. Source: Spack 1.2 ``ArchSpec``, archspec.
"""

from functools import cache

__all__ = ["intersect_targets", "is_known_target", "target_matches", "unknown_bounds"]


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


def intersect_targets(one: str, two: str) -> str:
    """Return what is in both of two ``target=`` values; empty if nothing is, or bounds cannot be compared (as in Spack)."""
    found = [_intersect(left, right) for left in one.split(",") for right in two.split(",")]
    return ",".join(dict.fromkeys(item for item in found if item))


def _intersect(one: str, two: str) -> str:
    if ":" not in one:
        return one if target_matches(two, one) else ""
    if ":" not in two:
        return two if target_matches(one, two) else ""
    (low, _, high), (other_low, _, other_high) = one.partition(":"), two.partition(":")
    bounds = []
    for bound, other, greater in ((low, other_low, True), (high, other_high, False)):
        if not bound or not other:
            bounds.append(bound or other)
        elif _ancestors(bound) <= _ancestors(other):
            bounds.append(other if greater else bound)
        elif _ancestors(other) <= _ancestors(bound):
            bounds.append(bound if greater else other)
        else:
            return ""
    least, most = bounds
    if least and most and not _ancestors(least) <= _ancestors(most):
        return ""
    return least if least and least == most else f"{least}:{most}"


def unknown_bounds(asked: str) -> tuple[str, ...]:
    """Return the bounds of ranges that archspec does not know: such a range matches nothing but the name itself."""
    bounds = [bound for item in asked.split(",") if ":" in item for bound in item.split(":") if bound]
    return tuple(bound for bound in bounds if not is_known_target(bound))
