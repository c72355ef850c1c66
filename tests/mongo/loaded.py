"""Documents of what jobs wrote, as a loader of tables writes them, and what a server is asked for and answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import monitoring
from pymongo.database import Database

from tests.jobs.results import rows


def load_table(database: Database[dict[str, Any]], out: Path, table: str) -> int:
    """A document of each row of a table: its columns that are not null, days as text, times as seconds since 1970."""
    documents = [{key: _value(value) for key, value in row.items() if value is not None} for row in rows(out, table)]
    return len(database[table].insert_many(documents).inserted_ids)


def _value(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.timestamp()
    return value.isoformat() if isinstance(value, dt.date) else value


def load_stations(database: Database[dict[str, Any]], archive: Path) -> None:
    """Every StationXML file of the sample archive."""
    from seisbatch.mongo.stations import save_inventory

    for file in sorted((archive / "FDSNstationXML").rglob("*.xml")):
        save_inventory(database, file)


class Heard(monitoring.CommandListener):
    """Commands and the documents that came back, while somebody listens."""

    def __init__(self) -> None:
        self.listens = False
        self.commands: list[dict[str, Any]] = []
        self.documents: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.listens and event.command_name in ("find", "aggregate", "getMore"):
            self.commands.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if self.listens and "cursor" in event.reply:
            cursor = event.reply["cursor"]
            self.documents += [dict(one) for one in cursor.get("firstBatch", cursor.get("nextBatch", ()))]

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Of no interest."""


_heard = Heard()
monitoring.register(_heard)  # every client from now on


@contextmanager
def listening() -> Iterator[Heard]:
    """What clients that were made since this module was imported ask and are answered."""
    _heard.commands, _heard.documents = [], []
    _heard.listens = True
    try:
        yield _heard
    finally:
        _heard.listens = False
