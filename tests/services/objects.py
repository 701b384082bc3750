"""Buckets and folders of HDFS for tests: where they are, how they are reached, how something is put there."""

from __future__ import annotations

import base64
import getpass
import hmac
import json
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

import obstore
from fsspec.implementations.webhdfs import WebHDFS

from crossfoot.sources.objects import bucket_of
from crossfoot.sources.remote import url_of

# The server's own, which everybody knows.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


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

    def put(name: str, data: bytes) -> None:
        asked(f"{address}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}", "POST", data)

    return Shelf(f"gs://{bucket}/", {"GOOGLE_SERVICE_ACCOUNT_KEY": key}, put, port)


def on_azure(port: int) -> Shelf:
    container = _name()
    make_container(port, container)
    environment = {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY,
        "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{port}/{ACCOUNT}",
        "AZURE_ALLOW_HTTP": "true",
    }
    return _shelf(f"az://{container}", environment, port)


def on_hdfs(port: int) -> Shelf:
    system = WebHDFS("127.0.0.1", port, user=getpass.getuser(), skip_instance_cache=True)
    folder = f"/{_name()}"

    def put(name: str, data: bytes) -> None:
        with system.open(f"{folder}/{name}", "wb") as file:
            file.write(data)

    def append(name: str, data: bytes) -> None:
        place = system._call("APPEND", "POST", f"{folder}/{name}", redirect=False).headers["Location"]
        system.session.post(place, data, headers={"Content-Type": "application/octet-stream"}).raise_for_status()

    return Shelf(f"hdfs://127.0.0.1:{port}{folder}/", {}, put, port, append)


def make_container(port: int, name: str) -> None:
    """What no client of ours can do: the request is signed here."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    lines = ["PUT", "", "", "", "", "text/plain", *[""] * 6, *[f"{key}:{value}" for key, value in headers.items()]]
    signed = "\n".join([*lines, f"/{ACCOUNT}/{ACCOUNT}/{name}", "restype:container"])
    digest = hmac.digest(base64.b64decode(ACCOUNT_KEY), signed.encode(), "sha256")
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    asked(f"http://127.0.0.1:{port}/{ACCOUNT}/{name}?restype=container", "PUT", b"", headers)


def _name() -> str:
    return f"t{uuid.uuid4().hex[:8]}"


def _shelf(root: str, environment: Mapping[str, str], port: int) -> Shelf:
    options = {name.lower().removeprefix("aws_"): value for name, value in environment.items()}
    store = bucket_of(url_of(root), options).store
    return Shelf(f"{root}/", environment, lambda name, data: obstore.put(store, name, data), port)


def asked(url: str, method: str, data: bytes | None = None, headers: Mapping[str, str] | None = None) -> None:
    """A request that is no client's."""
    request = urllib.request.Request(url, data, {"Content-Type": "text/plain", **(headers or {})}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status in (200, 201)
