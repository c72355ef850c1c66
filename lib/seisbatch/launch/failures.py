"""What went wrong at AWS, in one message that says what to do.

The services' own words are quoted, cut short, except where credentials were refused: there AWS repeats parts of the request's
signature. Codes and texts are those of Amazon's references of EMR, EMR Serverless, S3 and of the errors common to all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from seisbatch.outcome import RunError

QUOTED = 300
"""Characters of AWS's own message that are repeated."""

LOG_IN = "log in again (aws sso login, or whatever gave you these credentials)"
NEW_KEYS = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN with temporary ones)"
ROLES = "make them with `aws emr create-default-roles`, or name your own in conf/emr/cluster.json (ServiceRole, JobFlowRole)"


class Unreachable(RunError):
    """AWS did not answer, or asked for patience, after all tries of the client: the same call may succeed later."""


@dataclass(frozen=True)
class _Failure:
    """What some errors mean: codes that say so by themselves, or a text within the message."""

    says: str
    codes: frozenset[str] = frozenset()
    text: str = r"(?!)"
    is_secret: bool = False
    is_passing: bool = False

    def explains(self, code: str, message: str) -> re.Match[str] | None:
        return re.search(self.text, message, re.IGNORECASE) or (re.match("", "") if code in self.codes else None)


def _codes(words: str) -> frozenset[str]:
    return frozenset(words.split())


_FAILURES = (
    _Failure(
        f"the AWS credentials have expired: {LOG_IN}",
        _codes("ExpiredToken ExpiredTokenException RequestExpired TokenRefreshRequired"),
        is_secret=True,
    ),
    _Failure(
        f"AWS does not know these credentials: {NEW_KEYS}",
        _codes(
            "UnrecognizedClientException InvalidClientTokenId InvalidAccessKeyId InvalidToken AuthFailure IncompleteSignature "
            "MissingAuthenticationToken MissingAuthenticationTokenException NotAuthorized"
        ),
        is_secret=True,
    ),
    _Failure(
        "AWS refuses the signature: the secret key is not that of the access key, or this computer's clock is wrong (date -u)",
        _codes("SignatureDoesNotMatch InvalidSignatureException RequestTimeTooSkewed"),
        is_secret=True,
    ),
    _Failure(
        "the role for it cannot be handed over: allow {action} on that role in the policy of who starts the run",
        text=r"not authorized to perform: (?P<action>iam:PassRole)|cross-account pass role",
    ),
    _Failure(
        "access denied: allow {action} in the policy of the user or role that these credentials are of",
        text=r"not authorized to perform:? (?P<action>[\w-]+:\w+)",
    ),
    _Failure(
        "access denied to {operation}: allow it in the policy of the user or role that these credentials are of, and in the "
        "bucket's where it is about one",
        _codes("AccessDenied AccessDeniedException UnauthorizedOperation AllAccessDisabled Forbidden 403"),
    ),
    _Failure(
        "AWS asked for patience (too many requests) and went on asking: try again in a minute",
        _codes("Throttling ThrottlingException ThrottledException RequestLimitExceeded TooManyRequestsException SlowDown"),
        is_passing=True,
    ),
    _Failure(
        "an error within AWS: try again in a minute",
        _codes(
            "InternalFailure InternalServerError InternalServerException InternalError ServiceUnavailable "
            "ServiceUnavailableException 500 503"
        ),
        is_passing=True,
    ),
    _Failure(
        f"a role of Amazon EMR is missing: {ROLES}",
        text=r"InstanceProfile|(service|default|job ?flow) ?role\b.* is (invalid|required)",
    ),
    _Failure(
        "there is no such cluster in this account and region: `aws emr list-clusters --active` lists those that there are; "
        "another region's is found with AWS_REGION",
        _codes("NoSuchCluster"),
        r"Cluster id '[^']*' is not valid|job flow ID does not exist|Cluster .*does not exist",
    ),
    _Failure(
        "the cluster is ending or has ended: name another, or write --on emr for one that is made for the run",
        text=r"shutting down, terminated, or finished",
    ),
    _Failure(
        "there is no such step: has it been given as the launcher told it?",
        text=r"Step id '[^']*' is not valid",
    ),
    _Failure(
        "the region does not have this release: choose one of `aws emr list-release-labels` in conf/emr, or another region",
        text=r"release label is invalid|not supported for release label|release label does not exist",
    ),
    _Failure(
        "the region does not have one of the machine types: remove it from conf/emr/cluster.json, or choose another region",
        text=r"instance type '?[\w.]+'? is not (supported|available)",
    ),
    _Failure(
        "a quota of the account is used up: ask for more under Service Quotas (EC2 vCPUs, EMR Serverless vCPUs), or lower "
        "MaximumCapacityUnits in conf/emr/cluster.json, maximumCapacity in conf/emr/application.json",
        _codes("ServiceQuotaExceededException LimitExceededException VcpuLimitExceeded MaxSpotInstanceCountExceeded"),
        r"exceed\w* .*(quota|limit)|(quota|limit) .*exceeded",
    ),
    _Failure(
        "there is no such application, or no such run of it, in this account and region: "
        "`aws emr-serverless list-applications` lists those that there are; without an id, --on emr-serverless makes one",
        text=r"(Application|JobRun|Job run) \S+ (does not exist|not found)",
    ),
    _Failure(
        "the application does not take runs now: start it (`aws emr-serverless start-application`), or name another",
        text=r"application .*(is terminated|is not (in )?started|must be in one of the following statuses)",
    ),
    _Failure(
        "the bucket does not exist: make it, or correct staging in conf/emr/launch.toml and --out",
        _codes("NoSuchBucket"),
    ),
    _Failure(
        "the bucket is in another region{region}: put staging and logs into a bucket of the cluster's region, or set the "
        "region that they are in",
        _codes("PermanentRedirect IllegalLocationConstraintException 301"),
        r"the region '[^']*' is wrong; expecting '(?P<region>[^']*)'|bucket .*(another|different|not in the same) region",
    ),
    _Failure("there is no such object", _codes("NoSuchKey 404")),
)

_NOT_ANSWERED = (
    exceptions.EndpointConnectionError,
    exceptions.ConnectTimeoutError,
    exceptions.ReadTimeoutError,
    exceptions.ConnectionClosedError,
    exceptions.HTTPClientError,
)


def told(error: ClientError | BotoCoreError, what: str) -> RunError:
    """One message for what went wrong while ``what`` was done; :class:`Unreachable` where the same may succeed later."""
    return _of_answer(error, what) if isinstance(error, ClientError) else _of_client(error, what)


@contextmanager
def telling(what: str) -> Iterator[None]:
    """Within it, errors of AWS are raised as :func:`told` has them."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise told(error, what) from None


def reason_told(reason: str) -> str:
    """Why a cluster or a run ended, in the service's words, and what to do where that is known."""
    quoted = _quoted(reason)
    failure = _found("", reason)
    return f"{failure[0]} (AWS: {quoted})" if failure else quoted


def _of_answer(error: ClientError, what: str) -> RunError:
    answer = error.response.get("Error", {})
    code, message = str(answer.get("Code", "")), str(answer.get("Message", ""))
    found = _found(code, message, error.operation_name)
    if found is None:
        return RunError(f"{what}: AWS refused {error.operation_name} ({code}: {_quoted(message)})")
    says, failure = found
    aws = code if failure.is_secret or not message else f"{code}: {_quoted(message)}"
    return (Unreachable if failure.is_passing else RunError)(f"{what}: {says} (AWS: {aws})")


def _found(code: str, message: str, operation: str = "it") -> tuple[str, _Failure] | None:
    for failure in _FAILURES:
        if match := failure.explains(code, message):
            named = {"operation": operation, "action": "iam:PassRole", "region": ""}
            named |= {name: value for name, value in match.groupdict().items() if value}
            if named["region"]:
                named["region"] = f", {named['region']}"
            return failure.says.format(**named), failure
    return None


def _of_client(error: BotoCoreError, what: str) -> RunError:
    if isinstance(error, exceptions.NoRegionError):
        return RunError(f"{what}: no region is set: set AWS_REGION, or region in conf/emr/launch.toml, such as us-west-2")
    if isinstance(error, exceptions.InvalidRegionError):
        return RunError(f"{what}: the region is none: write one such as us-west-2 (AWS_REGION, conf/emr/launch.toml)")
    if isinstance(error, exceptions.TokenRetrievalError | exceptions.SSOTokenLoadError | exceptions.UnauthorizedSSOTokenError):
        return RunError(f"{what}: the AWS credentials have expired: {LOG_IN}")
    if isinstance(
        error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError | exceptions.CredentialRetrievalError
    ):
        return RunError(f"{what}: no AWS credentials were found: {NEW_KEYS}")
    if isinstance(error, exceptions.ProfileNotFound):
        return RunError(f"{what}: {error}: `aws configure list-profiles` lists those that there are")
    if isinstance(error, exceptions.ParamValidationError):
        return RunError(f"{what}: the request is none of the service's, is a file of conf/emr wrong? {_quoted(str(error))}")
    if isinstance(error, _NOT_ANSWERED):
        where = getattr(error, "kwargs", {}).get("endpoint_url", "the service")
        return Unreachable(f"{what}: no answer from {where}: is the region right, and does the network reach it?")
    return RunError(f"{what}: {type(error).__name__}: {_quoted(str(error))}")


def _quoted(message: str) -> str:
    """The first line of a message, cut short, without the code that only AWS can decode."""
    line = " ".join(message.partition("Encoded authorization failure message")[0].split())
    return line if len(line) <= QUOTED else f"{line[:QUOTED]}..."
