"""Data that tests of MongoDB save and read."""

from __future__ import annotations

import numpy as np
from seisbatch.mongo.data import Seismogram, TimeSeries

START = 1251073203.0
SAMPLES = np.random.default_rng(3).normal(size=3000)


def series(**more):
    codes = {"net": "BW", "sta": "RJOB", "loc": "", "chan": "EHZ", "calib": 1.0}
    return TimeSeries(SAMPLES, codes | more, starttime=START, delta=0.01)


def seismogram(**more):
    samples = np.arange(30.0).reshape(3, 10)
    return Seismogram(
        samples, {"net": "BW", "sta": "RJOB", "chan": "EHZ"} | more, starttime=START, delta=0.01, tmatrix=np.eye(3)
    )


def in_database(database, datum, collection="wf_TimeSeries"):
    """The datum as a processing step finds it: saved before, with what it was saved as."""
    database.save_data(datum, collection=collection)
    return datum
