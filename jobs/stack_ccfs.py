"""Stacks: the CCFs of cross_correlate averaged over days, weeks, months, or all of them.

Keys of the CCF files are planned with; each worker reads what its sources need and writes the stacks of all their pairs.
A stack is the mean over all windows: each CCF weighs as many windows as it averages.

  ./submit.sh stack_ccfs
  ./submit.sh stack_ccfs --ccfs s3://bucket/run1 --stack-over month --out s3://bucket/run1-months
"""

import sys
from typing import TYPE_CHECKING

from seisbatch.config import parse_or_exit
from seisbatch.options import StackCcfs

if TYPE_CHECKING:
    from seisbatch.app import App


def flow(app: "App", options: StackCcfs) -> None:
    from seisbatch.plan.stacks import stack_plan, stack_run
    from seisbatch.steps.stack import write_stacks

    run = stack_run(options)  # options resolved: which CCFs, which periods
    if not options.plan and not app.begin(run):  # complete already
        return
    plan = stack_plan(app.spark, run)  # commit units: a period's batches of sources
    if app.announce(plan, only=options.plan):
        app.run(write_stacks, run.stack, plan.batches)  # one file of stacks a unit; what is there is left
        app.finish(run, plan)  # reconcile, report, exit code


def main() -> int:
    options = parse_or_exit("stack_ccfs", sys.argv[1:], __doc__)
    from seisbatch.app import run_job

    return run_job("stack_ccfs", options, flow)


if __name__ == "__main__":
    sys.exit(main())
