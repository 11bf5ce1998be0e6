"""The spec language: versions now, the grammar and its meaning to come. Pure."""
