"""Readers of foreign files, one file a format: each returns what it found as a collection."""
