"""Ground motion: channel-days of counts to displacement, velocity or acceleration.

The index names the channel-days; each is fetched and decoded, cut where an epoch of its StationXML ends, and each piece loses
the response of its epoch; then it may be filtered, decimated and cut to a time window. Rows with their units, or objects of
miniSEED or SAC under the archive's own keys. A response that cannot be used is an outcome that names its stage.

  ./submit.sh remove_response
  ./submit.sh remove_response --archive scedc --start 2022-01-02 --channels 'CI.CCA..BH?' --pre-filt 0.005,0.01,15,18 --out OUT
  ./submit.sh remove_response --waveforms out/cut_windows --units disp --bandpass 0.02,1 --out OUT
  ./submit.sh remove_response --request requests.json --format mseed --out s3://bucket/motion
"""

import sys
from typing import TYPE_CHECKING

from seisbatch.config import parse_or_exit
from seisbatch.options import RemoveResponse

if TYPE_CHECKING:
    from seisbatch.app import App


def flow(app: "App", options: RemoveResponse) -> None:
    from seisbatch.plan.motion import motion_plan, motion_run

    run = motion_run(options)  # options resolved: which samples, what becomes of them
    if not options.plan and not app.begin(run):  # complete already
        return
    plan = motion_plan(app, run)  # commit units: batches of channel-days, of rows or of requests
    if app.announce(plan, only=options.plan):
        app.run(run.step, run.motion, plan.batches)  # decode, remove, filter, decimate; a file of segments a batch
        app.finish(run, plan, plot=options.plot)  # reconcile, report, exit code


def main() -> int:
    options = parse_or_exit("remove_response", sys.argv[1:], __doc__)
    from seisbatch.app import run_job

    return run_job("remove_response", options, flow)


if __name__ == "__main__":
    sys.exit(main())
