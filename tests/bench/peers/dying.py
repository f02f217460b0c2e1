"""A peer that ends in the middle."""

VERSION = "dying 1.0"


def build(problem, threads):
    raise RuntimeError("no such luck")
