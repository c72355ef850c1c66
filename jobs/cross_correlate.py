"""Noise correlations: the channel-days of an archive to the CCFs of all their pairs.

The index names the channel-days; each is fetched, decoded and preprocessed once, its band spectra kept as scratch; tiles
of pairs read them and write CCFs as Parquet. Every channel-day ends with an outcome, a report page shows the whole, and
the same command resumes a run that was stopped.

  ./submit.sh cross_correlate
  ./submit.sh cross_correlate --archive scedc --start 2022-01-02 --days 7 --channels 'CI.*..BHZ' --out s3://bucket/run1
"""

import sys
from typing import TYPE_CHECKING

from seisbatch.config import parse_or_exit
from seisbatch.options import CrossCorrelate

if TYPE_CHECKING:
    from seisbatch.app import App


def flow(app: "App", options: CrossCorrelate) -> None:
    from seisbatch.plan.correlation import correlation_plan
    from seisbatch.plan.run import correlation_run
    from seisbatch.steps.correlate import write_tiles
    from seisbatch.steps.spectra import write_spectra

    run = correlation_run(options)  # options resolved: where, what, how
    if not options.plan and not app.begin(run):  # complete already
        return
    plan = correlation_plan(app.index(run, run.days, by_channel=True), run)  # commit units of the whole run: blocks, tiles
    if app.announce(plan, only=options.plan):
        app.run(write_spectra, run.spectra, plan.blocks)  # fetch, decode, preprocess: scratch spectra
        app.run(write_tiles, run.correlate, plan.tiles)  # one file of CCFs a tile; what is there is left
        app.finish(run, plan)  # reconcile, report, exit code


def main() -> int:
    options = parse_or_exit("cross_correlate", sys.argv[1:], __doc__)
    from seisbatch.app import run_job

    return run_job("cross_correlate", options, flow)


if __name__ == "__main__":
    sys.exit(main())
