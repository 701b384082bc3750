"""Requests on the wire, to a server of gRPC's own that reads them with Google's classes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import grpc
import pytest

from crossfoot.services.relay.encode import Encoder, request, request_topic
from crossfoot.services.relay.pubsub import Topic
from crossfoot.sources.pubsub_client import message_class
from tests.unit.services.relay.messages import WANTED, records_from, single

PATH = "projects/p/topics/t"


class Wire:
    """Takes one connection and hands its bytes on; how many came from the client."""

    def __init__(self, port: int) -> None:
        self.sent = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._port = port
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self) -> None:
        client, _ = self._listening.accept()
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            back = threading.Thread(target=self._hand_on, args=(server, client, 0))
            back.start()
            self._hand_on(client, server, 1)
            back.join()

    def _hand_on(self, source: socket.socket, target: socket.socket, counts: int) -> None:
        with suppress(OSError):  # the client closes as it likes
            while data := source.recv(1 << 16):
                self.sent += counts * len(data)
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Wait until both sides are done."""
        self._thread.join()
        self._listening.close()


class Server:
    """Answers for every message that it could read."""

    def __init__(self) -> None:
        self.requests: list = []
        answer, asked = message_class("PublishResponse"), message_class("PublishRequest")

        def publish(found, _context):
            self.requests.append(found)
            return answer(message_ids=[str(number) for number in range(len(found.messages))])

        handler = grpc.unary_unary_rpc_method_handler(publish, asked.FromString, answer.SerializeToString)
        self._server = grpc.server(ThreadPoolExecutor(1))
        service = grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", {"Publish": handler})
        self._server.add_generic_rpc_handlers((service,))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(0).wait()


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.stop()


@pytest.mark.parametrize("gzip", [False, True])
def test_a_compressed_request_is_the_same_request_in_fewer_bytes(server, gzip):
    """The server reads every message, with its attributes."""
    values = [single(number, data={"page": "x" * 1_000}) for number in range(100)]
    run, _ = Encoder(WANTED, "clicks", 3, 1 << 20).singles(records_from(0, *values))
    body, wire = request(request_topic(PATH), [run], 1), Wire(server.port)
    with grpc.insecure_channel(wire.address) as channel:
        answer = Topic(channel, PATH, gzip=gzip).send(body)
        assert answer.outcome() == 100
    wire.close()
    (found,) = server.requests
    assert (found.topic, [message.data for message in found.messages]) == (PATH, values)
    assert [message.attributes["offset"] for message in found.messages] == [str(number) for number in range(100)]
    assert (wire.sent < len(body) / 5) == gzip
