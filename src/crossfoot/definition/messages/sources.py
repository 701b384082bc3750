"""Sources, what comes with their records, and the services around counting."""

from __future__ import annotations

from crossfoot.definition.messages.kind import Message

_FILES = "  files: events/*.jsonl\n  format: json\n"
_KAFKA = '  kafka: {topic: clicks, bootstrap.servers: "localhost:9092"}\n  format: json\n'
_UP_TO_RECEIVED = _FILES + "event:\n  time: {field: ts, unit: ms}\n  received: {field: received_at, unit: ms}"


def _with(source: str, received: str) -> str:
    return f"{source}event:\n  time: {{field: ts, unit: ms}}\n  received: {received}"


SOURCES = (
    Message(
        "CF1118",
        "The append time of a broker",
        "{source} has no broker that stamps its records: received: {text}",
        "received: broker is for kafka; read the time from the record, received: {{field: NAME}}",
        right="received: {field: received_at, unit: ms}",
        wrong="received: broker",
    ),
    Message(
        "CF1120",
        "The stamp of our own log",
        "{source} is read directly, not through our own log: received: {text}",
        "received: ingest is for pubsub and socket; for kafka write broker, or read the time from the record, "
        "received: {{field: NAME}}",
        right=_UP_TO_RECEIVED,
        wrong=_with(_KAFKA, "ingest"),
    ),
    Message(
        "CF1121",
        "The stamp of an earlier service",
        "nothing of {source} was stamped by an earlier service of ours: received: {text}",
        "received: carried is for kafka, pubsub and socket; read the time from the record, received: {{field: NAME}}",
        right="received: {field: received_at, unit: ms}",
        wrong="received: carried",
    ),
    Message(
        "CF1122",
        "A live source without a received time",
        "{source} never ends, so its ids could never be forgotten: received: {text}",
        "received: none is for files; write broker (kafka), ingest (pubsub, socket), carried, or {{field: NAME}}",
        right=_UP_TO_RECEIVED,
        wrong=_with(_KAFKA, "none"),
    ),
    Message(
        "CF1123",
        "Sources that do not agree about the received time",
        "received: {text} is for {having}, and not for {without}",
        "write one that all have, as {{field: NAME}}, or count them in stores of their own",
        right=_UP_TO_RECEIVED,
        wrong=_with(
            "  - {files: old.jsonl}\n  - kafka: {topic: clicks, bootstrap.servers: 'localhost:9092'}\n", "broker"
        ),
    ),
    Message(
        "CF1124",
        "Sources of different formats",
        "the sources of a definition have one format, and {first} has {format}: {text}",
        "bring them into one format, or count them in stores of their own",
        right=_FILES,
        wrong="  - {files: old.csv, format: csv, name: old}\n  - {files: events/*.jsonl, format: json}\n",
    ),
    Message(
        "CF1125",
        "A format that its source does not have",
        "{source} has no records of this format: {text}",
        "kafka, pubsub and socket have json, cloudevents, prepared; files have json, cloudevents, csv, parquet, "
        "{{regex: '…'}}",
        right=_FILES,
        wrong=_KAFKA.replace("json", "csv"),
    ),
    Message(
        "CF1126",
        "A secret in a definition",
        "the value of a secret does not belong in a definition: {text}",
        "write the name of an environment variable that holds it, as in {text}: ${{KAFKA_PASSWORD}}",
        right=_FILES,
        wrong="  kafka: {topic: clicks, bootstrap.servers: 'localhost:9092', sasl.password: tiger}\n",
    ),
    Message(
        "CF1127",
        "A setting that is no secret",
        "only secrets are read from the environment: {text}",
        "write the value; secrets are settings whose name holds password, secret, token or key",
        right=_FILES,
        wrong="  kafka: {topic: clicks, bootstrap.servers: '${SERVERS}'}\n",
    ),
    Message(
        "CF1308",
        "Two sources of one name",
        "two sources have this name: {text}",
        "give one of them another: name: NAME",
        right=_FILES,
        wrong="  - {files: old.jsonl}\n  - {files: events/*.jsonl}\n",
    ),
    Message(
        "CF1309",
        "Nothing to explode",
        "a record of {format} holds no lists: {text}",
        "leave preprocess.explode out",
        right="  format: json\n",
        wrong="  format: csv\npreprocess: {explode: items}\n",
    ),
    Message(
        "CF1409",
        "Carried stamps without a transport bound",
        "received: carried needs the longest time that an event may be held on the way: transport: {text}",
        "leave transport out: it is then 7d",
    ),
    Message(
        "CF1410",
        "Prepared records carry their received time",
        "records of the format prepared carry their received time: received: {text}",
        "write received: carried",
        right=_FILES,
        wrong=_KAFKA.replace("json", "prepared"),
    ),
)
