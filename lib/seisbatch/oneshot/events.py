"""Forms of events and answers: those of a direct call, and those of an HTTP gateway.

API Gateway's REST and HTTP interfaces (payload formats 1.0 and 2.0) and the URL of a function differ in where they say which
method was used; their answers have one form.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from seisbatch.oneshot.requests import RequestError
from seisbatch.outcome import Outcome

METHODS = ("GET", "POST")
STATUS = {
    Outcome.OK: 200,
    Outcome.EMPTY: 404,
    Outcome.MISSING: 404,
    Outcome.CORRUPT: 422,
    Outcome.REJECTED: 422,
    Outcome.DENIED: 502,
}
"""HTTP's status of each outcome that is an answer.

That the archive's store refuses an object to this function is nothing that other credentials of the caller's would change: 502,
and never 403.
"""
FAILED = 500
_OF_GATEWAYS = ("httpMethod", "requestContext", "routeKey")

Json = dict[str, Any]


class MethodError(RequestError):
    """An HTTP method that asks for something else."""

    status = 405


def is_from_gateway(event: Any) -> bool:
    """Whether an event has the form of an HTTP gateway's."""
    return isinstance(event, Mapping) and any(key in event for key in _OF_GATEWAYS)


def fields_of(event: Any) -> Mapping[str, Any]:
    """The fields of a request; of a gateway's event, those of its JSON body and of its query string.

    Raises RequestError where there are none.
    """
    if not isinstance(event, Mapping):
        raise RequestError(f'the event is a {type(event).__name__}: send an object, such as {{"day": ..., "nscl": ...}}')
    if not is_from_gateway(event):
        return event
    method = _method(event)
    if method not in METHODS:
        raise MethodError(f"method {method[:20]!r}: use {' or '.join(METHODS)}")
    in_query = event.get("queryStringParameters") or {}
    in_body = _body(event)
    for field in in_query:
        if field in in_body:
            raise RequestError(f"{field} is in the query string and in the body: give it once")
    return {**in_query, **in_body}


def _method(event: Mapping[str, Any]) -> str:
    context = event.get("requestContext") or {}
    return str(event.get("httpMethod") or (context.get("http") or {}).get("method") or "POST").upper()


def _body(event: Mapping[str, Any]) -> Mapping[str, Any]:
    body = event.get("body")
    if not body:
        return {}
    try:
        text = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise RequestError('the body is no JSON: send an object, such as {"day": ..., "nscl": ...}') from None
    if not isinstance(found, dict):
        raise RequestError(f'the body is a {type(found).__name__}: send an object, such as {{"day": ..., "nscl": ...}}')
    return found


def http_answer(status: int, body: Mapping[str, Any]) -> Json:
    """An answer as a gateway takes it."""
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if status == MethodError.status:
        headers["allow"] = ", ".join(METHODS)
    return {"statusCode": status, "headers": headers, "body": json.dumps(body), "isBase64Encoded": False}
