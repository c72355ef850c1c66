"""Events of a direct call and of HTTP gateways: the same fields out of each."""

from __future__ import annotations

import base64
import json

import pytest
from seisbatch.oneshot.events import MethodError, fields_of, http_answer, is_from_gateway
from seisbatch.oneshot.requests import RequestError

FIELDS = {"day": "2019,183", "nscl": "CI.SOC.HHZ."}


def rest(body=None, method="POST", query=None, encoded=False):
    """As API Gateway's REST interface sends it, and the HTTP interface in payload format 1.0."""
    return {
        "resource": "/motion", "path": "/motion", "httpMethod": method, "headers": {"content-type": "application/json"},
        "multiValueHeaders": {}, "queryStringParameters": query, "multiValueQueryStringParameters": None,
        "pathParameters": None, "stageVariables": None, "requestContext": {"stage": "prod", "identity": {}},
        "body": body, "isBase64Encoded": encoded,
    }  # fmt: skip


def http(body=None, method="POST", query=None, encoded=False):
    """As API Gateway's HTTP interface sends it in payload format 2.0, and the URL of a function."""
    event = {
        "version": "2.0", "routeKey": f"{method} /motion", "rawPath": "/motion", "rawQueryString": "", "headers": {},
        "requestContext": {"http": {"method": method, "path": "/motion", "protocol": "HTTP/1.1"}, "stage": "$default"},
        "isBase64Encoded": encoded,
    }  # fmt: skip
    return event | ({"body": body} if body is not None else {}) | ({"queryStringParameters": query} if query else {})


gateways = pytest.mark.parametrize("gateway", [rest, http])


def test_a_direct_event_is_its_fields():
    assert not is_from_gateway(FIELDS)
    assert fields_of(FIELDS) == FIELDS


@gateways
def test_fields_are_in_the_body_or_in_the_query_string(gateway):
    text = json.dumps(FIELDS)
    for event in (
        gateway(text),
        gateway(base64.b64encode(text.encode()).decode(), encoded=True),
        gateway(method="GET", query=FIELDS),
        gateway(json.dumps({"day": FIELDS["day"]}), query={"nscl": FIELDS["nscl"]}),
    ):
        assert is_from_gateway(event)
        assert fields_of(event) == FIELDS


@gateways
@pytest.mark.parametrize("body", ["{", "no json", "[1, 2]", '"day"', "3", "[" * 100_000, "\ud800"])
def test_a_body_that_is_no_object_is_told(gateway, body):
    with pytest.raises(RequestError, match="the body is"):
        fields_of(gateway(body))


@gateways
def test_a_body_that_is_no_base64_is_told(gateway):
    with pytest.raises(RequestError, match="the body is"):
        fields_of(gateway(json.dumps(FIELDS), encoded=True))


@gateways
def test_a_field_is_given_once(gateway):
    with pytest.raises(RequestError, match="day is in the query string and in the body"):
        fields_of(gateway(json.dumps(FIELDS), query={"day": "2019,184"}))


@gateways
def test_other_methods_are_refused(gateway):
    with pytest.raises(MethodError, match="'DELETE': use GET or POST"):
        fields_of(gateway(json.dumps(FIELDS), method="DELETE"))
    assert http_answer(MethodError.status, {})["headers"]["allow"] == "GET, POST"


@pytest.mark.parametrize("event", [None, [FIELDS], "2019,183"])
def test_an_event_is_an_object(event):
    with pytest.raises(RequestError, match="the event is"):
        fields_of(event)
