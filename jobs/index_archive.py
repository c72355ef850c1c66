"""The index of an archive as a table: read from the archive's own where it has one, else listed.

A later run of the same command reads or lists just the days that may have changed since, and adds those that are new. With
--segments the headers of every object are read too: one row a contiguous piece, with its place in the object. With
--mongo-uri a MongoDB gets a document for every index file of the archive's own, found by year, day and format.

  ./submit.sh index_archive
  ./submit.sh index_archive --archive scedc --start 2022-01-01 --end 2023-01-01 --out s3://my-bucket/index
  ./submit.sh index_archive --archive scedc --start 2011-01-01 --mongo-uri mongodb://localhost:27017
"""

import sys
from typing import TYPE_CHECKING

from seisbatch.config import parse_or_exit
from seisbatch.options import IndexArchive

if TYPE_CHECKING:
    from seisbatch.app import App


def flow(app: "App", options: IndexArchive) -> None:
    from seisbatch.plan.archive_index import index_plan, index_run, segments_plan
    from seisbatch.plan.index_files import write_index_documents
    from seisbatch.steps.archive_index import write_index
    from seisbatch.steps.object_segments import write_segments

    run = index_run(options)  # options resolved: which days of which archive
    if not options.plan:
        app.begin(run, grows=True)
    app.prepare(is_sample=run.is_sample, stores=[run.archive])
    documents = {} if options.plan else write_index_documents(run)  # in MongoDB, where that is asked for
    plan = index_plan(app.spark, run)  # commit units: months
    if not app.announce(plan, only=options.plan):
        return
    app.run(write_index, run.index, plan.batches)  # a file of objects a month
    if options.segments:
        plan = segments_plan(plan, run)  # commit units: batches of objects
        app.announce(plan, only=False)
        app.run(write_segments, run.segments, plan.batches)  # read headers; a file of pieces a batch
    app.finish(run, plan, documents=documents)  # reconcile, report, exit code


def main() -> int:
    options = parse_or_exit("index_archive", sys.argv[1:], __doc__)
    from seisbatch.app import run_job

    return run_job("index_archive", options, flow)


if __name__ == "__main__":
    sys.exit(main())
