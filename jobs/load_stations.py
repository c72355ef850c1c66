"""StationXML to tables: every station epoch, channel epoch and response, with what holds when.

Reads one file, a folder or a bucket prefix. A file that cannot be read, or of which a part cannot, is an outcome with its
reason; the rest is loaded.

  ./submit.sh load_stations
  ./submit.sh load_stations --archive scedc --channels 'CI.*.*.BH?' --out OUT
"""

import sys
from typing import TYPE_CHECKING

from seisbatch.config import parse_or_exit
from seisbatch.options import LoadStations

if TYPE_CHECKING:
    from seisbatch.app import App


def flow(app: "App", options: LoadStations) -> None:
    from seisbatch.plan.stations import stations_plan, stations_run
    from seisbatch.steps.station_files import write_stations

    run = stations_run(options)  # options resolved: which files
    if not options.plan and not app.begin(run):  # complete already
        return
    app.prepare(is_sample=run.is_sample, stores=[run.stations])
    plan = stations_plan(app.spark, run)  # commit units: batches of files
    if app.announce(plan, only=options.plan):
        app.run(write_stations, run.files, plan.batches)  # read, and write three tables' files a batch
        app.finish(run, plan)  # reconcile, report, exit code


def main() -> int:
    options = parse_or_exit("load_stations", sys.argv[1:], __doc__)
    from seisbatch.app import run_job

    return run_job("load_stations", options, flow)


if __name__ == "__main__":
    sys.exit(main())
