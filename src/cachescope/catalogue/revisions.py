"""The revisions of the tables, oldest first: what a catalogue may have, and what this program writes."""

__all__ = ["REVISIONS"]

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""Names of the migrations in ``migrations/versions``; a test holds both equal."""
