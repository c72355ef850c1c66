"""Bucket layouts, one module each: pure strings. A layout is added by its module and its line here."""

from __future__ import annotations

from types import ModuleType

from seisbatch.archives import scedc

ARCHIVES: dict[str, ModuleType] = {module.NAME: module for module in (scedc,)}
