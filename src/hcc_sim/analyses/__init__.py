"""One question each, asked of the same simulation."""
