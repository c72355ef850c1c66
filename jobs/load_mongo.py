"""Tables into MongoDB: segments, events, stations, correlations and what became of every unit, as MsPASS's documents.

Workers read the tables' files and make the documents, Spark's connector writes them, each under an id that follows from what
it is of: loading again brings up to date, and what others keep in the collections stays. Samples stay where they are, named
by the documents, or go to GridFS. In the end every row is accounted for by what the server has.

  ./submit.sh load_mongo --tables out/cut_windows --mongo-uri mongodb://localhost:27017 --mongo-database tohoku
  ./submit.sh load_mongo --tables out/load_stations,out/load_catalog,out/cut_windows --samples gridfs
  ./submit.sh load_mongo --tables s3://bucket/run1 --only ccf,outcomes --connections 8 --out OUT
"""

import sys
from typing import TYPE_CHECKING

from seisbatch.config import parse_or_exit
from seisbatch.options import LoadMongo

if TYPE_CHECKING:
    from seisbatch.app import App


def flow(app: "App", options: LoadMongo) -> None:
    from seisbatch.plan.mongo_load import load, load_plan, load_run, require_server

    run = load_run(options)  # options resolved: which tables of which outputs
    if not options.plan:
        require_server(run.mongo)
        app.begin(run, grows=True)
    plan = load_plan(app.spark, run)  # commit units: files of tables
    if app.announce(plan, only=options.plan):
        load(app, run, plan)  # documents, table by table; what the server has of them; report, exit code


def main() -> int:
    options = parse_or_exit("load_mongo", sys.argv[1:], __doc__)
    from seisbatch.app import run_job

    return run_job("load_mongo", options, flow)


if __name__ == "__main__":
    sys.exit(main())
