"""Following runs that moto keeps: states change, and logs appear, while the follower believes that it sleeps."""

import datetime as dt
import functools
import gzip
import io
import re

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto.s3.models import s3_backends
from seisbatch.launch.emr import Emr
from seisbatch.launch.failures import told
from seisbatch.launch.follow import Follower, Screen
from seisbatch.launch.logs import lines_of, manifest_exit_code
from seisbatch.launch.runs import Record
from seisbatch.launch.serverless import Serverless
from seisbatch.outcome import RunError

from tests.launch.conftest import ACCOUNT, ARGUMENTS, PLACES, application, cluster_of, job_run_of, put_log, step_of, template

NAME, START = PLACES["name"], 1_767_268_800.0  # 2026-01-01T12:00:00Z


LINK = "https://p-1.emrappui.example/shs?token=canary"
STARTED = "26/01/01 12:00:09 INFO Client: Submitted application application_1767268800000_0001\n"
"""What spark-submit says of a driver within the cluster."""
HISTORY_SERVER = {
    "CreatePersistentAppUI": {"PersistentAppUIId": "p-1"},
    "GetPersistentAppUIPresignedURL": {"PresignedURLReady": True, "PresignedURL": LINK},
}


class Answered:
    status_code = 200


class Time:
    """A clock that only sleeping moves; what happens meanwhile happens at its time, in seconds since the start."""

    def __init__(self):
        self.now, self.slept, self.events = START, [], []

    def at(self, seconds, event):
        self.events.append((START + seconds, event))
        return self

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        due = [event for when, event in self.events if when <= self.now]
        self.events = [(when, event) for when, event in self.events if when > self.now]
        for event in due:
            event()


def interrupt():
    raise KeyboardInterrupt


class Following:
    """A run, its service, and what a user sees of it."""

    def __init__(self, service, run, is_terminal=False, answers="", out=None, streams=False):
        self.service, self.run, self.time = service, run, Time()
        self.record = Record(NAME, "emr", "emr", "us-west-2", "cross_correlate", (), "2026-01-01T12:00:00+00:00", run, out=out)
        self.screen = Screen(io.StringIO(), io.StringIO(), is_terminal, io.StringIO(answers))
        s3 = boto3.client("s3")
        self.follower = Follower(
            service, self.record, s3, self.screen, lambda: manifest_exit_code(s3, out, self.record.started_at) if out else None,
            self.time.sleep, lambda: self.time.now, streams=streams,
        )  # fmt: skip

    def follow(self):
        return self.follower.follow()

    @property
    def told(self):
        return self.screen.err.getvalue()

    @property
    def shown(self):
        return self.screen.out.getvalue()

    def uri(self, name):
        return {log.name: log.uri for log in self.service.logs(self.run)}[name]

    def log(self, name, text):
        """A log that is written when this is called: of the driver (stdout, stderr) or, by its whole name, of another."""
        return lambda: put_log(self.uri(name if " " in name or name == "controller" else f"driver {name}"), text)

    def becomes(self, state):
        return lambda: setattr(step_of(self.run), "state", state)


@pytest.fixture
def on_cluster(aws):
    """A run that Amazon EMR has taken, on a cluster that was made for it."""

    def following(**how):
        client = boto3.client("emr")
        for operation, answer in HISTORY_SERVER.items():  # which moto does not have
            client.meta.events.register(f"before-call.emr.{operation}", lambda answer=answer, **_: (Answered, answer))
        service = Emr(client, None, template("cluster.json"), functools.partial(lines_of, boto3.client("s3")))
        one = Following(service, service.submit(NAME, ARGUMENTS), **how)
        one.log("step stderr", STARTED)()
        return one

    return following


@pytest.fixture
def on_serverless(aws):
    def following(**how):
        service = Serverless(boto3.client("emr-serverless"), None, application(), template("job-run.json"))
        return Following(service, service.submit(NAME, ARGUMENTS), **how)

    return following


def test_a_run_that_ends_well(on_cluster):
    one = on_cluster()
    step_of(one.run).state, cluster_of(one.run).state = "PENDING", "STARTING"
    one.time.at(300, one.becomes("RUNNING")).at(900, one.becomes("COMPLETED"))
    one.time.at(1000, one.log("stdout", "\n".join(f"line {number}" for number in range(100)) + "\n"))
    assert one.follow() == 0
    assert one.shown.splitlines() == [f"line {number}" for number in range(60, 100)]
    states = re.findall(rf"{one.run.id}: (.+) after", one.told)
    assert states == [
        "PENDING, cluster STARTING",
        "RUNNING",
        "COMPLETED",
        "COMPLETED",
    ]  # a line when something changes, and at the end
    assert "waiting for the driver's log" in one.told
    assert "https://us-west-2.console.aws.amazon.com" in one.told
    assert "canary" not in one.told  # a link that lets in whoever reads it is no matter for a log


def test_looks_grow_rarer_and_are_frequent_again_after_a_change(on_cluster):
    one = on_cluster()
    one.time.at(600, one.becomes("CANCEL_PENDING")).at(650, one.becomes("COMPLETED")).at(650, one.log("stdout", "x\n"))
    one.follow()
    assert one.time.slept[:3] == [2.0, 3.0, 4.5]
    assert max(one.time.slept) == 30.0
    changed = one.time.slept.index(30.0)
    assert 2.0 in one.time.slept[changed:]


def test_a_job_s_own_exit_code_is_in_the_step_s_log(on_cluster):
    """As YARN tells spark-submit, which itself ends with 1."""
    one = on_cluster()
    one.becomes("FAILED")()
    one.log("stderr", "cross_correlate: 12 of 40 units are bad\n")()
    diagnostics = "ERROR Client: Application diagnostics message: User application exited with status 3\n"
    one.log("step stderr", STARTED + diagnostics)()
    one.log(
        "controller", "INFO waitProcessCompletion ended with exit code 1\nWARN Step failed with exitCode 1 and took 26 s\n"
    )()
    assert one.follow() == 3
    assert one.shown == "cross_correlate: 12 of 40 units are bad\n"


def test_a_job_s_own_exit_code_is_in_the_controller_s_log(on_cluster):
    """Where the driver is the step itself, and its log the step's."""
    one = on_cluster()
    one.becomes("FAILED")()
    one.log("step stderr", "cross_correlate: 12 of 40 units are bad\n")()
    one.log(
        "controller", "INFO waitProcessCompletion ended with exit code 3\nWARN Step failed with exitCode 3 and took 26 s\n"
    )()
    assert one.follow() == 3
    assert one.shown.startswith("cross_correlate: 12 of 40 units are bad\n")


@pytest.mark.parametrize(("written", "code"), [(True, 3), (False, 1)])
def test_the_manifest_knows_better_than_spark_submit_s_1(on_cluster, written, code):
    """spark-submit ends with 1, whatever a driver elsewhere ended with; a manifest from before the run is not asked."""
    one = on_cluster(out="s3://staging/out")
    one.becomes("FAILED")()
    one.log("controller", "WARN Step failed with exitCode 1 and took 26 s\n")()
    one.log("stderr", "x\n")()
    boto3.client("s3").put_object(Bucket="staging", Key="out/manifest.json", Body=b'{"exit_code": 3}')
    if not written:
        object.__setattr__(one.record, "started", "2126-01-01T12:00:00+00:00")
    assert one.follow() == code


def test_a_job_s_own_exit_code_on_serverless(on_serverless):
    one = on_serverless()
    job_run_of(one.run).state, job_run_of(one.run).state_details = "FAILED", "Job execution failed. ExitCode: 3. Last few: ..."
    one.log("stderr", "x\n")()
    assert one.follow() == 3
    assert "Job execution failed." in one.told
    job_run_of(one.run).state_details = "no capacity"
    assert one.follow() == 1


def test_logs_that_do_not_come_are_waited_for_so_long_and_no_longer(on_cluster):
    one = on_cluster()
    one.becomes("COMPLETED")()
    assert one.follow() == 0
    assert one.time.now - START == pytest.approx(420, abs=15)
    assert f"./submit.sh logs {NAME} looks again" in one.told


def test_no_log_is_waited_for_where_nothing_ran(on_cluster):
    one = on_cluster()
    step_of(one.run).state, cluster_of(one.run).state = "PENDING", "TERMINATED_WITH_ERRORS"
    assert one.follow() == 1
    assert one.time.slept == []


@pytest.mark.parametrize("streams", [False, True])
def test_a_log_from_before_the_end_is_not_the_last_one(on_cluster, streams):
    """Amazon writes logs anew every few minutes: as a run ends, the one that is there lacks its last words."""
    one = on_cluster(streams=streams)
    one.log("stderr", "unit 1 of 2\n")()
    bucket = s3_backends[ACCOUNT]["aws"].buckets["staging"]
    key = bucket.keys[one.uri("driver stderr").removeprefix("s3://staging/")]
    key.last_modified = dt.datetime(2026, 1, 1, 12, 5)  # UTC
    one.time.at(600, one.becomes("COMPLETED")).at(800, one.log("stderr", "unit 1 of 2\nall is done\n"))
    assert one.follow() == 0
    assert one.shown == "unit 1 of 2\nall is done\n"
    assert one.time.now - START < 850


def test_logs_of_a_run_that_ended_long_ago_are_not_waited_for(on_serverless):
    one = on_serverless(streams=True)
    job_run_of(one.run).state, job_run_of(one.run).updated_at = "SUCCESS", dt.datetime(2025, 12, 31, tzinfo=dt.UTC).timestamp()
    assert one.follow() == 0
    assert one.time.slept == []


def test_waiting_for_logs_can_be_cut_short(on_cluster):
    one = on_cluster()
    one.becomes("COMPLETED")()
    one.time.at(10, interrupt)
    assert one.follow() == 0
    assert "is not there yet" in one.told


def test_logs_that_may_not_be_read_do_not_change_how_it_ended(on_cluster):
    one = on_cluster()
    one.becomes("COMPLETED")()
    bucket = boto3.resource("s3").Bucket("staging")
    bucket.objects.delete()
    bucket.delete()
    assert one.follow() == 0
    assert "the bucket does not exist" in one.told


def test_a_terminal_has_one_line_that_renews_itself(on_cluster):
    one = on_cluster(is_terminal=True)
    one.time.at(20, one.becomes("COMPLETED")).at(20, one.log("stdout", "done\n"))
    one.follow()
    assert LINK in one.told
    before = one.told.partition("COMPLETED")[0]
    assert before.count("\r\x1b[K") > 3
    assert "\n" not in before


# --- Ctrl-C


def test_ctrl_c_asks_and_y_cancels(on_cluster):
    one = on_cluster(is_terminal=True, answers="y\n")
    one.time.at(10, interrupt)
    assert one.follow() == 130
    assert "Cancel the run and its cluster?" in one.told
    assert cluster_of(one.run).state == "TERMINATED"


def test_ctrl_c_and_n_goes_on(on_cluster):
    one = on_cluster(is_terminal=True, answers="n\n")
    one.time.at(10, interrupt).at(100, one.becomes("COMPLETED")).at(100, one.log("stdout", "done\n"))
    assert one.follow() == 0
    assert one.shown == "done\n"


class Interrupted(io.StringIO):
    """A terminal at which Ctrl-C is pressed instead of an answer."""

    def readline(self, *_):
        raise KeyboardInterrupt


@pytest.mark.parametrize("answers", [Interrupted(), io.StringIO("")])
def test_a_second_ctrl_c_leaves_it_running(on_cluster, answers):
    one = on_cluster(is_terminal=True)
    one.screen.answers = answers
    one.time.at(10, interrupt)
    assert one.follow() == 130
    assert cluster_of(one.run).state != "TERMINATED"
    assert step_of(one.run).state == "RUNNING"
    assert f"./submit.sh status {NAME}" in one.told


def test_without_a_terminal_ctrl_c_leaves_it_running(on_serverless):
    one = on_serverless()
    job_run_of(one.run).state = "RUNNING"
    one.time.at(10, interrupt)
    assert one.follow() == 130
    assert job_run_of(one.run).state == "RUNNING"
    assert "Cancel" not in one.told
    assert f"./submit.sh status {NAME}" in one.told


# --- a service that does not answer


def test_a_network_that_is_away_for_a_while_is_waited_for(on_cluster):
    one = on_cluster()
    asked, real = [], one.service.state

    def state(run):
        asked.append(run)
        if len(asked) in (2, 3, 4):
            raise told(EndpointConnectionError(endpoint_url="https://elasticmapreduce"), "the state")
        return real(run)

    one.service.state = state
    one.time.at(60, one.becomes("COMPLETED")).at(60, one.log("stdout", "done\n"))
    assert one.follow() == 0
    assert one.told.count("trying again, the run goes on") == 3


def test_what_cannot_be_followed_any_more_is_told_with_how_to_find_it(on_cluster):
    one = on_cluster()
    one.time.at(10, lambda: cluster_of(one.run).steps.clear())
    with pytest.raises(RunError, match=rf"there is no such step\n{NAME} has been left as it is: ./submit.sh status {NAME}"):
        one.follow()


# --- logs


def test_lines_are_shown_as_they_come(on_cluster):
    one = on_cluster(streams=True)
    one.time.at(10, one.log("stderr", "one\ntwo\n")).at(60, one.log("stderr", "one\ntwo\nthree\n"))
    one.time.at(120, one.log("stderr", "one\ntwo\nthree\nfour\n")).at(120, one.becomes("COMPLETED"))
    assert one.follow() == 0
    assert one.shown.split() == ["one", "two", "three", "four"]


def test_no_secret_and_nothing_that_a_terminal_obeys_is_shown(on_cluster):
    one = on_cluster()
    one.becomes("FAILED")()
    one.log("stderr", "cannot reach mongodb://me:canary@host/db\n\x1b]0;title\x07\x1b[2Jcleared\n")()
    one.follow()
    assert "canary" not in one.shown
    assert "\x1b" not in one.shown
    assert "mongodb://..." in one.shown


def test_a_log_that_is_cut_off_is_shown_as_far_as_it_goes(on_cluster):
    one = on_cluster()
    one.becomes("COMPLETED")()
    uri = one.uri("driver stdout")
    whole = gzip.compress(b"".join(b"line %d\n" % number for number in range(50_000)))
    key = uri.removeprefix("s3://staging/")
    boto3.client("s3").put_object(Bucket="staging", Key=key, Body=whole[: len(whole) // 2])
    assert one.follow() == 0
    assert one.shown.startswith("line ")
