"""A TCP proxy that can stop forwarding without closing: what a cable that was pulled looks like from both sides."""

from __future__ import annotations

import selectors
import socket
import threading
from dataclasses import dataclass

_LOOK_S = 0.05


@dataclass(eq=False)
class _Pair:
    """A connection from a client, and the one to the server that stands for it."""

    client: socket.socket
    server: socket.socket
    frozen: bool = False


class Proxy:
    """Listens on a port of its own. `freeze` leaves every connection open and dead; later ones are forwarded again.

    A Kafka broker names its own address in its answers: that is replaced by the proxy's, which is as long.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._pairs: list[_Pair] = []
        self._lock = threading.Lock()
        self._is_open = True
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def freeze(self, *, server_gone: bool = False) -> int:
        """Nothing more passes through the connections that there are now; how many they are.

        `server_gone`: the server sees their ends, the clients do not.
        """
        with self._lock:
            frozen = [pair for pair in self._pairs if not pair.frozen]
            for pair in frozen:
                pair.frozen = True
                self._selector.unregister(pair.client)
                self._selector.unregister(pair.server)
                if server_gone:
                    pair.server.close()
            return len(frozen)

    @property
    def living(self) -> int:
        """Connections that are forwarded."""
        with self._lock:
            return sum(not pair.frozen for pair in self._pairs)

    def close(self) -> None:
        """Close everything."""
        self._is_open = False
        self._thread.join()
        for pair in self._pairs:
            pair.client.close()
            pair.server.close()
        self._listener.close()

    def _run(self) -> None:
        while self._is_open:
            for key, _ in self._selector.select(_LOOK_S):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.data in self._pairs and not key.data.frozen:
                        self._forward(key.fileobj, key.data)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        pair = _Pair(client, server)
        self._pairs.append(pair)
        for side in (client, server):
            self._selector.register(side, selectors.EVENT_READ, pair)

    def _forward(self, side: socket.socket, pair: _Pair) -> None:
        other = pair.server if side is pair.client else pair.client
        try:
            data = side.recv(1 << 16)
            if data:
                other.sendall(self._renamed(data) if side is pair.server else data)
                return
        except OSError:
            pass
        for each in (pair.client, pair.server):
            self._selector.unregister(each)
            each.close()
        self._pairs.remove(pair)

    def _renamed(self, data: bytes) -> bytes:
        host = b"127.0.0.1"
        return data.replace(host + self._target.to_bytes(4, "big"), host + self.port.to_bytes(4, "big"))
