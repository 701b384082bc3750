"""CF16xx: comparisons with other results."""

from __future__ import annotations

from crossfoot.definition.messages.kind import Message

COMPARISONS = (
    Message(
        "CF1601",
        "A comparison of what is not there",
        "there is no {what} {text} to compare",
        "there is: {allowed}",
    ),
    Message("CF1602", "A percentage", "this is no percentage: {text}", "write it as in 95% or 99.5%"),
    Message("CF1603", "A schedule of comparisons", "this is too short for a schedule: {text}", "write at least 1m"),
    Message(
        "CF1604",
        "A table or a query of the other side",
        "what is compared of {kind} is not clear: {text}",
        "{instead}",
    ),
)
