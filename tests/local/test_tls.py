"""The proxy's configuration for TLS, with Debian's HAProxy before a server that tells what reached it."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import yaml

from local_stack.broker import free_port
from local_stack.certificates import Authority
from tests.support.conditions import eventually
from tests.support.paths import ROOT
from tests.support.process import Process
from tests.support.tools import missing

FILES = ("haproxy.cfg", "haproxy-tls.cfg")


async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request with its headers, until the proxy closes the connection."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[1:-1]
            body = json.dumps(dict(line.split(": ", 1) for line in lines)).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
    writer.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest_asyncio.fixture(scope="module")
async def https(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> AsyncIterator[int]:
    """The port of a proxy that is configured as the container's, but for addresses and paths."""
    haproxy = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if haproxy is None:
        missing("The configuration is tested with HAProxy; no `haproxy` was found in PATH.")
    directory, port = tmp_path_factory.mktemp("proxy"), free_port()
    certificate, key = authority.issue("proxy")
    (directory / "server.pem").write_text(certificate.read_text() + key.read_text())
    async with await asyncio.start_server(tell, "127.0.0.1", 0) as gateway:
        _, gateway_port = gateway.sockets[0].getsockname()
        replaced = {
            r"server-template gateway- 16 gateway:8000": f"server gateway 127.0.0.1:{gateway_port}",
            r"bind :8000": f"bind 127.0.0.1:{free_port()}",
            r"bind :8443": f"bind 127.0.0.1:{port}",
            r"/certificates/": f"{directory}/",
            # Only root may become another user.
            **({} if os.geteuid() == 0 else {r"    (user|group) haproxy\n": ""}),
        }
        for name in FILES:
            text = (ROOT / "local_stack" / name).read_text()
            for pattern, instead in replaced.items():
                text = re.sub(pattern, instead, text)
            (directory / name).write_text(text)
        argv = [haproxy, "-db", *(argument for name in FILES for argument in ("-f", str(directory / name)))]
        proxy = Process("proxy", argv, {}, directory / "proxy.log")
        proxy.start()

        async def serves() -> bool | None:
            assert proxy.running.poll() is None, proxy.tail()
            try:
                return (await asyncio.to_thread(fetch, port, authority)).is_success or None
            except httpx.TransportError:
                return None

        await eventually(serves, what="the proxy and its view of the gateway")
        yield port
        proxy.kill()


def fetch(port: int, authority: Authority, **headers: str) -> httpx.Response:
    context = ssl.create_default_context(cafile=authority.certificate)
    return httpx.get(f"https://127.0.0.1:{port}/ecgs", headers=headers, verify=context, timeout=30)


async def test_gateways_learn_the_clients_address_and_that_it_used_tls(https: int, authority: Authority) -> None:
    spoofed = {"x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "http", "x-user-token": "ecg_mine"}
    reached = (await asyncio.to_thread(fetch, https, authority, **spoofed)).json()
    names = ("x-forwarded-for", "x-forwarded-proto", "x-user-token")
    assert [reached[name] for name in names] == ["127.0.0.1", "https", "ecg_mine"]


def connect(port: int, authority: Authority, newest: ssl.TLSVersion) -> str | None:
    """Connect with TLS up to this version, and return the version of HTTP that the server chose."""
    context = ssl.create_default_context(cafile=authority.certificate)
    # Today's OpenSSL would not even offer the old versions.
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = newest
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted,
    ):
        return encrypted.selected_alpn_protocol()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
async def test_old_versions_of_tls_are_refused_and_http_2_is_offered(https: int, authority: Authority) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert await asyncio.to_thread(connect, https, authority, version) == "h2"
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        await asyncio.to_thread(connect, https, authority, ssl.TLSVersion.TLSv1_1)


def test_the_compose_file_mounts_what_the_proxy_reads() -> None:
    override = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / "docker-compose.tls.yml").read_text())
    proxy = yaml.safe_load(override)["services"]["proxy"]
    base = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["proxy"]
    mounts = dict(volume.split(":")[:2] for volume in base["volumes"] + proxy["volumes"] if isinstance(volume, str))
    read = {target: source for source, target in mounts.items()}
    files = [argument for flag, argument in zip(proxy["command"], proxy["command"][1:], strict=False) if flag == "-f"]
    assert [Path(read[file]).name for file in files] == list(FILES)
    assert all((ROOT / source).is_file() for source in mounts)
    [certificates] = [volume for volume in proxy["volumes"] if not isinstance(volume, str)]
    assert f"crt {certificates['target']}/server.pem" in (ROOT / "local_stack" / FILES[1]).read_text()
    # The key of a certificate must not get into the repository.
    assert f"/{Path(certificates['source']).name}/" in (ROOT / ".gitignore").read_text().splitlines()
    assert proxy["ports"] == ["127.0.0.1:8443:8443"]
