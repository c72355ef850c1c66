"""Checks of what is elsewhere: credentials, buckets, clock, public archives, MongoDB. No secret is printed."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
from botocore import UNSIGNED, exceptions
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from seisbatch.archives import ARCHIVES
from seisbatch.launch.clients import region_here
from seisbatch.launch.failures import NEW_KEYS
from seisbatch.launch.finding import Finding, ok, problem, warning
from seisbatch.mongo.connect import MongoSettings, connected
from seisbatch.mongo.kept_uri import MONGO_URI
from seisbatch.outcome import RunError

SECONDS = 8
"""That a service has to answer."""
SKEW_WARNED, SKEW_REFUSED = 60.0, 300.0
"""Seconds: AWS refuses requests that are signed 15 minutes off, some services 5."""
ARCHIVES_REGION = "us-west-2"
PROBE = "_doctor"

LOG_IN = "log in again (aws sso login, or whatever gave you these credentials)"
NO_NETWORK = "is there a network, a proxy to be set (HTTPS_PROXY), an endpoint misspelt (AWS_ENDPOINT_URL)?"
TO_DO = {
    "ExpiredToken": LOG_IN,
    "ExpiredTokenException": LOG_IN,
    "RequestExpired": LOG_IN,
    "InvalidClientTokenId": NEW_KEYS,
    "InvalidAccessKeyId": NEW_KEYS,
    "SignatureDoesNotMatch": "the secret key is not that of the access key, or this computer's clock is wrong",
    "RequestTimeTooSkewed": "set this computer's clock (date -u)",
    "404": "there is no such bucket: make it, or correct its name",
    "NoSuchBucket": "there is no such bucket: make it, or correct its name",
    "301": "the bucket is in another region: set AWS_REGION, or --out-region, to its own",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION, or --out-region, to its own",
}


LOGGED_OUT = (exceptions.SSOError, exceptions.TokenRetrievalError, exceptions.CredentialRetrievalError)
HALF_SET = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY both, or neither"


def client(
    service: str, region: str | None = None, profile: str | None = None, *, anonymous: bool = False, session: Any = None
) -> Any:
    """A client that does not wait long; its region, where none is told, is one that there is."""
    session = session or boto3.session.Session(profile_name=profile)
    config = Config(
        connect_timeout=SECONDS,
        read_timeout=SECONDS,
        retries={"mode": "standard", "total_max_attempts": 2},
        signature_version=UNSIGNED if anonymous else None,
    )
    return session.client(service, region_name=region or region_here(profile) or ARCHIVES_REGION, config=config)


def why(error: ClientError | BotoCoreError, action: str) -> tuple[str, str]:
    """What an error of AWS says, without the service's own words, which may repeat a signature; and what to do."""
    if isinstance(error, exceptions.NoCredentialsError):
        return "no credentials", NEW_KEYS
    if isinstance(error, LOGGED_OUT):
        return type(error).__name__, LOG_IN
    if isinstance(error, exceptions.PartialCredentialsError):
        return "half of the credentials", HALF_SET
    if isinstance(error, exceptions.ProfileNotFound):
        return type(error).__name__, "correct AWS_PROFILE, ~/.aws/config or conf/emr/launch.toml"
    if isinstance(error, exceptions.ParamValidationError):
        return type(error).__name__, "there can be no bucket of that name: write s3://bucket/prefix"
    if not isinstance(error, ClientError):
        return type(error).__name__, NO_NETWORK
    code = str(error.response.get("Error", {}).get("Code", "unknown error"))
    return code, TO_DO.get(code, f"allow {action} in the policy of the user or role that these credentials are of")


def credentials(*, needed: bool, profile: str | None = None, region: str | None = None) -> Finding:
    """Who one is for AWS: by the usual chain, or a profile, asked of the service itself."""
    try:
        found = boto3.session.Session(profile_name=profile).get_credentials()
    except exceptions.PartialCredentialsError as error:
        return problem("credentials", f"{type(error).__name__}: {error}", HALF_SET)
    except BotoCoreError as error:
        return problem("credentials", f"{type(error).__name__}: {error}", "correct AWS_PROFILE, or ~/.aws/config")
    if found is None:
        if needed:
            return problem("credentials", "none", NEW_KEYS)
        return ok("credentials", "none: public archives can be read, and results written to this computer")
    try:
        who = client("sts", region, profile).get_caller_identity()
    except (ClientError, BotoCoreError) as error:
        told, to_do = why(error, "sts:GetCallerIdentity")
        return (problem if needed else warning)("credentials", f"{told}, from {found.method}", to_do)
    return ok("credentials", f"{who['Arn']}, from {found.method}")


def region(*, needed: bool, profile: str | None = None, named: str | None = None) -> Finding:
    """The region that is asked: the one that is named, or else that of the environment or the profile."""
    try:
        found = named or region_here(profile)
    except BotoCoreError as error:
        return problem("region", f"{type(error).__name__}: {error}", "correct AWS_PROFILE, or ~/.aws/config")
    if found is None and not needed:
        return ok("region", "none is set, and none is needed")
    if found is None:
        to_do = f"set AWS_REGION, such as {ARCHIVES_REGION}, where SCEDC's and NCEDC's archives are"
        return problem("region", "none is set", to_do)
    if found != ARCHIVES_REGION and needed:
        to_do = (
            f"SCEDC's and NCEDC's archives are in {ARCHIVES_REGION}: reading them from elsewhere costs more and takes longer"
        )
        return warning("region", found, to_do)
    return ok("region", found)


def bucket(what: str, place: str, profile: str | None = None, region: str | None = None) -> Iterator[Finding]:
    """Whether a bucket can be listed, written to and deleted from; its region and its clock."""
    name, _, prefix = place.removeprefix("s3://").partition("/")
    prefix = f"{prefix.rstrip('/')}/" if prefix else ""
    if not place.startswith("s3://") or not name:
        yield problem(what, place, "write s3://bucket/prefix")
        return
    try:
        s3 = client("s3", region, profile)
        head = s3.head_bucket(Bucket=name)
    except (ClientError, BotoCoreError) as error:
        told, to_do = why(error, f"s3:ListBucket of {name}")
        yield problem(what, f"{place}: {told}", to_do)
        return
    yield clock(head)
    there = head["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    own = s3.meta.region_name
    if there and there != own:
        yield warning(what, f"{name} is in {there}, not in {own}", f"set AWS_REGION={there}, or take a bucket of {own}")
    key = f"{prefix}{PROBE}/{uuid.uuid4().hex}"
    try:
        s3.list_objects_v2(Bucket=name, Prefix=prefix, MaxKeys=1)
    except (ClientError, BotoCoreError) as error:
        told, to_do = why(error, f"s3:ListBucket of {name}")
        yield problem(what, f"{place} cannot be listed: {told}", to_do)
        return
    try:
        s3.put_object(Bucket=name, Key=key, Body=b"written by ./submit.sh doctor, to be deleted at once")
    except (ClientError, BotoCoreError) as error:
        told, to_do = why(error, f"s3:PutObject and s3:DeleteObject in {place}")
        yield problem(what, f"{place} cannot be written to: {told}", to_do)
        return
    try:
        s3.get_object(Bucket=name, Key=key)["Body"].read()
        s3.delete_object(Bucket=name, Key=key)
    except (ClientError, BotoCoreError) as error:
        told, to_do = why(error, f"s3:GetObject and s3:DeleteObject in {place}")
        yield problem(what, f"{place}: {key} cannot be read and deleted: {told}", to_do)
        return
    yield ok(what, f"{place}: listed; an object written, read and deleted")


def clock(answer: dict[str, Any], now: float | None = None) -> Finding:
    """The clock of this computer against the date of an answer: signatures hold for some minutes."""
    told = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    try:
        there = parsedate_to_datetime(told).astimezone(dt.UTC).timestamp()
    except (TypeError, ValueError):
        return warning("clock", "the store tells no time", "compare `date -u` with another computer's")
    off = (time.time() if now is None else now) - there
    if abs(off) <= SKEW_WARNED:
        return ok("clock", f"within {max(1, round(abs(off)))} s of the store's")
    level = problem if abs(off) > SKEW_REFUSED else warning
    return level("clock", f"{abs(off):.0f} s {'fast' if off > 0 else 'slow'}", "set it: AWS refuses what is signed minutes off")


def archives() -> Iterator[Finding]:
    """Whether the public archives answer without credentials."""
    public = {name: layout for name, layout in ARCHIVES.items() if layout.ROOT}
    try:
        session = boto3.session.Session()
        clients = [client("s3", layout.REGION, anonymous=True, session=session) for layout in public.values()]
    except BotoCoreError as error:  # of the profile, which the credentials' line tells about
        yield warning("archives", f"not asked: {type(error).__name__}", "correct AWS_PROFILE, or ~/.aws/config")
        return
    roots = [str(layout.ROOT) for layout in public.values()]
    with ThreadPoolExecutor(len(public)) as pool:
        for name, root, to_do in zip(public, roots, pool.map(_refused, clients, roots), strict=True):
            yield warning(name, f"{root}: {to_do[0]}", to_do[1]) if to_do else ok(name, f"{root} is read without credentials")


def _refused(s3: Any, root: str) -> tuple[str, str] | None:
    """What a public bucket answers, and what to do; None where it is listed."""
    try:
        s3.list_objects_v2(Bucket=root.removeprefix("s3://"), MaxKeys=1)
    except ClientError as error:  # it asks for no credentials
        return why(error, "")[0], "does something between here and AWS refuse it?"
    except BotoCoreError as error:
        return why(error, "")
    return None


def mongodb(environment: dict[str, str]) -> Finding | None:
    """Whether the MongoDB of the environment answers; None where none is named."""
    uri = environment.get(MONGO_URI)
    if not uri:
        return None
    try:
        settings = MongoSettings(uri, "seisbatch")
        place = settings.place.rpartition("/")[0]
        with connected(settings):
            return ok("MongoDB", f"{place} answers")
    except (RunError, ValueError) as error:
        return problem("MongoDB", str(error), f"correct {MONGO_URI}, or start the server")
