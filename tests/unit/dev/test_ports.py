"""Ports of a local stack."""

import socket

from crossfoot.dev.broker import free_ports


def test_a_port_that_is_taken_is_replaced_by_one_close_above_it():
    """Several wishes never get the same one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        first, second = free_ports(port, port)
    assert port < first < second < port + 100


def test_no_wish_is_any_port():
    (port,) = free_ports(0)
    assert port > 1024
