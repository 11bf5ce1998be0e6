"""Bytes to model and back; pure. One module per kind of document; wire structs never leave this package."""
