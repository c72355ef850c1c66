"""One channel-day, or a window of it, to ground motion, in one call without Spark: such as a function in AWS Lambda.

:func:`handler` takes ``{"day": "2019,183", "nscl": "CI.SOC.HHZ."}`` or ``{"nscl": ..., "start_time": ..., "end_time": ...}``
(:func:`~seisbatch.oneshot.requests.read_request` says what else), directly or through an HTTP gateway, does what the job
``remove_response`` does to a channel-day, and puts the result where the environment says
(:func:`~seisbatch.oneshot.settings.read_settings`).
"""

from __future__ import annotations

import json
import logging
import os
import time
from typing import Any

from seisbatch.oneshot.answers import Answer, answer
from seisbatch.oneshot.events import FAILED, STATUS, Json, fields_of, http_answer, is_from_gateway
from seisbatch.oneshot.requests import RequestError, read_request
from seisbatch.oneshot.settings import read_settings
from seisbatch.outcome import Outcome

__all__ = ["handler"]

_LOG = logging.getLogger(__name__)
_LOG.setLevel(logging.INFO)


def handler(event: Any, context: Any) -> Json:
    """Answer an event; ``context`` is AWS Lambda's, or None.

    A direct call gets ``key`` (of the object that was put; None where there is none), ``keys`` (more than one where a day with
    gaps becomes files of SAC), ``bucket``, ``outcome`` and ``reason``, which of ``ok`` tells what is worth knowing. An outcome
    that follows from the data or from what the archive hands out (``empty``, ``missing``, ``denied``, ``corrupt``,
    ``rejected``) is such an answer: to ask again at once would not change it. What is no answer is raised, so that it is
    counted, and tried again where the call was asynchronous: RequestError where the event is wrong, UnitError where a store
    fails after retries, RunError where the settings or the output are wrong, and any bug.

    A call through a gateway gets all of this as JSON with HTTP's status: 200; 400 (405 for a method) with ``error`` where the
    request is wrong; 404 for ``empty`` and ``missing``; 422 for ``corrupt`` and ``rejected``, such as defective metadata; 502
    for ``denied``; and 500 for what would be raised, of which the log alone tells more.
    """
    if not is_from_gateway(event):
        return _run(event).as_json()
    try:
        found = _run(event)
        return http_answer(STATUS[found.outcome], found.as_json())
    except RequestError as error:
        return http_answer(error.status, {"error": str(error)})
    except Exception:
        _LOG.exception("the call failed")
        number = getattr(context, "aws_request_id", None)
        told = "the call failed: its log tells why" + (f" (request {number})" if number else "")
        return http_answer(FAILED, {"error": told})


def _run(event: Any) -> Answer:
    started = time.perf_counter()
    request = read_request(fields_of(event))
    found = answer(request, read_settings(os.environ))
    seconds = round(time.perf_counter() - started, 3)
    told = {"request": str(request), **found.as_json(), "bytes_read": found.n_read, "seconds": seconds}
    _LOG.log(logging.INFO if found.outcome is Outcome.OK else logging.WARNING, json.dumps(told))
    return found
