"""Catalogues of events to a table: an archive's own, QuakeML, csv or Parquet, of which a selection.

Every spelling of the columns that SCEDC's catalogues had over the years is known; what they leave out of an event's file
name follows from its id and day.

  ./submit.sh load_catalog
  ./submit.sh load_catalog --archive scedc --start 2023-01-01 --end 2024-01-01 --min-magnitude 4.5 --out OUT
"""

import sys
from typing import TYPE_CHECKING

from seisbatch.config import parse_or_exit
from seisbatch.options import LoadCatalog

if TYPE_CHECKING:
    from seisbatch.app import App


def flow(app: "App", options: LoadCatalog) -> None:
    from seisbatch.plan.sources import catalogue_plan, catalogue_run
    from seisbatch.steps.sources import write_sources

    run = catalogue_run(options)  # options resolved: which catalogues, which events
    if not options.plan and not app.begin(run):  # complete already
        return
    app.prepare(is_sample=run.is_sample, stores=[run.catalogue])
    plan = catalogue_plan(app.spark, run)  # commit units: catalogue files
    if app.announce(plan, only=options.plan):
        app.run(write_sources, run.files, plan.batches)  # read, select; a file of events a catalogue
        app.finish(run, plan)  # reconcile, report, exit code


def main() -> int:
    options = parse_or_exit("load_catalog", sys.argv[1:], __doc__)
    from seisbatch.app import run_job

    return run_job("load_catalog", options, flow)


if __name__ == "__main__":
    sys.exit(main())
