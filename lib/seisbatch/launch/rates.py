"""What work costs: core-seconds of the kernels that dominate, as ``./submit.sh calibrate`` measured them on a machine.

Those of this machine stand in ``.build/rates.toml``; until they are measured, those of ``conf/emr/rates.toml`` hold.
"""

from __future__ import annotations

import datetime as dt
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seisbatch.config import CONF
from seisbatch.outcome import RunError

RATES_FILE = "emr/rates.toml"
REPOSITORY = Path(__file__).resolve().parents[3]


def _rate(description: str) -> Any:
    return Field(gt=0, allow_inf_nan=False, description=description)


Rate = Annotated[float, Field()]


class _Rates(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CoreSeconds(_Rates):
    """CPU seconds of one thread. MB are 1e6 bytes; a transform's samples are those of its longer side, padding included."""

    decode_mb: Rate = _rate("A MB of miniSEED (Steim-2, a day at 100 Hz) to samples.")
    preprocess_msamples: Rate = _rate(
        "A million recorded samples to the grid that is correlated: gaps, trend, taper, band, rate (a day at 100 Hz)."
    )
    window_msamples: Rate = _rate("A million samples of windows, as long as their padded transform, to band spectra.")
    product_giga: Rate = _rate("1e9 products of two spectra that are summed: pairs x windows x frequencies.")
    inverse_msamples: Rate = _rate("A million samples of pairs' inverse transforms, as long as they are padded, to CCFs.")
    geometry_kpairs: Rate = _rate("Distance and directions of a thousand pairs on the ellipsoid.")
    response_msamples: Rate = _rate("A million samples to ground motion in float32, its response's inverse being known.")
    window_cut: Rate = _rate("A window of five minutes found in a day's object by range, decoded, its records cut out.")
    sound_msamples: Rate = _rate("A million samples of a hydrophone decoded, cut into clips and encoded as wav.")
    picture_mpixels: Rate = _rate("A million pixels of clips' spectrograms: transforms, shades, PNG.")
    level_msamples: Rate = _rate("A million samples to spectral levels of minutes in bands.")
    table_mb: Rate = _rate("A MB of float32 samples into a table's Parquet file, or out of it.")
    table_krows: Rate = _rate("A thousand rows of CCFs into a table, their samples apart.")
    get: Rate = _rate("A GET of 512 kB.")
    put: Rate = _rate("A PUT of 512 kB.")


class Rates(_Rates):
    """The whole table: of which day, machine and version of seisbatch."""

    date: dt.date
    machine: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(min_length=1)]
    core_seconds: CoreSeconds

    def source(self) -> str:
        """Where and when these rates were measured, in words."""
        return f"rates of {self.date} on {self.machine}"

    def toml(self) -> str:
        """The table as its file has it."""
        values = self.core_seconds.model_dump()
        lines = [
            "# Core-seconds of the kernels that dominate, as ./submit.sh calibrate measured them: what --plan reckons with.",
            "# CPU time of one thread, the median of several rounds.",
            "",
            "# The day, the machine, and the version of seisbatch that these rates are of.",
            f"date = {self.date.isoformat()}",
            f"machine = {_quoted(self.machine)}",
            f"version = {_quoted(self.version)}",
            "",
            "[core_seconds]",
        ]
        for name, field in CoreSeconds.model_fields.items():
            lines += [f"# {field.description}", f"{name} = {float(f'{values[name]:.3g}')!r}"]
        return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    return '"' + "".join(one for one in text if one.isprintable() and one not in '"\\') + '"'


def build_folder() -> Path:
    """The folder of what is made here."""
    return Path(os.environ.get("SEISBATCH_BUILD", REPOSITORY / ".build"))


def read_rates(path: Path | None = None) -> Rates:
    """The rates of a file, by default those measured on this machine, else those of the configuration folder.

    Raises RunError, naming the file and the key, where it cannot be read, a key is missing or unknown, or a rate is none.
    """
    if path is None:
        own = build_folder() / "rates.toml"
        path = own if own.is_file() else CONF / RATES_FILE
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        return Rates(**values)
    except OSError as error:
        raise RunError(f"rates: {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise RunError(f"rates: {path}: {error}; ./submit.sh calibrate makes it anew") from None
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise RunError(f"rates: {path}: {key}: {problem['msg']}; ./submit.sh calibrate makes it anew") from None
