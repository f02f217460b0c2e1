"""Hostile files, run folders and calls: how each is made, and what must be said of it."""
