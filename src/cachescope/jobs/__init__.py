"""Use cases: the only place where transport, formats and the catalogue meet."""
