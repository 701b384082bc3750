"""CF10xx: the file and its keys."""

from __future__ import annotations

from crossfoot.definition.messages.kind import Message

STRUCTURE = (
    Message(
        "CF1001",
        "The file is not valid YAML",
        "not valid YAML: {problem}",
        "quote texts that hold one of : # {{ }} [ ] , or begin with a sign",
        right="where: kind <> 'test'",
        wrong="where: kind: test",
    ),
    Message(
        "CF1002",
        "A key stands twice",
        "this key stands twice in {place}: {text}",
        "keep one of the two",
        right="namespace: shop",
        wrong="namespace: shop\nnamespace: shop",
    ),
    Message(
        "CF1003",
        "An unknown key",
        "unknown key in {place}: {text}",
        "keys here are: {allowed}",
        right="where: kind <> 'test'",
        wrong="wher: kind <> 'test'",
    ),
    Message(
        "CF1004",
        "A key is missing",
        "{place} needs the key: {text}",
        "add it",
        right="namespace: shop\n",
        wrong="",
    ),
    Message(
        "CF1005",
        "Another kind of value is needed",
        "{place} is {found}, and needs {wanted}",
        "write {wanted}",
        right="by: [[country], [country, kind], []]",
        wrong="by: country",
    ),
    Message(
        "CF1006",
        "The version of the definition's form",
        "this is no definition of a form that this version reads: crossfoot: {text}",
        "write crossfoot: 1",
        right="crossfoot: 1",
        wrong="crossfoot: 2",
    ),
    Message(
        "CF1007",
        "Known, but not in this build",
        "{what} is not in this build: {text}",
        "{instead}",
        right="format: json",
        wrong="format: avro",
    ),
    Message(
        "CF1008",
        "The definition is empty or no mapping",
        "the definition is {found}, and needs keys with values",
        "begin with crossfoot: 1, or let `crossfoot init --from FILE` propose a definition",
    ),
    Message(
        "CF1009",
        "The definition cannot be read",
        "the definition cannot be read: {problem}: {text}",
        "check the path; `crossfoot init --from FILE` proposes a definition",
    ),
    Message(
        "CF1010",
        "The definition is too large",
        "the definition has more than {most} {what}",
        "a definition is a few pages of text; is this the right file?",
    ),
    Message(
        "CF1011",
        "A YAML tag",
        "YAML tags are not read: {text}",
        "write the plain value",
        right="namespace: shop",
        wrong="namespace: !name shop",
    ),
)
