"""The only SQL: schema and migrations, the write side (snapshots), the read side (search)."""
