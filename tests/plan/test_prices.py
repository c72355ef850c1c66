"""The table of prices: what is shipped is whole and plausible, what is wrong in it is named."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from seisbatch.outcome import RunError
from seisbatch.plan.prices import read_prices

SHIPPED = Path(__file__).resolve().parents[2] / "conf/emr/prices.toml"


def test_what_is_shipped_says_when_and_where_it_holds():
    prices = read_prices()
    assert prices.region == "us-west-2"
    assert str(prices.date) in prices.source()
    assert prices.s3.put_per_1000 == 0.005
    for machines in (prices.ec2.graviton, prices.ec2.intel):
        assert 0 < machines.spot_vcpu_hour < machines.on_demand_vcpu_hour < machines.emr_on_demand
        assert machines.emr_spot < machines.emr_on_demand


def test_every_key_of_it_has_a_comment():
    lines = SHIPPED.read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"\w+ = ", line)]
    assert len(keys) == 17
    assert all(lines[number - 1].startswith("# ") for number in keys)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("put_per_1000 = 0.005", "put_per_1000 = -1.0", r"s3\.put_per_1000: .*greater than or equal to 0"),
        ("put_per_1000 = 0.005", "put_per_1000 = 'much'", r"s3\.put_per_1000: .*valid number"),
        ("put_per_1000 = 0.005", "put_per_1000 = nan", r"s3\.put_per_1000: "),
        ("put_per_1000 = 0.005", "", r"s3\.put_per_1000: Field required"),
        ("put_per_1000", "puts_per_1000", r"s3\.puts?_per_1000: "),
        ("date = 2025-06-01", "date = 'today'", "date: "),
        ('currency = "USD"', 'currency = "EUR"', "currency: .*USD"),
        ("[s3]", "[s3", "line 12"),
    ],
)
def test_a_wrong_table_names_itself_and_the_key(before, after, message, tmp_path):
    path = tmp_path / "prices.toml"
    text = SHIPPED.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(RunError, match=f"prices.toml: .*{message}"):
        read_prices(path)


def test_a_table_that_is_not_there_names_itself(tmp_path):
    with pytest.raises(RunError, match=r"none\.toml: No such file"):
        read_prices(tmp_path / "none.toml")


def test_prices_of_another_table_are_taken(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(SHIPPED.read_text().replace("vcpu_hour = 0.0408", "vcpu_hour = 1").replace("2025-06-01", "2030-01-31"))
    prices = read_prices(path)
    assert prices.ec2.graviton.on_demand_vcpu_hour == 1
    assert prices.date == tomllib.loads("date = 2030-01-31")["date"]
