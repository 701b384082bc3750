"""The definitions of the local stack, as files that a person can read and change."""

from __future__ import annotations

from dataclasses import dataclass

from crossfoot.dev.folder import Chosen, Folder

RAW, PREPARED, REFUSED = "client_events", "prepared", "refused"
PROJECT, TOPIC, SUBSCRIPTION = "local", "events", "events"
NAMESPACE = "engagement"

DIRECT, PREPROCESS, RELAY, COUNT = "direct", "preprocess", "relay", "count"
"""The definitions by name."""

# The shortest that the broker takes: so long is waited for a service that was killed.
_SESSION_MS = 6000


@dataclass(frozen=True, slots=True)
class Text:
    """What is not the same in all of them."""

    head: str
    source: str
    received: str
    section: str = ""


_RAW = "source: {{kafka: {{topic: {raw}, bootstrap.servers: '{kafka}'}}, format: json}}"
_TEXTS = {
    DIRECT: Text("Counts the producers' topic directly, without services in front.", _RAW, "broker"),
    PREPROCESS: Text(
        "First service: the producers' topic -> events in the intermediate topic.",
        "source: {{kafka: {{topic: {raw}, bootstrap.servers: '{kafka}', {shared}}}, format: json}}",
        "broker",
        "preprocess: {{to: {{kafka: {{topic: {prepared}, bootstrap.servers: '{kafka}'}}}}, dead_letter: {refused}}}\n",
    ),
    RELAY: Text(
        "Second service: the intermediate topic -> Pub/Sub.",
        "source: {{kafka: {{topic: {prepared}, bootstrap.servers: '{kafka}', {shared}}}, format: prepared}}",
        "carried",
        "relay: {{to: {{pubsub: {{project: {project}, topic: {topic}}}}}, dead_letter: {refused}}}\n",
    ),
    COUNT: Text(
        "Counts what comes by Pub/Sub.",
        "source: {{pubsub: {{project: {project}, subscription: {subscription}}}, format: prepared}}",
        "carried",
    ),
}
_WHOLE = """\
# {head}
# Made by `crossfoot dev up`, which leaves it as it is once it is there: change it, then `crossfoot dev down` and `up`.
crossfoot: 1
namespace: {namespace}
{source}
event:
  time: {{field: ts, unit: ms}}
  received: {received}
  id: id
  fields:
    kind: {{path: kind, type: text}}
    user: {{path: user, type: integer}}
    country: {{path: country, type: text}}
    client: {{path: client, type: text}}
    surface: {{path: surface, type: text}}
    duration: {{path: duration, type: integer}}
accept: {{lateness: 2d}}
{section}metrics:
  engagement:
    by: [[], [kind], [country, client], [surface]]
    measures: {{events: count, time_spent: sum(duration), users: distinct(user), slow: "quantile(duration, 0.95)"}}
    grains: [1m, 1h, all]
"""


def group_of(name: str) -> str:
    """The consumer group of a service; by its members it is seen that the service is ready."""
    return f"crossfoot-dev-{name}"


def text_of(name: str, chosen: Chosen) -> str:
    """A definition for the ports that were chosen."""
    text = _TEXTS[name]
    values = {
        "kafka": f"127.0.0.1:{chosen.kafka}",
        "raw": RAW,
        "prepared": PREPARED,
        "refused": REFUSED,
        "project": PROJECT,
        "topic": TOPIC,
        "subscription": SUBSCRIPTION,
        "shared": f"group.id: {group_of(name)}, session.timeout.ms: {_SESSION_MS}",
    }
    return _WHOLE.format(
        head=text.head,
        namespace=NAMESPACE,
        source=text.source.format(**values),
        received=text.received,
        section=text.section.format(**values),
    )


def write_missing(folder: Folder, chosen: Chosen) -> None:
    """Write the definitions that are not there."""
    for name in _TEXTS:
        if not (file := folder.definition(name)).exists():
            file.write_text(text_of(name, chosen), encoding="utf-8")
