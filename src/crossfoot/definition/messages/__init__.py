"""Every message that a wrong definition can give: a number that stays, what it says, the next step, and an example.

The pages under ``docs/reference/messages`` are made from this table; a test loads each example and sees its message.
"""

from __future__ import annotations

from collections.abc import Mapping

from crossfoot.definition.messages.comparisons import COMPARISONS
from crossfoot.definition.messages.expressions import EXPRESSIONS
from crossfoot.definition.messages.kind import Message
from crossfoot.definition.messages.meaning import MEANING
from crossfoot.definition.messages.sources import SOURCES
from crossfoot.definition.messages.structure import STRUCTURE
from crossfoot.definition.messages.values import VALUES

_ALL = (*STRUCTURE, *VALUES, *EXPRESSIONS, *MEANING, *SOURCES, *COMPARISONS)
MESSAGES: Mapping[str, Message] = {message.id: message for message in sorted(_ALL, key=lambda message: message.id)}

EXAMPLE = """\
crossfoot: 1
namespace: shop
source:
  files: events/*.jsonl
  format: json
event:
  time: {field: ts, unit: ms}
  received: {field: received_at, unit: ms}
  id: [client, seq]
  where: kind <> 'test'
  fields:
    kind: lower(action)
    country: {path: geo.country, default: ZZ}
    dwell_ms: {path: dwell, type: integer}
    price: {path: price, type: decimal(2)}
    ratio: {path: ratio, type: float}
accept: {lateness: 2d, future: 5m}
metrics:
  visits:
    where: kind in ('view', 'click')
    by: [[country], [country, kind], []]
    measures: {events: count, dwell: sum(dwell_ms), highest: max(price)}
    grains: [1m, 1h, 1d Europe/Paris]
    retain: {1m: 7d}
tests:
  - name: a copy is counted once
    events:
      - &one {ts: 1700000000000, received_at: 1700000000500, client: a, seq: 1, action: VIEW, geo: {country: FR}}
      - *one
    expect: {visits: [{country: FR, events: 1}]}
"""
