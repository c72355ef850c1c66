"""The data source as Spark knows it: its name, its schema, its partitions and what reads them."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.types import StructType

from seisbatch.config import OptionError
from seisbatch.datasource.batches import record_batches
from seisbatch.datasource.options import ReadRequest, read_request
from seisbatch.datasource.planning import PlannedObject, partitioned, planned_objects
from seisbatch.datasource.reading import segment_rows
from seisbatch.schema import SEGMENT, SEGMENT_HEADER, SEGMENT_MINISEED, Table
from seisbatch.steps.memory import give_back

_TABLES = {"decoded": SEGMENT, "miniseed": SEGMENT_MINISEED, "none": SEGMENT_HEADER}


def register(spark: SparkSession) -> None:
    """Make ``spark.read.format("miniseed")`` known to a session."""

    class ForSession(MiniseedDataSource):
        cores = spark.sparkContext.defaultParallelism

    spark.dataSource.register(ForSession)


class MiniseedDataSource(DataSource):
    """Segments of an archive of miniSEED; :class:`~seisbatch.datasource.options.ReadOptions` has every option."""

    cores: ClassVar[int | None] = None
    """Of the cluster; None where nobody told, which is taken for those of this machine."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self.request = read_request(options)

    @classmethod
    def name(cls) -> str:
        """The word for ``format``."""
        return "miniseed"

    @property
    def table(self) -> Table:
        """The table that the rows are of."""
        return _TABLES[self.request.read.samples]

    def schema(self) -> StructType:
        """The schema of the table."""
        return self.table.spark()

    def reader(self, schema: StructType) -> MiniseedReader:
        """What plans and reads; OptionError where other columns are asked for than there are."""
        columns = [(field.name, field.dataType.simpleString()) for field in self.schema()]
        if [(field.name, field.dataType.simpleString()) for field in schema] != columns:
            told = ", ".join(f"{name} {kind}" for name, kind in columns)
            raise OptionError(f"the columns are given: leave .schema(...) away. They are {told}")
        return MiniseedReader(self.request, self.table, self.cores or os.cpu_count() or 1)


@dataclass(frozen=True)
class ObjectsPartition(InputPartition):
    """The objects that a task reads."""

    objects: tuple[PlannedObject, ...]


@dataclass(frozen=True)
class MiniseedReader(DataSourceReader):
    """Plans a read on the driver, and reads its partitions on the workers."""

    request: ReadRequest
    table: Table
    cores: int

    def partitions(self) -> Sequence[InputPartition]:
        """The objects of the read, in groups; run by Spark in a process beside the driver, once a query."""
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
        return [ObjectsPartition(group) for group in partitioned(planned_objects(self.request), self.cores)]

    def read(self, partition: Any) -> Iterator[pa.RecordBatch]:
        """The rows of a partition."""
        yield from record_batches(segment_rows(self.request.read, partition.objects), self.table)
        give_back()
