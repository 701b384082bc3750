"""The pure step: bytes of one record -> an event, or the account it ends in."""

from crossfoot.prepare.blocks import is_block
from crossfoot.prepare.record import prepare, truth

__all__ = ["is_block", "prepare", "truth"]
