"""What Amazon asks: the price table that plans are reckoned with, ``conf/emr/prices.toml``."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seisbatch.config import CONF
from seisbatch.outcome import RunError

PRICES_FILE = "emr/prices.toml"

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Prices(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class S3Prices(_Prices):
    """Dollars for 1,000 requests, for a GB stored a month, and for a GB moved within the region."""

    put_per_1000: Dollars
    get_per_1000: Dollars
    storage_gb_month: Dollars
    transfer_gb: Dollars


class MachinePrices(_Prices):
    """Dollars for a vCPU of a family of machines for an hour; EMR's come on top of the machine's."""

    on_demand_vcpu_hour: Dollars
    spot_vcpu_hour: Dollars
    emr_vcpu_hour: Dollars

    @property
    def emr_on_demand(self) -> float:
        """A vCPU-hour of a cluster of machines on demand."""
        return self.on_demand_vcpu_hour + self.emr_vcpu_hour

    @property
    def emr_spot(self) -> float:
        """A vCPU-hour of a cluster of spot machines."""
        return self.spot_vcpu_hour + self.emr_vcpu_hour


class ServerlessPrices(_Prices):
    """Dollars for a vCPU and for a GB of memory for an hour."""

    vcpu_hour: Dollars
    gb_hour: Dollars


class Machines(_Prices):
    graviton: MachinePrices
    intel: MachinePrices


class Serverless(_Prices):
    graviton: ServerlessPrices
    intel: ServerlessPrices


class Prices(_Prices):
    """The whole table, of one day and region."""

    date: dt.date
    region: Annotated[str, Field(min_length=1)]
    currency: Literal["USD"]
    s3: S3Prices
    ec2: Machines
    serverless: Serverless

    def source(self) -> str:
        """Where and when these prices hold, in words."""
        return f"US dollars in {self.region}, as of {self.date}"


def read_prices(path: Path | None = None) -> Prices:
    """The price table, by default that of the configuration folder.

    Raises RunError, naming the file and the key, where it cannot be read, a key is missing or unknown, or a price is none.
    """
    path = path or CONF / PRICES_FILE
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"prices: {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"prices: {path}: {error}") from None
    try:
        return Prices(**values)
    except ValidationError as error:
        raise RunError(f"prices: {path}: {_explain(error.errors()[0])}") from None


def _explain(problem: Any) -> str:
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
