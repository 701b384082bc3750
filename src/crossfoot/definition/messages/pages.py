"""The pages of the messages, made from the table and from what really comes out."""

from __future__ import annotations

from crossfoot.definition.load import load_text
from crossfoot.definition.messages import EXAMPLE, MESSAGES
from crossfoot.definition.messages.kind import Message
from crossfoot.errors import DefinitionError

FOLDER = "docs/reference/messages"
_GROUPS = {
    "CF10": "The file and its keys",
    "CF11": "Single values",
    "CF12": "Expressions and types",
    "CF13": "Names",
    "CF14": "Acceptance and retention",
    "CF15": "Tests",
    "CF16": "Comparisons",
}


def pages() -> dict[str, str]:
    """File name -> text, for every message and for their list."""
    return {f"{message.id}.md": page(message) for message in MESSAGES.values()} | {"index.md": index()}


def wrong_example(message: Message) -> str:
    """The example definition with the message's mistake in it."""
    return EXAMPLE.replace(message.right, message.wrong)


def page(message: Message) -> str:
    """What the message says, an example, and the next step."""
    parts = [f"# {message.id}: {message.title}", _said(message)]
    if message.right:
        parts += ["Wrong:", _block(_lines(message, message.wrong)), "Right:", _block(_lines(message, message.right))]
    return "\n\n".join([*parts, "[All messages](index.md)"]) + "\n"


def index() -> str:
    """The list of all messages."""
    parts = [
        "# Messages about a definition",
        "Each has a number that stays. The examples are parts of this definition:",
        f"```yaml\n{EXAMPLE}```",
    ]
    for group, title in _GROUPS.items():
        messages = [message for message in MESSAGES.values() if message.id.startswith(group)]
        parts += [f"## {title}", "\n".join([f"- [{m.id}]({m.id}.md): {m.title.lower()}" for m in messages])]
    return "\n\n".join(parts) + "\n"


def _said(message: Message) -> str:
    """What the example gives; for a message without one, its templates."""
    if not message.right:
        return _block(f"{message.says}\nnext: {message.hint}".replace("{{", "{").replace("}}", "}"))
    try:
        load_text(wrong_example(message), "shop.yaml")
    except DefinitionError as error:
        found = next(found for found in error.all if found.message_id == message.id)
        return _block(f"{found}\nnext: {found.hint}")
    raise AssertionError(f"the example of {message.id} is right")


def _block(text: str) -> str:
    return f"```text\n{text}\n```"


def _lines(message: Message, part: str) -> str:
    """The whole lines of the definition in which the part stands."""
    before, _, after = EXAMPLE.partition(message.right)
    text = before.rpartition("\n")[2] + part + after.partition("\n")[0]
    return text.strip("\n") or "(nothing)"
