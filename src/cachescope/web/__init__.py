"""The web application: one route table, and an error map."""
