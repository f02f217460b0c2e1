"""Tokens of what is not computed, as they flow in the place of values."""

from __future__ import annotations


class Dead:
    """A token of what is not computed."""


UNTAKEN = Dead()  # the other side of a Switch; a variable that a checkpoint does not have
DEAD = Dead()  # a Switch that did not run at all: a loop in such a place ends without having begun
