"""Windows out of day files: what every channel recorded about a time, about events, or about arrivals.

The index names the channel-days that a window touches; of each only the bytes that hold the window are fetched. Windows
are relative to one time, to origin times, to arrivals that are predicted for every channel, or to a table of arrivals.
Pieces of a window that crosses midnight or lies about a gap are joined where nothing is between them. A channel without a
sample in the window is a row of the cemetery, with its reason.

  ./submit.sh cut_windows
  ./submit.sh cut_windows --archive scedc --time 2011-03-11T05:46:23.2 --from 100 --to 3700 --channels 'CI.*.*.*' --out OUT
  ./submit.sh cut_windows --archive scedc --events events.xml --phases P,Pdiff --from -60 --to 300 --out OUT
"""

import sys
from typing import TYPE_CHECKING

from seisbatch.config import parse_or_exit
from seisbatch.options import CutWindows

if TYPE_CHECKING:
    from seisbatch.app import App


def flow(app: "App", options: CutWindows) -> None:
    from seisbatch.plan.windows import window_anchors, window_plan, window_run
    from seisbatch.steps.windows import write_windows

    run = window_run(options)  # options resolved: which windows of which archive
    if not options.plan and not app.begin(run):  # complete already
        return
    app.prepare(is_sample=run.is_sample, stores=[run.archive], stations=run.stations)
    anchors = window_anchors(run)  # a time, events or arrivals
    index = app.index(run, anchors.days)
    plan = window_plan(app.spark, index, anchors, run)  # commit units: batches of windows
    if app.announce(plan, only=options.plan):
        app.run(write_windows, run.windows, plan.batches)  # fetch by range, cut; a file of segments a batch
        app.finish(run, plan, plot=options.plot)  # reconcile, report, exit code


def main() -> int:
    options = parse_or_exit("cut_windows", sys.argv[1:], __doc__)
    from seisbatch.app import run_job

    return run_job("cut_windows", options, flow)


if __name__ == "__main__":
    sys.exit(main())
