"""What stands between a client and the tests' server: an end of TLS, and a line that can be cut."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Proxy:
    """A port of 127.0.0.1 that leads to a server, until a client sends certain bytes: then it leads nowhere any more."""

    def __init__(self, to: str, tls: ssl.SSLContext | None = None, cut_at: bytes | None = None) -> None:
        whole = urlsplit(to)
        self._to = whole.hostname, whole.port
        self._tls, self._cut_at = tls, cut_at
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Take no client any more, and let go of those that are there."""
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._to)
        self._open |= {writer, there_writer}
        with suppress(ConnectionError):
            await asyncio.gather(self._lead(reader, there_writer, self._cut_at), self._lead(there_reader, writer, None))

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut_at: bytes | None) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if cut_at is not None and cut_at in data:
                    await self.cut()
                writer.write(data)
                await writer.drain()
        writer.close()


@contextmanager
def proxied(to: str, tls: ssl.SSLContext | None = None, cut_at: bytes | None = None) -> Iterator[Proxy]:
    """A proxy to the server of a URI, in a thread of its own."""
    proxy = Proxy(to, tls, cut_at)
    loop = proxy._loop
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(10)
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy.cut(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def authority_and_certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """An authority's certificate, a file, and what a server for 127.0.0.1 needs that it signed."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    authority = _signed(authority_name, authority_name, authority_key.public_key(), authority_key, is_authority=True)
    own_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    own = _signed(own_name, authority_name, key.public_key(), authority_key, is_authority=False)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.pem").write_bytes(authority.public_bytes(pem))
    (folder / f"{name}-server.pem").write_bytes(own.public_bytes(pem) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}-server.pem")
    return folder / f"{name}.pem", context


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    by: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(by, hashes.SHA256())
    )
