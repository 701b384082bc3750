"""The pure step: bytes of one record -> an event, or the account it ends in."""

from crossfoot.prepare.record import prepare, truth

__all__ = ["prepare", "truth"]
