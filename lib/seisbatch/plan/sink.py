"""Where the tables of a job go besides: to MongoDB, by a load that follows the job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seisbatch.config import OptionError, options_of
from seisbatch.mongo.load_documents import JOB
from seisbatch.options import LoadMongo, SinkOptions
from seisbatch.plan.mongo import mongo_settings
from seisbatch.plan.mongo_load import load, load_plan, load_run, require_server
from seisbatch.plan.stores import out_store

if TYPE_CHECKING:
    from seisbatch.app import App


def load_options(options: SinkOptions) -> LoadMongo:
    """The options of the load that follows a job: the job's own, else the defaults of load_mongo.

    Raises OptionError where no MongoDB is named, RunError where it does not answer: before the job does anything.
    """
    mongo = mongo_settings(options)
    if mongo is None:
        raise OptionError("--sink mongo needs --mongo-uri: mongodb://host:27017, or env for that of the environment")
    if not options.plan:
        require_server(mongo)
    defaults = {option.key: option.default for option in options_of(JOB)}
    return LoadMongo.model_validate(
        defaults | {"tables": options.out, "mongo_uri": options.mongo_uri, "mongo_database": options.mongo_database}
    )


def load_tables(app: App, options: SinkOptions, of_load: LoadMongo) -> None:
    """Load what a job wrote, be it now or before; RunError where that is not whole."""
    run = load_run(of_load, [out_store(options)])
    app.begin(run, grows=True)
    load(app, run, load_plan(app.spark, run))
