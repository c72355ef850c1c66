"""The parts of a MongoDB URI, as text: which servers it names, and what in it must not be shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import unquote, unquote_plus

SCHEMES = ("mongodb://", "mongodb+srv://")
_SECRET_OPTIONS = frozenset({"tlscertificatekeyfilepassword", "sslpempassphrase", "authmechanismproperties", "proxypassword"})
"""Options that hold a secret, or may: a password of a key, a token of a session."""


@dataclass(frozen=True, repr=False)
class MongoUri:
    """A URI in its parts, each as it stands there: ``mongodb://USER:PASSWORD@HOSTS/PATH?OPTIONS``."""

    scheme: str
    user_info: str
    hosts: str
    path: str
    options: str

    def __str__(self) -> str:
        user = f"{self.user_info}@" if self.user_info else ""
        options = f"?{self.options}" if self.options else ""
        return f"{self.scheme}{user}{self.hosts}/{self.path}{options}"

    @property
    def servers(self) -> tuple[str, ...]:
        """Every server as ``host:port``, in order; of ``mongodb+srv`` the name that is looked up.

        Raises ValueError where they cannot be servers, without telling what was written.
        """
        if self.scheme != SCHEMES[0]:
            return (self.hosts.lower(),)
        from pymongo.errors import ConfigurationError  # it takes a while to import, and most runs have no MongoDB
        from pymongo.uri_parser import split_hosts

        try:
            found = split_hosts(self.hosts)
        except (ValueError, ConfigurationError):
            raise ValueError("its hosts are not host:port, comma separated") from None
        return tuple(sorted({_server(host, port) for host, port in found}))

    @property
    def secrets(self) -> list[str]:
        """User, password and what else must not be shown, as they stand there and as they are meant."""
        found = {part for part in self.user_info.partition(":")[::2] if part}
        for name, value in self._options():
            if name in _SECRET_OPTIONS:
                found |= {value, *(pair.partition(":")[2] for pair in unquote(value).split(","))} - {""}
        return sorted({*found, *map(unquote_plus, found)}, key=len, reverse=True)

    def with_options_of(self, other: MongoUri) -> MongoUri:
        """The same with another's options, and of its own those that the other does not have."""
        theirs = {name for name, _ in other._options()}
        own = [text for (name, _), text in zip(self._options(), self.options.split("&"), strict=False) if name not in theirs]
        return replace(self, options="&".join(filter(None, [*own, other.options])))

    def _options(self) -> Iterator[tuple[str, str]]:
        for text in self.options.split("&") if self.options else ():
            name, _, value = text.partition("=")
            yield name.lower(), value


def _server(host: str, port: int | None) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}" if port else host


def is_mongo_uri(text: str) -> bool:
    """Whether a text is meant as a URI of MongoDB.

    >>> is_mongo_uri("MongoDB+srv://cluster.example.org/scedc"), is_mongo_uri("s3://bucket")
    (True, False)
    """
    return text.strip().lower().startswith(SCHEMES)


def parse_uri(text: str) -> MongoUri:
    """A URI in its parts. ValueError, without the URI, where it is none, or its password would be taken for something else.

    >>> parse_uri("mongodb://reader:p%40ss@two,one:27018/admin?tls=true").servers
    ('one:27018', 'two:27017')
    """
    text = text.strip()
    scheme = next((scheme for scheme in SCHEMES if text.startswith(scheme)), None)
    if scheme is None:
        raise ValueError("it must begin with 'mongodb://' or 'mongodb+srv://'")
    rest = text.removeprefix(scheme)
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    if "@" in rest[len(authority) :]:
        raise ValueError("a user or password with / ? or @ in it must be escaped: %2F, %3F, %40")
    user_info, _, hosts = authority.rpartition("@")
    path, _, options = rest[len(authority) :].partition("?")
    return MongoUri(scheme, user_info, hosts, path.removeprefix("/"), options)


def without_secrets(text: str, uri: str) -> str:
    """A text with ``***`` for whatever of a URI must not be shown."""
    try:
        secrets = parse_uri(uri).secrets
    except ValueError:  # which is what the text tells, without the URI
        return text
    for secret in secrets:
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
    return text
