"""Alerts by POST to a real server on the loopback interface; other hosts are refused."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from crossfoot.errors import CallError, ServiceError
from crossfoot.monitor.webhook import webhook_of
from crossfoot.settings import Settings

ALERT = {"alerts": [{"watched": "duplicates"}]}


@contextmanager
def server(*answers: int | bytes):
    """A server that gives these answers in turn (a status, or bytes as they are); its address and what it was sent."""
    got, left = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Content-Type"], json.loads(body)))
            answer = left.pop(0)
            if isinstance(answer, bytes):
                self.wfile.write(answer)
                return
            self.send_response(answer)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{made.server_port}", got
    finally:
        made.shutdown()
        made.server_close()
        thread.join()


def hook(host, pauses, path="/hook?a=1", timeout_s=5.0):
    made = webhook_of(f"http://{host}{path}", Settings(webhook_hosts=host, webhook_seconds=timeout_s), {})
    return replace(made, wait=pauses.append)


def test_an_alert_is_posted():
    pauses = []
    with server(204) as (host, got):
        hook(host, pauses).post(ALERT)
    assert got == [("/hook?a=1", "application/json", ALERT)]
    assert pauses == []


def test_what_fails_is_tried_again():
    pauses = []
    with server(500, b"", 200) as (host, got):
        hook(host, pauses).post(ALERT)
    assert len(got) == 3
    assert pauses == [0.5, 2.0]


@pytest.mark.parametrize("answer", [503, 302, b"hello\r\n\r\n", b"HTTP/1.1 200", b""])
def test_it_is_given_up_after_three_attempts(answer):
    """A redirect is not followed: it could lead to a host that is not allowed."""
    with server(*[answer] * 3) as (host, got):
        if answer == b"HTTP/1.1 200":
            hook(host, []).post(ALERT)
        else:
            with pytest.raises(
                ServiceError, match=r"the webhook of 127.0.0.1 did not take an alert in 3 attempts: it "
            ):
                hook(host, []).post(ALERT)
            assert [path for path, *_ in got] == ["/hook?a=1"] * 3


def test_an_answer_that_does_not_come_is_not_waited_for():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ServiceError, match="timed out"):
            hook(host, [], timeout_s=0.05).post(ALERT)


def test_nobody_listens():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        host = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ServiceError, match="Connection refused"):
        hook(host, []).post(ALERT)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.example.org/x", ""),
        ("https://hooks.example.org/x", "example.org"),
        ("https://hooks.example.org:8443/x", "hooks.example.org:443"),
        ("https://example.org.evil.test/x", "example.org"),
        ("https://example.org@evil.test/x", "example.org"),
        ("http://hooks.example.org/x", "hooks.example.org"),
    ],
)
def test_hosts_that_are_not_allowed_are_refused(url, allowed):
    with pytest.raises(CallError, match=r"alerts (may not be|are) posted|no URL"):
        webhook_of(url, Settings(webhook_hosts=allowed), {})


@pytest.mark.parametrize("url", ["https://hooks.example.org/x", "https://hooks.example.org:8443/x"])
def test_a_host_is_allowed_on_any_port_unless_one_is_named(url):
    assert webhook_of(url, Settings(webhook_hosts="other.test, hooks.example.org"), {}).url.path == "/x"


def test_a_url_may_stand_in_the_environment_and_is_never_shown():
    environment = {"HOOK": "https://hooks.example.org/s3cret"}
    with pytest.raises(CallError, match=r"host: hooks\.example\.org$"):
        webhook_of("${HOOK}", Settings(), environment)
    with pytest.raises(CallError, match=r"monitor\.webhook is no URL") as caught:
        webhook_of("${HOOK}", Settings(), {"HOOK": "ftp://s3cret"})
    assert "s3cret" not in str(caught.value) + caught.value.hint
    with pytest.raises(CallError, match=r"no value for monitor\.webhook: HOOK"):
        webhook_of("${HOOK}", Settings(), {})
    assert webhook_of(None, Settings(), {}) is None
