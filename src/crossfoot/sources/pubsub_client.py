"""The door to Pub/Sub: a channel to Google or to an emulator, its calls, and what their errors mean to the caller."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from crossfoot.errors import CallError, CrossfootError, DataError, ServiceError

HOST = "PUBSUB_EMULATOR_HOST"
"""The variable by which every Pub/Sub client finds an emulator."""

_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.http2.lookahead_bytes", 4 << 20),
)
_SERVICE = "/google.pubsub.v1"
_WHY_S = 1.0


def need_package() -> None:
    """CallError where google-cloud-pubsub is not installed."""
    try:
        import google.pubsub_v1  # noqa: F401
    except ImportError as error:
        raise CallError("Pub/Sub needs the package google-cloud-pubsub", "pip install 'crossfoot[pubsub]'") from error


def open_channel(environment: Mapping[str, str]) -> Any:
    """A gRPC channel: to the emulator that a variable names, or to Google with the credentials of this machine."""
    need_package()
    import grpc

    if emulator := environment.get(HOST):
        return grpc.insecure_channel(emulator, options=_OPTIONS)
    from google.auth.exceptions import GoogleAuthError
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

    try:
        return PublisherGrpcTransport.create_channel(options=_OPTIONS)
    except GoogleAuthError as error:
        hint = f"gcloud auth application-default login, or name an emulator: {HOST}"
        raise ServiceError(f"there are no Google credentials: {_line(str(error))}", hint) from error


def message_class(name: str) -> Any:
    """A protobuf class by its name, without the wrapper that Google's types put around it."""
    from google.pubsub_v1 import types

    return getattr(types, name).pb()


def unary(channel: Any, call: str, answer: str | None = None) -> Any:
    """A call by its path: `Publisher/Publish`. Its request is bytes; its answer a message, or nothing."""
    read = message_class(answer).FromString if answer else None
    return channel.unary_unary(f"{_SERVICE}.{call}", request_serializer=None, response_deserializer=read)


def stream(channel: Any, call: str, request: str) -> Any:
    """A call with messages in both directions; the answers are bytes."""
    return channel.stream_stream(
        f"{_SERVICE}.{call}",
        request_serializer=message_class(request).SerializeToString,
        response_deserializer=None,
    )


def routing(name: str, value: str) -> list[tuple[str, str]]:
    """What Google asks to be told beside a request: where it goes."""
    return [("x-goog-request-params", f"{name}={quote(value, safe='')}")]


def check_there(channel: Any, kind: str, path: str, timeout_s: float) -> None:
    """Be sure that a `topic` or `subscription` is there. Who may not ask for it may still use it.

    Where nobody listens yet, somebody is waited for, as long as the time allows.
    """
    import grpc

    names = {
        "topic": ("Publisher/GetTopic", "GetTopicRequest"),
        "subscription": ("Subscriber/GetSubscription", "GetSubscriptionRequest"),
    }
    call, request = names[kind]
    asked = message_class(request)(**{kind: path}).SerializeToString()
    ask = partial(unary(channel, call), asked, metadata=routing(kind, path))
    try:
        try:
            ask(timeout=timeout_s, wait_for_ready=True)
        except grpc.RpcError as error:
            if code_of(error) != "DEADLINE_EXCEEDED":
                raise
            ask(timeout=_WHY_S)  # a call that does not wait says why
    except grpc.RpcError as error:
        if code_of(error) != "PERMISSION_DENIED":
            raise failure_of(error, kind, path) from error


def code_of(error: Any) -> str:
    """gRPC's name of what went wrong."""
    return str(error.code().name)


LASTING = frozenset({"NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED", "INVALID_ARGUMENT"})
"""Codes that no client recovers from by itself."""


def failure_of(error: Any, kind: str, path: str) -> CrossfootError:
    """What an error of gRPC means to the caller."""
    code, text, name = code_of(error), _line(error.details() or ""), path.rpartition("/")[2]
    if code == "NOT_FOUND":
        return DataError(f"there is no such Pub/Sub {kind}: {path}", "make it, or name another one in the definition")
    if code == "INVALID_ARGUMENT":
        return DataError(f"Pub/Sub does not accept the {kind} {path}: {text}", "name another one in the definition")
    if code == "PERMISSION_DENIED":
        role = {"topic": "roles/pubsub.publisher", "subscription": "roles/pubsub.subscriber"}[kind]
        return ServiceError(f"Pub/Sub does not grant the right to use the {kind} {name}: {text}", f"grant {role}")
    if code == "UNAUTHENTICATED":
        return ServiceError(f"Pub/Sub does not accept who we are: {text}", "gcloud auth application-default login")
    hint = f"check the project, the credentials and the network; an emulator is named by {HOST}"
    return ServiceError(f"Pub/Sub does not answer for the {kind} {name}: {describe(error)}", hint)


def describe(error: Any) -> str:
    """An error in one line."""
    return f"{code_of(error).lower().replace('_', ' ')}: {_line(error.details() or 'it said nothing')}"


def _line(text: str) -> str:
    return " ".join(text.split())
