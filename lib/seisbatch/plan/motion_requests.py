"""A run of remove_response over a file of requests, such as the single call takes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from seisbatch.config import OptionError
from seisbatch.names import Channel
from seisbatch.oneshot.requests import Request, RequestError, read_request
from seisbatch.plan.cost import Cost, priced, run_cost
from seisbatch.plan.units import BatchPlan, Units
from seisbatch.times import DAY_SECONDS

BATCH_REQUESTS = 16
SHOWN_PROBLEMS = 5

_REQUEST = pa.struct(
    [
        ("unit", pa.string()),
        *((code, pa.string()) for code in Channel._fields),
        ("start_ns", pa.int64()),
        ("end_ns", pa.int64()),
        ("day", pa.date32()),
        ("to", pa.string()),
        ("days", pa.list_(pa.date32())),
    ]
)
BATCHES = pa.schema([("name", pa.string()), ("requests", pa.list_(_REQUEST))])


def read_requests(path: str) -> list[Request]:
    """The requests of a JSON file: a list of them, or one; each once, in order. OptionError names what is wrong."""
    try:
        found = json.loads(Path(path).expanduser().read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise OptionError(f"--request {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise OptionError(f"--request {path} is no JSON: {error}") from None
    requests: dict[str, Request] = {}
    problems: list[str] = []
    for number, fields in enumerate(found if isinstance(found, list) else [found], 1):
        try:
            if not isinstance(fields, dict):
                raise RequestError('it is no object, such as {"day": "2019,183", "nscl": "CI.SOC.HHZ."}')
            request = read_request(fields)
            requests.setdefault(_unit(request), request)
        except RequestError as error:
            problems.append(f"request {number}: {error}")
    if problems or not requests:
        told = problems[:SHOWN_PROBLEMS] or ["it holds no request"]
        raise OptionError("\n  ".join([f"--request {path}:", *told]))
    return list(requests.values())


def _unit(request: Request) -> str:
    return f"{request} {request.to or ''}".strip()


def requests_plan(spark: SparkSession, requests: Sequence[Request]) -> BatchPlan:
    """Batches of requests, in the file's order."""
    rows = [{**asdict(request), **request.name._asdict(), "days": request.days, "unit": _unit(request)} for request in requests]
    batches = [
        {
            "name": f"requests-{first // BATCH_REQUESTS:05d}",
            "requests": [_row(row) for row in rows[first : first + BATCH_REQUESTS]],
        }
        for first in range(0, len(rows), BATCH_REQUESTS)
    ]
    frame = spark.createDataFrame(pa.Table.from_pylist(batches, schema=BATCHES))
    return BatchPlan(
        batches=Units("request", frame, len(batches), len(rows) + len(batches)),
        planned={"request": len(rows), "batch": len(batches)},
        told=[("requests", f"{len(rows):,}"), ("tasks", f"{len(batches):,} batches"), *priced(_cost(rows), is_small=True)],
    )


def _cost(rows: Sequence[dict[str, Any]]) -> Cost:
    """Whole channel-days at 100 Hz, of which neither size nor rate is known before they are read."""
    n_days = sum(len(row["days"]) for row in rows)
    msamples = n_days * DAY_SECONDS * 100 / 1e6
    work = {"decode_mb": 1.3 * msamples, "response_msamples": msamples}
    return run_cost(len(rows), 4e6 * msamples / max(1, len(rows)), len(rows)) + Cost(
        work=work, gets=n_days, read_bytes=1.3e6 * msamples
    )


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {field.name: row[field.name] for field in _REQUEST}
