"""Hydrophones: clips with sound and spectrogram picture, spectral levels of minutes and days.

Recordings (miniSEED, wav, flac) are taken span by span of the UTC clock: each is fetched and decoded once, cut into clips and
minutes across the files' boundaries. A clip becomes a sound file, a picture and a row; minutes and days get levels in bands.
Packed into tables or tar shards, or a file each. Running again adds the days, and the missing files, that have come since.

  ./submit.sh make_spectrograms
  ./submit.sh make_spectrograms --recordings https://host/files/HYDBBA106/2017/10/09/ --preset whaledr --write objects --out s3://bucket/whales
  ./submit.sh make_spectrograms --recordings s3://bucket/wavs --channel XX.MARS..BDH --sensitivity -65.3 --sound none --plan
  ./submit.sh make_spectrograms --archive ncedc --channels 'BK.*.*.?DH' --start 2022-01-02 --days 365 --clip-s 60 --step-s 60
"""

import sys
from typing import TYPE_CHECKING

from seisbatch.config import parse_or_exit
from seisbatch.options import MakeSpectrograms

if TYPE_CHECKING:
    from seisbatch.app import App


def flow(app: "App", options: MakeSpectrograms) -> None:
    from seisbatch.plan.sound_run import sound_run
    from seisbatch.plan.spectrograms import recordings_of, sound_plan, sync
    from seisbatch.steps.sound import write_sound
    from seisbatch.steps.sound_days import write_sound_days

    run = sound_run(options)  # options resolved: which recordings, what becomes of them
    run, plan = sound_plan(recordings_of(app, run), run)  # commit units: spans of the clock, and days
    if not app.announce(plan, only=options.plan):
        return
    app.begin(run, grows=True)
    app.run(write_sound, run.sound, plan.units)  # decode, cut, draw, measure; files of clips and minutes a span
    app.run(write_sound_days, run.sound, plan.days)  # levels, netCDF and long-term average a day
    app.finish(run, plan)  # reconcile, report, exit code
    sync(app, run)  # what is new, to where it is asked for


def main() -> int:
    options = parse_or_exit("make_spectrograms", sys.argv[1:], __doc__)
    from seisbatch.app import run_job

    return run_job("make_spectrograms", options, flow)


if __name__ == "__main__":
    sys.exit(main())
