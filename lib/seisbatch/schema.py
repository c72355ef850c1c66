"""Every table, once: its fields, each with type, unit and meaning. Arrow and Spark types derive from the one list.

Times are UTC timestamps of microseconds; distances km; angles degrees; rates Hz; durations and lags seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

STRING = pa.string()
INT = pa.int32()
LONG = pa.int64()
FLOAT = pa.float32()
DOUBLE = pa.float64()
DATE = pa.date32()
TIME = pa.timestamp("us", tz="UTC")
BINARY = pa.binary()
SAMPLES = pa.list_(pa.float32())
PIECES = pa.list_(pa.struct([("start_ns", LONG), ("last_ns", LONG), ("foff", LONG), ("nbytes", LONG), ("reclen", INT)]))
EXACT_SAMPLES = pa.list_(pa.field("element", DOUBLE, nullable=False))
"""Samples of any recording without loss: int32 does not fit into float32."""


@dataclass(frozen=True)
class Field:
    """A column: its name, Arrow type, unit (empty where there is none), meaning, and whether it may be null."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """A table: its name, what one row is, and its fields."""

    name: str
    row: str
    fields: tuple[Field, ...]

    @property
    def names(self) -> list[str]:
        return [field.name for field in self.fields]

    def arrow(self, metadata: Mapping[str, str] | None = None) -> pa.Schema:
        """The Arrow schema; units and meanings stand in the fields' metadata."""
        fields = [pa.field(f.name, f.type, f.nullable, metadata={"unit": f.unit, "meaning": f.meaning}) for f in self.fields]
        return pa.schema(fields, metadata=dict(metadata or {}))

    def spark(self) -> StructType:
        """The Spark schema."""
        from pyspark.sql.pandas.types import from_arrow_schema

        return from_arrow_schema(self.arrow())

    def batch(self, rows: Iterable[Mapping[str, Any]]) -> pa.RecordBatch:
        """A record batch of rows; a missing key is a null."""
        return pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=self.arrow())


def _channel_fields(role: str = "", meaning: str = "") -> tuple[Field, ...]:
    return (
        Field(f"{role}net", STRING, "", f"network code{meaning}", nullable=False),
        Field(f"{role}sta", STRING, "", f"station code{meaning}", nullable=False),
        Field(f"{role}loc", STRING, "", f"location code{meaning}, empty string where there is none", nullable=False),
        Field(f"{role}chan", STRING, "", f"channel code{meaning}", nullable=False),
    )


INDEX = Table(
    "index",
    "an object of an archive",
    (
        Field("archive", STRING, "", "the archive's layout", nullable=False),
        Field("s3key", STRING, "", "the object's key under the archive's root", nullable=False),
        Field("net", STRING, "", "network code"),
        Field("sta", STRING, "", "station code"),
        Field("loc", STRING, "", "location code, empty string where there is none"),
        Field("chan", STRING, "", "channel code; null where the object holds several channels"),
        Field("date", DATE, "", "UTC day", nullable=False),
        Field("year", INT, "", "year of the UTC day", nullable=False),
        Field("day", INT, "", "day of the year", nullable=False),
        Field("sample_rate", DOUBLE, "Hz", "sampling rate that the index states"),
        Field("lat", DOUBLE, "degrees", "latitude that the index states"),
        Field("lon", DOUBLE, "degrees", "longitude that the index states"),
        Field("size", LONG, "bytes", "size of the object, where known"),
        Field("etag", STRING, "", "the store's tag of the object's content, where known"),
    ),
)

CHANNEL_DAY = Table(
    "channel_day",
    "a channel-day that the index names, or a problem of the index itself",
    (
        Field("unit", STRING, "", "the unit's id: NET.STA.LOC.CHA/DATE", nullable=False),
        Field("date", DATE, "", "UTC day", nullable=False),
        Field("net", STRING, "", "network code"),
        Field("sta", STRING, "", "station code"),
        Field("loc", STRING, "", "location code, empty string where there is none"),
        Field("chan", STRING, "", "channel code"),
        Field("s3key", STRING, "", "the object that holds it"),
        Field("size", LONG, "bytes", "size of the object, where known"),
        Field("etag", STRING, "", "the store's tag of the object's content, where known"),
        Field("sample_rate", DOUBLE, "Hz", "sampling rate that the index states"),
        Field("lat", DOUBLE, "degrees", "latitude that the index states"),
        Field("lon", DOUBLE, "degrees", "longitude that the index states"),
        Field(
            "pieces",
            PIECES,
            "",
            "where the channel's contiguous pieces stand in the object, where known",
        ),
        Field("outcome", STRING, "", "null; for a problem of the index, its outcome"),
        Field("reason", STRING, "", "null; for a problem of the index, why"),
    ),
)

OUTCOMES = Table(
    "outcomes",
    "a unit of a run",
    (
        Field("run_id", STRING, "", "the run", nullable=False),
        Field("job", STRING, "", "the job", nullable=False),
        Field(
            "kind",
            STRING,
            "",
            "what the unit is: channel-day, tile, window, event, batch (of units whose rows share a file) ...",
            nullable=False,
        ),
        Field("unit", STRING, "", "the unit's id", nullable=False),
        Field("date", DATE, "", "first UTC day of the unit"),
        Field("outcome", STRING, "", "ok, empty, missing, denied, corrupt, rejected, failed", nullable=False),
        Field("reason", STRING, "", "why, or what is worth knowing about it", nullable=False),
        Field("s3key", STRING, "", "the object read, where the unit is one"),
        Field(
            "windows",
            INT,
            "",
            "windows used (channel-day; seconds of remove_response), pieces found (window), rows written (tile, batch ...)",
        ),
        Field(
            "windows_planned",
            INT,
            "",
            "windows, or seconds, in the day (channel-day), units (batch), pairs asked for (tile), CCFs read (source-group)",
        ),
        Field("lat", DOUBLE, "degrees", "latitude used"),
        Field("lon", DOUBLE, "degrees", "longitude used"),
        Field("bytes_read", LONG, "bytes", "bytes fetched for the unit", nullable=False),
        Field("bytes_written", LONG, "bytes", "bytes written for the unit", nullable=False),
        Field("seconds", DOUBLE, "s", "time spent on the unit", nullable=False),
    ),
)

FILES = Table(
    "files",
    "a file that a worker wrote",
    (
        Field("table", STRING, "", "the table it is part of", nullable=False),
        Field("s3key", STRING, "", "its key", nullable=False),
        Field("rows", LONG, "", "its rows", nullable=False),
        Field("bytes", LONG, "bytes", "its size", nullable=False),
    ),
)

ROW_GROUPS = Table(
    "row_groups",
    "a row group of a file of CCFs",
    (
        Field("s3key", STRING, "", "the file's key", nullable=False),
        Field("row_group", INT, "", "its number in the file", nullable=False),
        Field("source_first", STRING, "", "first of its sources by name", nullable=False),
        Field("source_last", STRING, "", "last of its sources by name", nullable=False),
        Field("date_first", DATE, "", "first of its days", nullable=False),
        Field("date_last", DATE, "", "last of its days", nullable=False),
        Field("rows", LONG, "", "its rows", nullable=False),
        Field("bytes", LONG, "bytes", "its size before compression", nullable=False),
    ),
)

_CORRELATION = (
    *_channel_fields("source_", " of the source"),
    *_channel_fields("receiver_", " of the receiver"),
    Field("n_windows", INT, "", "windows averaged", nullable=False),
    Field("lag_step", DOUBLE, "s", "step of the lag axis", nullable=False),
    Field("maxlag", DOUBLE, "s", "largest lag; the axis runs from -maxlag to +maxlag", nullable=False),
    Field("distance", DOUBLE, "km", "distance between the stations on the WGS84 ellipsoid"),
    Field("azimuth", DOUBLE, "degrees", "direction at the source towards the receiver, clockwise from north"),
    Field("back_azimuth", DOUBLE, "degrees", "direction at the receiver towards the source, clockwise from north"),
    Field("source_lat", DOUBLE, "degrees", "latitude of the source"),
    Field("source_lon", DOUBLE, "degrees", "longitude of the source"),
    Field("receiver_lat", DOUBLE, "degrees", "latitude of the receiver"),
    Field("receiver_lon", DOUBLE, "degrees", "longitude of the receiver"),
    Field("method", STRING, "", "cross_correlation, coherency or deconvolution", nullable=False),
    Field("parameters_id", STRING, "", "id of the parameters that made it", nullable=False),
    Field("samples", SAMPLES, "", "the function; a positive lag is energy that reaches the receiver later"),
)

CCF = Table(
    "ccf",
    "a pair-day, or a substack of one",
    (
        Field("date", DATE, "", "UTC day", nullable=False),
        Field("starttime", TIME, "", "start of the first window averaged over", nullable=False),
        Field("endtime", TIME, "", "end of the last window averaged over", nullable=False),
        *_CORRELATION,
    ),
)

STACK = Table(
    "stack",
    "a pair and a period",
    (
        Field("date", DATE, "", "first UTC day of the period", nullable=False),
        Field("starttime", TIME, "", "start of the period", nullable=False),
        Field("endtime", TIME, "", "end of the period", nullable=False),
        Field("n_days", INT, "", "days with at least one window", nullable=False),
        *_CORRELATION,
    ),
)

SOURCE = Table(
    "source",
    "an event",
    (
        Field("source_id", STRING, "", "the event's id, unique in the table", nullable=False),
        Field("time", TIME, "", "origin time", nullable=False),
        Field("lat", DOUBLE, "degrees", "latitude", nullable=False),
        Field("lon", DOUBLE, "degrees", "longitude", nullable=False),
        Field("depth", DOUBLE, "km", "depth below the sea"),
        Field("magnitude", DOUBLE, "", "magnitude"),
        Field("magnitude_type", STRING, "", "kind of the magnitude"),
        Field("event_type", STRING, "", "kind of the event, as the catalogue writes it"),
        Field("event_id", STRING, "", "the event's id in its catalogue", nullable=False),
        Field("s3key", STRING, "", "the object with the event's waveforms, where the archive has one"),
        Field("catalog", STRING, "", "the file that it comes from", nullable=False),
    ),
)

_EPOCH = (
    Field("starttime", TIME, "", "start of the epoch; null where it has none"),
    Field("endtime", TIME, "", "end of the epoch, which it does not include; null where it has none"),
    Field("lat", DOUBLE, "degrees", "latitude", nullable=False),
    Field("lon", DOUBLE, "degrees", "longitude", nullable=False),
    Field("elev", DOUBLE, "km", "elevation", nullable=False),
)

SITE = Table(
    "site",
    "a station epoch",
    (
        Field("site_id", STRING, "", "NET.STA/START, unique in the table", nullable=False),
        Field("net", STRING, "", "network code", nullable=False),
        Field("sta", STRING, "", "station code", nullable=False),
        *_EPOCH,
        Field("name", STRING, "", "the site's name"),
        Field("s3key", STRING, "", "the StationXML file", nullable=False),
    ),
)

CHANNEL = Table(
    "channel",
    "a channel epoch",
    (
        Field("channel_id", STRING, "", "NET.STA.LOC.CHA/START, unique in the table", nullable=False),
        Field("site_id", STRING, "", "the station epoch that it is of: its row of site"),
        *_channel_fields(),
        *_EPOCH,
        Field("edepth", DOUBLE, "km", "depth of the sensor below the surface"),
        Field("hang", DOUBLE, "degrees", "azimuth of the sensor's axis, clockwise from north"),
        Field("vang", DOUBLE, "degrees", "angle of the sensor's axis from the upward vertical"),
        Field("sampling_rate", DOUBLE, "Hz", "sampling rate"),
        Field("gain", DOUBLE, "counts per unit", "overall sensitivity"),
        Field("gain_frequency", DOUBLE, "Hz", "frequency at which the sensitivity holds"),
        Field("units", STRING, "", "of the ground's motion that the sensitivity is of, such as M/S"),
        Field("s3key", STRING, "", "the StationXML file", nullable=False),
    ),
)

RESPONSE = Table(
    "response",
    "a channel epoch's response",
    (
        Field("channel_id", STRING, "", "the channel epoch: its row of channel", nullable=False),
        *_channel_fields(),
        Field("starttime", TIME, "", "start of the epoch; null where it has none"),
        Field("endtime", TIME, "", "end of the epoch, which it does not include; null where it has none"),
        Field(
            "stationxml", STRING, "", "StationXML of this channel epoch alone, its response as the file has it", nullable=False
        ),
    ),
)

WF_MINISEED = Table(
    "wf_miniseed",
    "a contiguous piece of a channel in an object",
    (
        Field("archive", STRING, "", "the archive's layout", nullable=False),
        Field("s3key", STRING, "", "the object's key under the archive's root", nullable=False),
        *_channel_fields(),
        Field("starttime", TIME, "", "time of the first sample", nullable=False),
        Field("endtime", TIME, "", "time of the last sample", nullable=False),
        Field("sampling_rate", DOUBLE, "Hz", "sampling rate", nullable=False),
        Field("npts", LONG, "", "number of samples", nullable=False),
        Field("foff", LONG, "bytes", "offset of the first record in the object", nullable=False),
        Field("nbytes", LONG, "bytes", "length of the records", nullable=False),
        Field("reclen", INT, "bytes", "length of each record; null where they are of several lengths"),
        Field("etag", STRING, "", "the store's tag of the object's content, where known"),
    ),
)

WF_TIME_SERIES = Table(
    "wf_TimeSeries",
    "a live segment",
    (
        Field("id", STRING, "", "NET.STA.LOC.CHA, window and number of the piece", nullable=False),
        *_channel_fields(),
        Field("starttime", TIME, "", "time of the first sample", nullable=False),
        Field("endtime", TIME, "", "time of the last sample", nullable=False),
        Field("sampling_rate", DOUBLE, "Hz", "sampling rate", nullable=False),
        Field("npts", LONG, "", "number of samples", nullable=False),
        Field("units", STRING, "", "of the samples: counts as recorded, or m, m/s or m/s**2 of ground motion", nullable=False),
        Field("data_tag", STRING, "", "name of the data set that this is part of", nullable=False),
        Field("window", STRING, "", "the window that it was cut for, or the event", nullable=False),
        Field("lat", DOUBLE, "degrees", "latitude of the channel at that time"),
        Field("lon", DOUBLE, "degrees", "longitude of the channel at that time"),
        Field("elev", DOUBLE, "km", "elevation of the channel at that time"),
        Field("site_id", STRING, "", "the station epoch: its row of site"),
        Field("channel_id", STRING, "", "the channel epoch: its row of channel"),
        Field("source_id", STRING, "", "the event: its row of source"),
        Field("source_time", TIME, "", "origin time of the event"),
        Field("source_lat", DOUBLE, "degrees", "latitude of the event"),
        Field("source_lon", DOUBLE, "degrees", "longitude of the event"),
        Field("source_depth", DOUBLE, "km", "depth of the event"),
        Field("magnitude", DOUBLE, "", "magnitude of the event"),
        Field("phase", STRING, "", "the phase whose arrival the window is relative to"),
        Field("arrival", TIME, "", "its arrival, predicted or given"),
        Field("s3key", STRING, "", "the object or objects that it comes from, comma separated", nullable=False),
        Field("parameters_id", STRING, "", "id of the parameters that made it", nullable=False),
        Field(
            "dfile", STRING, "", "the object of miniSEED that its records stand in, under the output; null where there is none"
        ),
        Field("foff", LONG, "bytes", "offset of the first record in dfile"),
        Field("nbytes", LONG, "bytes", "length of the records in dfile"),
        Field("encoding", STRING, "", "of the samples: miniseed, whole records, or sac, a whole file", nullable=False),
        Field("samples", BINARY, "", "the samples in their encoding; null where they stand in dfile alone"),
    ),
)

EXPORTS = Table(
    "exports",
    "a file that was exported",
    (
        Field("s3key", STRING, "", "its key under the output", nullable=False),
        Field("format", STRING, "", "mseed, sac or asdf", nullable=False),
        Field("window", STRING, "", "the window or event of its segments; null where there are several"),
        Field("net", STRING, "", "network code; null where there are several, as for the other codes"),
        Field("sta", STRING, "", "station code"),
        Field("loc", STRING, "", "location code, empty string where there is none"),
        Field("chan", STRING, "", "channel code"),
        Field("source_id", STRING, "", "the event; null where there are several, or none"),
        Field("data_tag", STRING, "", "name of the data set; null where there are several"),
        Field("starttime", TIME, "", "time of the first sample of all", nullable=False),
        Field("endtime", TIME, "", "time of the last sample of all", nullable=False),
        Field("segments", LONG, "", "segments that it holds", nullable=False),
        Field("npts", LONG, "", "samples of all of them", nullable=False),
        Field("nbytes", LONG, "bytes", "its size", nullable=False),
        Field("parameters_id", STRING, "", "id of the parameters that made it", nullable=False),
    ),
)

EXPORT_PARTS = Table(
    "export_parts",
    "what a row group of wf_TimeSeries holds of a group of segments that are exported together, or a file that cannot be read",
    (
        Field("s3key", STRING, "", "the table's file", nullable=False),
        Field("version", STRING, "", "text that changes with the file's content", nullable=False),
        Field("row_group", INT, "", "number of the row group in the file"),
        Field("month", STRING, "", "folders of the file's month", nullable=False),
        Field("label", STRING, "", "the group: a window, a channel or a file of the table"),
        Field("first", TIME, "", "first start time of its segments"),
        Field("rows", LONG, "", "its segments"),
        Field("samples", LONG, "", "their samples"),
        Field("outcome", STRING, "", "null; for a file that cannot be read, its outcome"),
        Field("reason", STRING, "", "null; for a file that cannot be read, why"),
    ),
)

CEMETERY = Table(
    "cemetery",
    "a window of a channel that there is nothing of, a segment that cannot be exported, or a clip that is left out",
    (
        Field("unit", STRING, "", "the unit's id: NET.STA.LOC.CHA/WINDOW", nullable=False),
        *_channel_fields(),
        Field("starttime", TIME, "", "start of the window", nullable=False),
        Field("endtime", TIME, "", "end of the window", nullable=False),
        Field("data_tag", STRING, "", "name of the data set that it would have been part of", nullable=False),
        Field("outcome", STRING, "", "empty, missing, denied, corrupt, rejected, failed", nullable=False),
        Field("reason", STRING, "", "why", nullable=False),
        Field("parameters_id", STRING, "", "id of the parameters that were asked for", nullable=False),
    ),
)

_SEGMENT_HEADER = (
    Field("net", STRING, "", "network code; null in a row about a whole day"),
    Field("sta", STRING, "", "station code; null in a row about a whole day"),
    Field("loc", STRING, "", "location code, empty string where there is none; null where no channel is known"),
    Field("chan", STRING, "", "channel code; null where no channel is known"),
    Field("starttime", TIME, "", "time of the first sample; null where nothing could be read"),
    Field("endtime", TIME, "", "time of the last sample; null where nothing could be read"),
    Field("sampling_rate", DOUBLE, "Hz", "sampling rate; of a segment of an hour or more as its time tags give it"),
    Field("npts", LONG, "", "number of samples"),
    Field("date", DATE, "", "UTC day of the object", nullable=False),
    Field("s3key", STRING, "", "the object's key under the archive's root; null for a problem of the index"),
    Field(
        "outcome", STRING, "", "ok; or empty, missing, denied, corrupt, rejected, failed: there are no samples", nullable=False
    ),
    Field("reason", STRING, "", "why, or what is worth knowing about it", nullable=False),
)

SEGMENT_HEADER = Table(
    "segment_header",
    "a segment of an object that the data source reads by its headers alone, or an object that cannot be read",
    (*_SEGMENT_HEADER, Field("encoding", STRING, "", "int32, float32 or float64, as recorded")),
)
SEGMENT = Table(
    "segment",
    "a segment of an object that the data source reads, or an object that cannot be read",
    (
        *_SEGMENT_HEADER,
        Field("encoding", STRING, "", "int32, float32 or float64, as recorded"),
        Field("samples", EXACT_SAMPLES, "", "the samples, counts as recorded; null where they could not be read"),
    ),
)
SEGMENT_MINISEED = Table(
    "segment_miniseed",
    "a segment of an object that the data source reads, in its records, or an object that cannot be read",
    (
        *_SEGMENT_HEADER,
        Field("encoding", STRING, "", "of the samples: miniseed, whole records, or sac, a whole file"),
        Field("samples", BINARY, "", "the samples in their encoding; null where they could not be read"),
    ),
)

_PLACE = "null where it stands in the row alone, or there is none"

CLIP = Table(
    "clip",
    "a clip of a hydrophone's recording",
    (
        Field("id", STRING, "", "NET.STA.LOC.CHA and the time on the clock that it was cut for", nullable=False),
        *_channel_fields(),
        Field("clock", TIME, "", "the time on the UTC clock that it was cut for", nullable=False),
        Field("starttime", TIME, "", "time of the first sample", nullable=False),
        Field("endtime", TIME, "", "time of the last sample", nullable=False),
        Field("sampling_rate", DOUBLE, "Hz", "sampling rate", nullable=False),
        Field("npts", LONG, "", "number of samples", nullable=False),
        Field("n_padded", LONG, "", "samples of them that were not recorded: zeros", nullable=False),
        Field(
            *("rms", FLOAT, "dB"),
            "level of the recorded samples' root mean square, less their mean; minus infinity of silence; where the "
            "sensitivity is a curve, of the frequencies alone that it knows, by the power spectrum in 1 Hz",
        ),
        Field(
            *("peak", FLOAT, "dB"),
            "level of the largest magnitude of the recorded samples, less their mean; null where the sensitivity is a curve",
        ),
        Field(
            *("units", STRING, ""),
            "what rms and peak are relative to: 1 uPa, or 1 count where no sensitivity is known",
            nullable=False,
        ),
        Field("bottom", FLOAT, "dB", "level per Hz at which the picture's first colour ends"),
        Field("top", FLOAT, "dB", "level per Hz at which the picture's last colour begins"),
        Field(
            *("picture_units", STRING, ""),
            "what bottom and top are relative to: 1 uPa, or 1 count where no sensitivity is known or it is a curve",
        ),
        Field("gain", DOUBLE, "", "what the samples were multiplied by in the sound"),
        Field("n_clipped", LONG, "", "samples that did not fit into the sound and were clipped"),
        Field("s3key", STRING, "", "the object or objects that it comes from, comma separated", nullable=False),
        Field("sound_format", STRING, "", "wav32, wav16 or flac; null where there is no sound"),
        Field("sound", BINARY, "", "the sound file; null where it stands elsewhere, or there is none"),
        Field("sound_file", STRING, "", f"the object under the output that the sound stands in; {_PLACE}"),
        Field("sound_foff", LONG, "bytes", "offset of the sound there"),
        Field("sound_nbytes", LONG, "bytes", "length of the sound"),
        Field("picture", BINARY, "", "the PNG file; null where it stands elsewhere, or there is none"),
        Field("picture_file", STRING, "", f"the object under the output that the picture stands in; {_PLACE}"),
        Field("picture_foff", LONG, "bytes", "offset of the picture there"),
        Field("picture_nbytes", LONG, "bytes", "length of the picture"),
        Field("parameters_id", STRING, "", "id of the parameters that made it", nullable=False),
    ),
)

_LEVEL_UNITS = Field(
    "units", STRING, "", "what levels are relative to: 1 uPa, or 1 count where no sensitivity is known", nullable=False
)

PSD = Table(
    "psd",
    "a minute of a hydrophone's recording",
    (
        *_channel_fields(),
        Field("starttime", TIME, "", "the minute", nullable=False),
        Field("sampling_rate", DOUBLE, "Hz", "sampling rate", nullable=False),
        Field("seconds", DOUBLE, "s", "recorded seconds of the minute", nullable=False),
        Field("frames", INT, "", "seconds that overlap by half which were averaged over", nullable=False),
        _LEVEL_UNITS,
        Field("one_hertz", SAMPLES, "dB", "mean power spectral density in bands of 1 Hz, per Hz, rounded to 1/64 dB"),
        Field("hybrid_millidecade", SAMPLES, "dB", "mean power spectral density in hybrid millidecades, per Hz"),
        Field("third_octave", SAMPLES, "dB", "mean power in third octaves (base ten), of the whole band"),
        Field("parameters_id", STRING, "", "id of the parameters that made it", nullable=False),
    ),
)

PSD_DAY = Table(
    "psd_day",
    "a set of bands of a hydrophone's channel-day",
    (
        *_channel_fields(),
        Field("date", DATE, "", "UTC day", nullable=False),
        Field("sampling_rate", DOUBLE, "Hz", "sampling rate", nullable=False),
        Field("seconds", DOUBLE, "s", "recorded seconds of the day that levels are of", nullable=False),
        Field("minutes", INT, "", "minutes that percentiles are over", nullable=False),
        Field("bands", STRING, "", "one_hertz, hybrid_millidecade or third_octave", nullable=False),
        _LEVEL_UNITS,
        Field("lower", SAMPLES, "Hz", "lower edges of the bands"),
        Field("centre", SAMPLES, "Hz", "centres of the bands"),
        Field("upper", SAMPLES, "Hz", "upper edges of the bands"),
        Field("mean", SAMPLES, "dB", "level of the day's mean power: per Hz, of third octaves of the whole band"),
        *(
            Field(f"p{percent}", SAMPLES, "dB", f"level that the minutes are below for {percent} % of the time")
            for percent in (1, 5, 10, 25, 50, 75, 90, 95, 99)
        ),
        Field("parameters_id", STRING, "", "id of the parameters that made it", nullable=False),
    ),
)

RECORDING = Table(
    "recording",
    "an object with a hydrophone's recording, or a stretch of time without one",
    (
        Field("unit", STRING, "", "the object's key, or the channel and the times between which there is none", nullable=False),
        *(Field(f.name, f.type, f.unit, f.meaning) for f in _channel_fields()),
        Field("s3key", STRING, "", "the object's key"),
        Field("start_ns", LONG, "ns", "when it begins, since 1970, by its name or its records"),
        Field("size", LONG, "bytes", "size of the object, where known"),
        Field("version", STRING, "", "text that changes with the object's content, where known"),
        Field("outcome", STRING, "", "null; where it cannot be read, its outcome"),
        Field("reason", STRING, "", "null; where it cannot be read, why"),
    ),
)

TABLES = {
    table.name: table
    for table in (
        *(INDEX, CHANNEL_DAY, OUTCOMES, FILES, ROW_GROUPS, CCF, STACK),
        *(SOURCE, SITE, CHANNEL, RESPONSE, WF_MINISEED, WF_TIME_SERIES, CEMETERY, EXPORTS, EXPORT_PARTS),
        *(SEGMENT, SEGMENT_MINISEED, SEGMENT_HEADER),
        *(CLIP, PSD, PSD_DAY, RECORDING),
    )
}
