"""What stands between clients and a server of MongoDB: counts the writes that are under way, slows them down, goes away."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

OP_MSG = 2013
WRITES = (b"update", b"insert", b"delete")


class WireProxy:
    """A port of 127.0.0.1 that leads to the server of a URI; each write waits a while before it is handed on."""

    def __init__(self, uri: str, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.under_way = self.most = self.writes = 0
        self._server = urlsplit(uri).hostname, urlsplit(uri).port
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"mongodb://127.0.0.1:{self._listener.getsockname()[1]}/"

    def __enter__(self) -> WireProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Go away, with all connections."""
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Requests of a connection, one after another: each is answered before the next comes."""
        with suppress(OSError), socket.create_connection(self._server) as server:
            self._sockets.append(server)
            while request := _message(client):
                is_write = _command(request) in WRITES
                if is_write:
                    with self._lock:
                        self.writes += 1
                        self.under_way += 1
                        self.most = max(self.most, self.under_way)
                    time.sleep(self.seconds)
                server.sendall(request)
                if is_write or not _is_moreover(request):
                    answer = _message(server)
                    with self._lock:
                        self.under_way -= is_write
                    client.sendall(answer)
                    while _more_comes(answer):
                        answer = _message(server)
                        client.sendall(answer)
        with suppress(OSError):
            client.close()


def _message(source: socket.socket) -> bytes:
    """A whole message; nothing where the connection has ended."""
    head = _read(source, 4)
    return head + _read(source, struct.unpack("<i", head)[0] - 4) if head else b""


def _read(source: socket.socket, length: int) -> bytes:
    body = bytearray()
    while len(body) < length:
        if not (part := source.recv(min(65536, length - len(body)))):
            return b""
        body += part
    return bytes(body)


def _command(message: bytes) -> bytes:
    """The name of an OP_MSG's command: the first key of its document."""
    if struct.unpack_from("<i", message, 12)[0] != OP_MSG:
        return b""
    at = 20
    while at < len(message):
        length = struct.unpack_from("<i", message, at + 1)[0]
        if message[at] == 0:
            return message[at + 6 :].partition(b"\0")[0]
        at += 1 + length  # a sequence of documents
    return b""


def _flags(message: bytes) -> int:
    return struct.unpack_from("<I", message, 16)[0] if struct.unpack_from("<i", message, 12)[0] == OP_MSG else 0


def _is_moreover(message: bytes) -> bool:
    """Whether a request wants no answer."""
    return bool(_flags(message) & 2)


_more_comes = _is_moreover
