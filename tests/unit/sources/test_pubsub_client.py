"""The first question to Pub/Sub."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from crossfoot.errors import DataError, ServiceError
from crossfoot.sources.pubsub_client import HOST, check_there, open_channel

PATH = "projects/p/topics/t"


@pytest.fixture
def port() -> int:
    """One at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number: int = taken.getsockname()[1]
    return number


@pytest.fixture
def channel(port: int) -> Iterator[grpc.Channel]:
    made = open_channel({HOST: f"127.0.0.1:{port}"})
    yield made
    made.close()


def server(port: int, code: grpc.StatusCode | None = None) -> grpc.Server:
    """Has every topic, or says this code."""

    def get(_request: bytes, context: grpc.ServicerContext) -> bytes:
        if code:
            context.abort(code, "so it is")
        return b""

    made = grpc.server(ThreadPoolExecutor(1))
    methods = {"GetTopic": grpc.unary_unary_rpc_method_handler(get)}
    made.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", methods)])
    assert made.add_insecure_port(f"127.0.0.1:{port}") == port
    made.start()
    return made


def test_one_that_is_started_later_is_waited_for(channel, port):
    """A service that was started first goes on when Pub/Sub listens."""
    refused, made = threading.Event(), []
    channel.subscribe(lambda state: state is grpc.ChannelConnectivity.TRANSIENT_FAILURE and refused.set())

    def begin() -> None:
        refused.wait(20)
        made.append(server(port))

    starting = threading.Thread(target=begin)
    starting.start()
    check_there(channel, "topic", PATH, 20)
    starting.join()
    made[0].stop(None)


def test_one_that_never_listens_is_named(channel):
    """With why, once the time is over."""
    with pytest.raises(ServiceError, match=r"Pub/Sub does not answer for the topic t: unavailable: .*refused"):
        check_there(channel, "topic", PATH, 0.5)


def test_one_that_listens_and_has_no_such_topic_is_not_waited_for(channel, port):
    """It has said so."""
    made = server(port, grpc.StatusCode.NOT_FOUND)
    with pytest.raises(DataError, match="there is no such Pub/Sub topic: projects/p/topics/t"):
        check_there(channel, "topic", PATH, 20)
    made.stop(None)
