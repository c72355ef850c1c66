"""Clients of AWS: the usual chain of credentials and regions, patience with throttling."""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore.config import Config

from seisbatch.launch.failures import telling

TRIES = 8
"""Of a request that is throttled or not answered; with the waits between them about half a minute."""
CONNECT_SECONDS = 10
READ_SECONDS = 60


def region_here(profile: str | None = None) -> str | None:
    """The region of the environment, or else of the profile; None where neither has one.

    boto3 by itself reads AWS_DEFAULT_REGION alone: Amazon's other tools, and the workers, AWS_REGION before it. Raises boto3's
    own error where there is no such profile.
    """
    return os.environ.get("AWS_REGION") or boto3.session.Session(profile_name=profile).region_name


def client(service: str, region: str | None = None, profile: str | None = None, endpoint: str | None = None) -> Any:
    """A client of a service; without a region, or a profile, that of the environment. RunError where there is none."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": TRIES}, connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS
    )
    with telling(f"AWS's {service}"):
        return boto3.session.Session(profile_name=profile).client(
            service, region_name=region or region_here(profile), endpoint_url=endpoint, config=config
        )
