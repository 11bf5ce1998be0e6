"""The command line: each module parses to domain types, calls one service and prints."""
