"""Events out of an archive that keeps an object an event: every trace becomes rows that know event, site and channel.

The events are those of the archive's own catalogue, of a run of load_catalog, or of a QuakeML, csv or Parquet file. An
event whose object is missing or damaged is an outcome, and a row of the cemetery.

  ./submit.sh extract_events
  ./submit.sh extract_events --archive scedc --start 2023-01-01 --end 2024-01-01 --min-magnitude 4.5 --out OUT
"""

import sys
from typing import TYPE_CHECKING

from seisbatch.config import parse_or_exit
from seisbatch.options import ExtractEvents

if TYPE_CHECKING:
    from seisbatch.app import App


def flow(app: "App", options: ExtractEvents) -> None:
    from seisbatch.plan.events import events_plan, events_run
    from seisbatch.steps.events import write_events

    run = events_run(options)  # options resolved: which events of which archive
    if not options.plan and not app.begin(run):  # complete already
        return
    app.prepare(is_sample=run.is_sample, stores=[run.archive], stations=run.stations)
    plan = events_plan(app.spark, run)  # commit units: batches of events
    if app.announce(plan, only=options.plan):
        app.run(write_events, run.events, plan.batches)  # fetch, decode, join; a file of segments a batch
        app.finish(run, plan, plot=options.plot)  # reconcile, report, exit code


def main() -> int:
    options = parse_or_exit("extract_events", sys.argv[1:], __doc__)
    from seisbatch.app import run_job

    return run_job("extract_events", options, flow)


if __name__ == "__main__":
    sys.exit(main())
