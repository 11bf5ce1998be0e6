"""How much is known of a spec: stated apart from what writes it, so that questions need not load the writer."""

import enum

__all__ = ["Knowledge"]


class Knowledge(enum.IntEnum):
    """How much the catalogue knows of a spec."""

    NAMED = 0
    PAGE = 1
    RECORD = 2
