"""The pure step: bytes of one record -> an event, or the account it ends in."""

from crossfoot.prepare.record import over_fields, prepare

__all__ = ["over_fields", "prepare"]
