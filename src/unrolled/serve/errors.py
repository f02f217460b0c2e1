"""What a session's caller can have done wrong. The door answers each with its own status."""

from __future__ import annotations

from unrolled.errors import UnrolledError


class UnknownSessionError(UnrolledError):
    """There is no session of this id: it never was, it was closed, or it is on another server."""


class TooManySessionsError(UnrolledError):
    """As many sessions are open as may be, and none of them is idle."""


class TokenError(UnrolledError):
    """A session's token is damaged, or another version's, another network's or another service's."""


class DrainingError(UnrolledError):
    """The service stops, and takes nothing more."""
