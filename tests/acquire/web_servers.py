"""Web servers of a folder: Python's own, and ones whose pages are as Apache's and nginx's."""

from __future__ import annotations

import html
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote


class Python(SimpleHTTPRequestHandler):
    """Python's own server: no ranges, no ETag."""

    def log_message(self, *_: object) -> None:
        pass


class Apache(Python):
    """Pages of mod_autoindex with fancy indexing in a table; ranges, and no ETag (``FileETag None``)."""

    etag = False

    def page(self, path: str, entries: list[tuple[str, str, os.stat_result]]) -> str:
        rows = [
            f'<tr><td valign="top"><a href="{quote(name)}"><img src="/icons/unknown.gif" alt="[   ]"></a></td>'
            f'<td><a href="{quote(name)}">{html.escape(name[:20])}..&gt;</a></td>'
            f'<td align="right">{time.strftime("%Y-%m-%d %H:%M", time.gmtime(found.st_mtime))}  </td>'
            f'<td align="right">{found.st_size / 1e6:.0f}M</td><td>&nbsp;</td></tr>'
            for name, _, found in entries
        ]
        parent = quote(os.path.dirname(path.rstrip("/")).rstrip("/") + "/")
        return (
            '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<html>\n <head><title>Index of</title></head>\n <body>\n'
            '<table><tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th>'
            '<th><a href="?C=S;O=A">Size</a></th></tr>\n'
            f'<tr><td><img src="/icons/back.gif"></td><td><a href="{parent}">Parent Directory</a></td></tr>\n'
            + "\n".join(rows)
            + '\n</table><address><a href="https://httpd.apache.org/"></a> <a href="/">home</a></address></body></html>'
        )

    def send_head(self):  # noqa: ANN201
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            if not self.path.endswith("/"):
                return super().send_head()  # which redirects
            found = sorted(path.iterdir(), key=lambda item: item.name)
            entries = [(item.name + "/" * item.is_dir(), str(item), item.stat()) for item in found]
            body = self.page(unquote(self.path), entries).encode()
            return self.sends(200, body, {"Content-Type": "text/html;charset=UTF-8"})
        if not path.is_file():
            self.send_error(404)
            return None
        body = path.read_bytes()
        headers = {"Accept-Ranges": "bytes", "Last-Modified": formatdate(path.stat().st_mtime, usegmt=True)}
        if self.etag:
            headers["ETag"] = f'"{int(path.stat().st_mtime):x}-{len(body):x}"'
        kind, _, asked = self.headers.get("Range", "").partition("=")
        if kind != "bytes":
            return self.sends(200, body, headers)
        first, last = asked.split("-")
        start = int(first) if first else max(0, len(body) - int(last))
        stop = min(int(last) + 1, len(body)) if first and last else len(body)
        if start >= len(body):
            return self.sends(416, b"<html>no such range</html>", {"Content-Range": f"bytes */{len(body)}"})
        return self.sends(206, body[start:stop], headers | {"Content-Range": f"bytes {start}-{stop - 1}/{len(body)}"})

    def sends(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


class Nginx(Apache):
    """Pages of ngx_http_autoindex_module; ranges and an ETag."""

    etag = True

    def page(self, path: str, entries: list[tuple[str, str, os.stat_result]]) -> str:
        rows = [
            f'<a href="{quote(name)}">{html.escape(name[:50])}</a>  '
            f"{time.strftime('%d-%b-%Y %H:%M', time.gmtime(found.st_mtime))}  {found.st_size}"
            for name, _, found in entries
        ]
        title = f"Index of {html.escape(path)}"
        return (
            f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<h1>{title}</h1><hr><pre>"
            '<a href="../">../</a>\r\n' + "\r\n".join(rows) + "\r\n</pre><hr></body>\r\n</html>\r\n"
        )


SERVERS = (Python, Apache, Nginx)


@contextmanager
def serving(handler: type[SimpleHTTPRequestHandler], folder: Path) -> Iterator[str]:
    """The address of a server of a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
