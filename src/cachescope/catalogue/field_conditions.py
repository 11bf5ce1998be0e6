"""Conditions on single fields of a spec: versions by their keys, variants by the interned sets that hold them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select

from cachescope.catalogue import schema as t
from cachescope.query.constraints import ExactVersion, GitReference, VersionItem, VersionList, VersionRange
from cachescope.query.spec_query import VariantQuery
from cachescope.query.versions import parse_git_version, version_key

__all__ = ["sets_that_hold", "sets_where", "sets_with", "version_condition"]

Condition = ColumnElement[bool]

_VALUED = ("single", "multi")
_EMPTY = ("single",)  # an empty text of kind 'multi' stands for a list without values, which holds no text
_ANY_VARIANT = ("bool", *_VALUED)


def version_condition(asked: VersionList, key: ColumnElement[bytes], text: ColumnElement[str]) -> Condition:
    """Return the condition on a version, by its key, and by its text where it is a git version."""
    return or_(*(_item_condition(item, key, text) for item in asked.items))


def _item_condition(item: VersionItem, key: ColumnElement[bytes], text: ColumnElement[str]) -> Condition:
    match item:
        case VersionRange():
            high = item.high_key
            return and_(key >= item.low_key, *([key < high] if high is not None else []))
        case ExactVersion():
            return key == version_key(item.text)
        case GitReference():
            asked = parse_git_version(item.text)
            if asked is None:
                return false()
            if asked.standard:
                return key == version_key(item.text)
            # A commit may stand without 'git.'; a branch may not: 'main' is a version of its own.
            names = [f"git.{asked.ref}", *([asked.ref] if parse_git_version(asked.ref) else [])]
            return or_(*(or_(text == name, text.startswith(f"{name}=", autoescape=True)) for name in names))


def sets_where(name: str, kinds: Sequence[str], *, value: str | None = None, prefix: bool = False) -> Any:
    """Return the variant sets with such a member."""
    conditions: list[Condition] = [t.variant.c.name == name, t.variant.c.kind.in_(kinds)]
    if value is not None:
        conditions.append(
            and_(t.variant.c.value.startswith(value, autoescape=True), t.variant.c.value != "")
            if prefix
            else t.variant.c.value == value
        )
    return (
        select(t.variant_set_member.c.set_id)
        .join(t.variant, t.variant.c.id == t.variant_set_member.c.variant_id)
        .where(*conditions)
    )


def sets_with(name: str) -> Any:
    """Return the variant sets that have a variant of this name, with any value."""
    return sets_where(name, _ANY_VARIANT)


def sets_that_hold(asked: VariantQuery) -> Any:
    """Return the variant sets that satisfy a variant, propagated or not."""
    if isinstance(asked.value, bool):
        return sets_where(asked.name, ("bool",), value="true" if asked.value else "false")
    if not asked.value:
        return sets_with(asked.name)
    sets = t.variant_set.alias()
    prefix = asked.name == "patches" and not asked.exact
    conditions: list[Condition] = [
        sets.c.id.in_(sets_where(asked.name, _VALUED if one or prefix else _EMPTY, value=one, prefix=prefix))
        for one in asked.value
    ]
    if asked.exact:
        counted = (
            select(func.count())
            .select_from(
                t.variant_set_member.join(t.variant, t.variant.c.id == t.variant_set_member.c.variant_id)
            )
            .where(
                t.variant_set_member.c.set_id == sets.c.id,
                t.variant.c.name == asked.name,
                t.variant.c.kind.in_(_VALUED),
            )
            .scalar_subquery()
        )
        conditions.append(counted == len(asked.value))
    return select(sets.c.id).where(*conditions)
