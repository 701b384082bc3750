"""Clock, randomness, environment, sleep, threads, processes and locks are used only by the modules that own them."""

import ast
import re
from pathlib import Path

import pytest

from tests.meta import source_tree as tree

PACKAGE = tree.ROOT / "src" / "crossfoot"

# Effect -> the dotted names that have it. A name ending in a dot stands for everything in that module.
PYTHON_EFFECTS: dict[str, tuple[str, ...]] = {
    "clock": ("time.", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today",
              "datetime.date.today"),
    "randomness": ("random.", "secrets.", "uuid.uuid1", "uuid.uuid4", "os.urandom"),
    "environment": ("os.environ", "os.getenv", "os.environb"),
    "threads": ("threading.", "_thread.", "concurrent.futures.", "asyncio.", "multiprocessing."),
    "processes": ("subprocess.", "os.fork", "os.kill", "os.system", "os.posix_spawn", "os.posix_spawnp",
                  "os.waitpid", "os.pidfd_open", "signal."),
    "locks": ("fcntl.",),
}  # fmt: skip
# Seeded, so the same on every run: no effect.
HARMLESS = {"random.Random"}

# Module (or room) -> the effects that it owns.
PYTHON_OWNERS: dict[str, set[str]] = {
    "clock.py": {"clock"},
    "files.py": {"locks"},
    "settings.py": {"environment"},
    # Many threads append, and wait for one sync.
    "log/log.py": {"threads"},
    # The archive is written and sealed beside counting.
    "archive/worker.py": {"threads"},
    # A thread for each stream, one that appends, one that extends deadlines.
    "sources/pubsub.py": {"threads"},
    # Ends a client that may wait for a broker: the end of a run does not.
    "sources/kafka_shown.py": {"threads"},
    # One for the listener, one for each connection.
    "sources/unix_socket.py": {"threads"},
    "cli": {"processes"},
    "dev/processes.py": {"processes"},
    # Waits between two looks at a running service.
    "cli/watch.py": {"clock"},
    # Answers whoever asks how a service stands, beside the loop.
    "seen/socket.py": {"threads"},
    # A comparison or a look takes its time: it never holds up the loop.
    "beside.py": {"threads"},
    # A sink may be slow or down: it never holds up the loop.
    "sinks/feeder.py": {"threads"},
    # Waits between two looks at who holds a store.
    "services/handover.py": {"clock"},
    # Waits between two looks at what is fed.
    "services/table_feed.py": {"clock"},
    # Waits between two attempts, and no longer than it may for an answer.
    "monitor/webhook.py": {"clock"},
    # Bundles run in several threads of a worker; a shard is in one of them at a time.
    "engines/beam/images.py": {"threads"},
    # Waits between two attempts at the end of a job.
    "engines/beam/counting.py": {"clock"},
    # Asks a program whether it is Prism.
    "engines/beam/runners.py": {"processes"},
    # Waits between two looks at a job.
    "engines/beam/submit.py": {"clock"},
    "engines/beam/telling.py": {"threads"},
    # One thread fills it, another one empties it.
    "warehouse/outbox.py": {"threads"},
}

RUST_EFFECTS: dict[str, str] = {
    "clock": r"\b(?:SystemTime|Instant)::now\b|\bclock_gettime\b",
    "randomness": r"\bthread_rng\b|\brand::|\bgetrandom\b|\bRandomState\b",
    "environment": r"\benv::vars?(?:_os)?\b",
    "threads": r"\bthread::(?:spawn|scope|sleep|Builder)\b|\brayon::",
    "processes": r"\bprocess::(?:exit|abort|Command)\b",
}
RUST_OWNERS: dict[str, set[str]] = {
    # The seed of the id table, against crafted ids: it moves entries about and changes no verdict.
    "crates/core/src/dedup.rs": {"randomness"},
    # A crash mark ends the process between two durable steps; the lock names its holder.
    "crates/core/src/store/files.rs": {"processes"},
    # Its clock is the thread's CPU time, for the benchmark's figures by stage.
    "crates/core/src/workers.rs": {"threads", "clock"},
    # A thread for each topic, which waits for its brokers.
    "crates/kafka/src/consumer.rs": {"threads"},
}
UNSAFE_MODULES = {"crates/core/src/machine.rs", "crates/kafka/src/librdkafka.rs"}


def python_effects(source: str) -> set[str]:
    """The effects that a module's names reach."""
    spoken = {dotted for dotted in dotted_names(ast.parse(source)) if dotted not in HARMLESS}
    return {
        effect
        for effect, names in PYTHON_EFFECTS.items()
        for name in names
        if any(dotted.startswith(name) if name.endswith(".") else dotted == name for dotted in spoken)
    }


def dotted_names(module: ast.Module) -> set[str]:
    """Every attribute chain and import, with aliases resolved to what they stand for."""
    aliases: dict[str, str] = {}
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            aliases |= {alias.asname or alias.name.split(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            aliases |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names | {chain for node in ast.walk(module) if (chain := resolve(node, aliases))}


def resolve(node: ast.AST, aliases: dict[str, str]) -> str | None:
    """``a.b.c`` as text, its first part replaced by what was imported under that name."""
    if isinstance(node, ast.Name):
        return aliases.get(node.id)
    if isinstance(node, ast.Attribute) and (left := resolve(node.value, aliases)):
        return f"{left}.{node.attr}"
    return None


def owned(path: Path) -> set[str]:
    """The effects that a Python module owns by itself or by its room."""
    parts = path.relative_to(PACKAGE)
    return PYTHON_OWNERS.get(parts.as_posix(), set()) | PYTHON_OWNERS.get(parts.parts[0], set())


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=tree.relative)
def test_python_effects_stay_with_their_owners(path: Path):
    """A module has only the effects that it owns."""
    assert python_effects(path.read_text(encoding="utf-8")) - owned(path) == set()


def product_rust() -> list[Path]:
    """The Rust files of the product, without tests and benchmarks."""
    others = {"tests", "examples", "tests.rs"}
    return [path for path in tree.rust_files() if not others & set(path.parts)]


@pytest.mark.parametrize("path", product_rust(), ids=tree.relative)
def test_rust_effects_stay_with_their_owners(path: Path):
    """The core has no clock, no randomness, no environment; threads belong to one module."""
    text = tree.blank_out(path.read_text(encoding="utf-8")).split("#[cfg(test)]")[0]
    found = {effect for effect, pattern in RUST_EFFECTS.items() if re.search(pattern, text)}
    assert found - RUST_OWNERS.get(tree.relative(path), set()) == set()


@pytest.mark.parametrize("path", tree.rust_files(), ids=tree.relative)
def test_unsafe_is_in_the_reviewed_modules_only(path: Path):
    """``unsafe`` is written in two modules, which a person has reviewed: the machine's own words, and librdkafka's."""
    has_unsafe = re.search(r"\bunsafe\b", tree.blank_out(path.read_text(encoding="utf-8")))
    assert not has_unsafe or tree.relative(path) in UNSAFE_MODULES


@pytest.mark.parametrize(
    ("source", "effect"),
    [
        ("import time\ntime.sleep(1)", "clock"),
        ("import time as t\nt.monotonic()", "clock"),
        ("from datetime import datetime\ndatetime.now()", "clock"),
        ("import random\nrandom.random()", "randomness"),
        ("import os\nos.environ['A']", "environment"),
        ("from concurrent.futures import ThreadPoolExecutor", "threads"),
        ("from os import kill", "processes"),
        ("import fcntl\nfcntl.flock(file, fcntl.LOCK_EX)", "locks"),
    ],
)
def test_an_effect_is_seen(source: str, effect: str):
    """Each way to write an effect is found."""
    assert python_effects(source) == {effect}


def test_seeded_randomness_is_no_effect():
    """A generator made from a seed gives the same on every run."""
    assert python_effects("from random import Random\nRandom(7).random()") == set()
