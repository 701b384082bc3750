"""Buckets and folders of HDFS for tests: where they are, how they are reached, how something is put there."""

from __future__ import annotations

import base64
import json
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import obstore
from fsspec.implementations.webhdfs import WebHDFS

from crossfoot.sources.objects import bucket_of
from crossfoot.sources.remote import url_of

ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = base64.b64encode(b"a key that nobody else has").decode()


@dataclass
class Shelf:
    """A place of one test."""

    url: str
    """With a slash at its end."""
    environment: Mapping[str, str]
    put: Callable[[str, bytes], Any]
    port: int
    append: Callable[[str, bytes], Any] | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def at(self, port: int) -> dict[str, str]:
        """The environment that leads to another port."""
        return {name: value.replace(f":{self.port}", f":{port}") for name, value in self.environment.items()}


def on_s3(port: int) -> Shelf:
    bucket, address = _name(), f"http://127.0.0.1:{port}"
    asked(f"{address}/{bucket}", "PUT")
    environment = {
        "AWS_ACCESS_KEY_ID": "reader",
        "AWS_SECRET_ACCESS_KEY": "tiger",
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
    }
    return _shelf(f"s3://{bucket}", environment, port)


def on_gcs(port: int) -> Shelf:
    bucket, address = _name(), f"http://127.0.0.1:{port}"
    asked(f"{address}/storage/v1/b?project=p", "POST", json.dumps({"name": bucket}).encode())
    nobody = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
    key = json.dumps({"gcs_base_url": address, "disable_oauth": True, **nobody})
    return _shelf(f"gs://{bucket}", {"GOOGLE_SERVICE_ACCOUNT_KEY": key}, port)


def on_hdfs(port: int) -> Shelf:
    system = WebHDFS("127.0.0.1", port, user="writer", skip_instance_cache=True)
    folder = f"/{_name()}"

    def write(name: str, data: bytes, mode: str) -> None:
        with system.open(f"{folder}/{name}", mode) as file:
            file.write(data)

    def put(name: str, data: bytes) -> None:
        write(name, data, "wb")

    def append(name: str, data: bytes) -> None:
        write(name, data, "ab")

    return Shelf(f"hdfs://127.0.0.1:{port}{folder}/", {}, put, port, append)


def _name() -> str:
    return f"t{uuid.uuid4().hex[:8]}"


def _shelf(root: str, environment: Mapping[str, str], port: int) -> Shelf:
    options = {name.lower().removeprefix("aws_"): value for name, value in environment.items()}
    store = bucket_of(url_of(root), options).store
    return Shelf(f"{root}/", environment, lambda name, data: obstore.put(store, name, data), port)


def asked(url: str, method: str, data: bytes | None = None) -> None:
    """A request that is no client's."""
    request = urllib.request.Request(url, data, {"Content-Type": "text/plain"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
