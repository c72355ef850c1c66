"""MongoDB: documents as MsPASS has them, and :class:`~seisbatch.mongo.database.Database`, which saves and reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seisbatch.mongo.database import Database

__all__ = ["Database"]


def __getattr__(name: str) -> Any:
    """The class is imported when it is first used: jobs that only connect need neither it nor obspy."""
    if name not in __all__:
        raise AttributeError(f"module 'seisbatch.mongo' has no attribute {name!r}")
    from seisbatch.mongo.database import Database

    return Database
