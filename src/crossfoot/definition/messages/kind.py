"""What a message is made of."""

from __future__ import annotations

from typing import NamedTuple


class Message(NamedTuple):
    """`says` and `hint` are templates over the values of one finding.

    `right` is a part of the example definition, and `wrong` what stands in its place to get this message.
    """

    id: str
    title: str
    says: str
    hint: str
    right: str = ""
    wrong: str = ""
