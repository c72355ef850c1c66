"""Bucket layouts, one module each: pure strings. A layout is added by its module and its name here."""

from __future__ import annotations

from seisbatch.archives import earthscope, geonet, ncedc, scedc, sds
from seisbatch.archives.layout import Layout

_LAYOUTS: tuple[Layout, ...] = (scedc, ncedc, geonet, earthscope, sds)
ARCHIVES: dict[str, Layout] = {layout.NAME: layout for layout in _LAYOUTS}
