"""What a run costs, from counts: core-seconds by measured rates, requests, and dollars by the price table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from seisbatch.launch.rates import Rates, read_rates
from seisbatch.outcome import RunError
from seisbatch.plan.prices import Prices, read_prices

SERVERLESS_GB_A_VCPU = 4
PART_BYTES = 5 * 1024 * 1024
"""Larger objects are put in parts of this size: a request each, one that begins and one that completes."""
REQUEST_BYTES = 512_000
"""A request's rate is that of so many bytes; a larger one takes as many times as long."""
RUN_PUTS = 4
"""The run's own objects: claim and manifest, outcomes, report."""
RUN_LISTS = 40
"""Listings of tables and folders as a run ends."""
KEYS_A_LIST = 1000

_GB = 1e9


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run takes: work by kernel, requests by kind, and bytes moved and written.

    ``work``: how much of each kernel there is, in the unit of its rate: the names are those of
    :class:`~seisbatch.launch.rates.CoreSeconds`.
    """

    work: Mapping[str, float] = field(default_factory=dict)
    gets: float = 0.0
    puts: float = 0.0
    lists: float = 0.0
    read_bytes: float = 0.0
    put_bytes: float = 0.0
    """All that is put: output, and scratch that is removed again."""
    out_bytes: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            work={name: self.work.get(name, 0.0) + other.work.get(name, 0.0) for name in {**self.work, **other.work}},
            gets=self.gets + other.gets,
            puts=self.puts + other.puts,
            lists=self.lists + other.lists,
            read_bytes=self.read_bytes + other.read_bytes,
            put_bytes=self.put_bytes + other.put_bytes,
            out_bytes=self.out_bytes + other.out_bytes,
        )

    def core_seconds(self, rates: Rates) -> float:
        """Of the kernels and of the requests, which take longer where they carry more."""
        of = rates.core_seconds
        gets = max(self.gets, self.read_bytes / REQUEST_BYTES)
        puts = max(self.puts, self.put_bytes / REQUEST_BYTES)
        kernels = sum(getattr(of, name) * amount for name, amount in self.work.items())
        return float(kernels + of.get * (gets + self.lists) + of.put * puts)

    def request_dollars(self, prices: Prices) -> float:
        return ((self.puts + self.lists) * prices.s3.put_per_1000 + self.gets * prices.s3.get_per_1000) / 1000

    def month_dollars(self, prices: Prices) -> float:
        """To keep what is written for a month."""
        return self.out_bytes / _GB * prices.s3.storage_gb_month

    def compute_dollars(self, rates: Rates, prices: Prices) -> tuple[float, float, float]:
        """On a cluster of Graviton machines on demand, on spot, and on EMR Serverless; a core is a vCPU."""
        return compute_dollars(self.core_seconds(rates), prices)

    def lines(self, rates: Rates, prices: Prices) -> list[tuple[str, str]]:
        """Labels and values for the terminal."""
        on_demand, spot, serverless = self.compute_dollars(rates, prices)
        hours = self.core_seconds(rates) / 3600
        return [
            ("core-hours", f"about {told_hours(hours)}, by {rates.source()}"),
            ("requests", f"about {self.requests()}: ${self.request_dollars(prices):,.2f}"),
            ("compute", f"about ${on_demand:,.2f} on demand, ${spot:,.2f} on spot, ${serverless:,.2f} serverless, of Graviton"),
            ("to keep", f"about ${self.month_dollars(prices):,.2f} a month"),
            ("prices", prices.source()),
        ]

    def line(self, rates: Rates, prices: Prices) -> list[tuple[str, str]]:
        """All of it in one, for a run that costs next to nothing."""
        dollars = self.compute_dollars(rates, prices)[0] + self.request_dollars(prices)
        hours = told_hours(self.core_seconds(rates) / 3600)
        return [("cost", f"about ${dollars:,.2f}: {self.requests()}, {hours} core-hours, on demand; {prices.source()}")]

    def requests(self) -> str:
        """Requests by kind, in words."""
        counted = (("GET", self.gets), ("PUT", self.puts), ("LIST", self.lists))
        return ", ".join(f"{math.ceil(number):,} {kind}" for kind, number in counted if number)


class CostLine(NamedTuple):
    """A line of a plan that tells what a run would cost: who runs it has asked for ``--plan``, or has decided."""

    label: str
    value: str


def compute_dollars(core_seconds: float, prices: Prices) -> tuple[float, float, float]:
    """On a cluster of Graviton machines on demand, on spot, and on EMR Serverless; a core is a vCPU."""
    hours, serverless = core_seconds / 3600, prices.serverless.graviton
    return (
        hours * prices.ec2.graviton.emr_on_demand,
        hours * prices.ec2.graviton.emr_spot,
        hours * (serverless.vcpu_hour + SERVERLESS_GB_A_VCPU * serverless.gb_hour),
    )


def told_hours(hours: float) -> str:
    """Core-hours as people read them: two digits of small ones.

    >>> told_hours(1234.6), told_hours(0.01234)
    ('1,235', '0.012')
    """
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"


def puts_of(n_bytes: float) -> int:
    """Requests that put an object."""
    return 1 if n_bytes <= PART_BYTES else math.ceil(n_bytes / PART_BYTES) + 2


def run_cost(files: float, file_bytes: float, units: float) -> Cost:
    """Requests of a run's own: its files of about so many bytes, how it ends, and look-ups of what is done already."""
    return Cost(
        gets=units,
        puts=files * puts_of(file_bytes) + RUN_PUTS,
        lists=RUN_LISTS + 3 * files / KEYS_A_LIST,
        put_bytes=files * file_bytes,
        out_bytes=files * file_bytes,
    )


def priced(cost: Cost, *, is_small: bool = False) -> list[tuple[str, str]]:
    """Lines by the rates and prices that hold here; where these cannot be read they say so, and nothing ends."""
    try:
        rates, prices = read_rates(), read_prices()
    except RunError as error:
        return [CostLine("cost", f"not known: {error}")]
    return [CostLine(*line) for line in (cost.line(rates, prices) if is_small else cost.lines(rates, prices))]
