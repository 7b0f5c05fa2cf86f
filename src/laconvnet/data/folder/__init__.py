"""A dataset folder: its schema, writing it, checking it, counting it, and looking at it."""
