"""Readers: one file a format. Each gives a `Collection`, and knows nothing of tasks, parts or scaling."""
