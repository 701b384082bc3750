"""Publish requests over gRPC; each answer is a future of the channel's own."""

from __future__ import annotations

from typing import Any

from crossfoot.services.relay.publisher import Answer, Failed
from crossfoot.sources.pubsub_client import code_of, describe, routing, unary

TIMEOUT_S = 60.0


class Topic:
    """A Pub/Sub topic as it is published to."""

    def __init__(self, channel: Any, path: str, *, gzip: bool = False) -> None:
        import grpc

        self._call = unary(channel, "Publisher/Publish", "PublishResponse")
        compression = grpc.Compression.Gzip if gzip else None
        self._options = {"timeout": TIMEOUT_S, "metadata": routing("topic", path), "compression": compression}

    def send(self, request: bytes) -> Answer:
        """Begin to publish."""
        return _Answer(self._call.future(request, **self._options))


class _Answer:
    def __init__(self, future: Any) -> None:
        self._future = future

    def done(self) -> bool:
        return bool(self._future.done())

    def outcome(self) -> int | Failed:
        error = self._future.exception()
        if error is None:
            return len(self._future.result().message_ids)
        if not hasattr(error, "code"):
            return Failed(str(error))
        return Failed(describe(error), is_refused=code_of(error) == "INVALID_ARGUMENT")
