"""EarthScope's restricted networks: each has credentials of its own, which are fetched when they are needed.

Credentials stand in memory alone: never in settings, logs or outputs.
"""

from __future__ import annotations

import datetime as dt
import functools
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from seisbatch.acquire.backend import Listed, Opened, StoreSettings
from seisbatch.acquire.s3 import S3
from seisbatch.archives import earthscope
from seisbatch.outcome import RunError

ROLE = "s3-miniseed-v2"
BEFORE_THE_END = dt.timedelta(minutes=5)
"""Credentials that are valid for less are fetched anew."""

_lock = threading.Lock()


class NetworkCredentials:
    """Credentials of one network, as obstore asks for them."""

    refresh_threshold = BEFORE_THE_END

    def __init__(self, network: str) -> None:
        self._network = network

    def __call__(self) -> dict[str, Any]:
        """Access key, secret key, token and end of validity; RunError where EarthScope gives none."""
        try:
            with _lock:
                found = _client().user.get_aws_credentials(role=ROLE, network=self._network, ttl_threshold=BEFORE_THE_END)
        except RunError:
            raise
        except Exception as error:  # the client raises its own kinds, and those of three libraries
            raise RunError(self._refusal(error)) from None
        return {
            "access_key_id": found.aws_access_key_id,
            "secret_access_key": found.aws_secret_access_key.get_secret_value(),
            "token": found.aws_session_token.get_secret_value(),
            "expires_at": found.expiration,
        }

    def _refusal(self, error: Exception) -> str:
        """What went wrong, without what was sent: a token may stand in the error's own words."""
        status = getattr(getattr(error, "response", None), "status_code", None)
        what = f"EarthScope answers {status}" if status else type(error).__name__
        return (
            f"no credentials for network {self._network} ({what}): log in with EarthScope's command line (es login), and "
            "see that your account may read the network"
        )


@functools.cache
def _client() -> Any:
    try:
        from earthscope_sdk import EarthScopeClient
    except ImportError:
        raise RunError(
            "--credentials earthscope needs a package: .venv/bin/python -m pip install 'earthscope-sdk>=1.9,<2' installs it"
        ) from None
    return EarthScopeClient()


class ByNetwork:
    """A bucket of EarthScope's layout, read with the credentials of the network that a key stands under."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._places: dict[str, S3] = {}

    def _of(self, key: str) -> S3:
        network = earthscope.network_of(key)
        if network is None:
            raise FileNotFoundError(key)
        if network not in self._places:
            credentials = NetworkCredentials(network)
            credentials()  # what is wrong with them is told here; from within a request it would look like the store's refusal
            self._places[network] = S3(self._settings, credentials)
        return self._places[network]

    def require(self) -> None:
        """A bucket that is missing says so at the first access."""

    def open(self, key: str) -> Opened:
        return self._of(key).open(key)

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int], version: str | None) -> list[Any]:
        return self._of(key).get_ranges(key, starts, lengths, version)

    def tail(self, key: str, length: int) -> tuple[int, Any]:
        return self._of(key).tail(key, length)

    def head(self, key: str) -> tuple[int, str]:
        return self._of(key).head(key)

    def put(self, key: str, data: Any) -> None:
        self._of(key).put(key, data)

    def list(self, prefix: str) -> Iterator[Listed]:
        return self._of(f"{prefix}/").list(prefix)

    def list_flat(self, prefix: str) -> Iterator[Listed]:
        return self._of(f"{prefix}/").list_flat(prefix)

    def touch(self, key: str) -> None:
        self._of(key).touch(key)

    def folders(self, prefix: str) -> Iterator[str]:
        if earthscope.network_of(f"{prefix}/") is None:
            raise RunError("credentials are of one network at a time: name the networks in --channels, such as 'XX.*.*.BHZ'")
        return self._of(f"{prefix}/").folders(prefix)

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._of(key).delete([key])

    def delete_prefix(self, prefix: str) -> None:
        self._of(f"{prefix}/").delete_prefix(prefix)
