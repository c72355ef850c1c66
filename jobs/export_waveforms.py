"""Waveforms as files for other tools: the segments of cut_windows or extract_events as miniSEED, SAC or ASDF.

miniSEED has the records as they are stored, a file for each window or event, channel and month, or file of the table. SAC has
a file for each segment, its headers filled with station, event and arrival. ASDF has files with events and StationXML inside.
A segment that cannot be read is an outcome of its window, and a row of the cemetery; the others are exported.

  ./submit.sh export_waveforms --waveforms out/extract_events
  ./submit.sh export_waveforms --waveforms out/cut_windows --format sac --channels 'CI.*.*.BH?' --out OUT
  ./submit.sh export_waveforms --waveforms s3://bucket/events --stations-table s3://bucket/stations --format asdf --out OUT
"""

import sys
from typing import TYPE_CHECKING

from seisbatch.config import parse_or_exit
from seisbatch.options import ExportWaveforms

if TYPE_CHECKING:
    from seisbatch.app import App


def flow(app: "App", options: ExportWaveforms) -> None:
    from seisbatch.plan.exports import exports_plan, exports_run
    from seisbatch.steps.exports import write_exports

    run = exports_run(options)  # options resolved: which segments, which format
    if not options.plan and not app.begin(run):  # complete already
        return
    plan = exports_plan(app.spark, run)  # commit units: batches of windows, channels or files
    if app.announce(plan, only=options.plan):
        app.run(write_exports, run.exports, plan.batches)  # row group by row group; the files, then a table of them
        app.finish(run, plan)  # reconcile, report, exit code


def main() -> int:
    options = parse_or_exit("export_waveforms", sys.argv[1:], __doc__)
    from seisbatch.app import run_job

    return run_job("export_waveforms", options, flow)


if __name__ == "__main__":
    sys.exit(main())
