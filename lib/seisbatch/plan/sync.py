"""A run's output copied to another place: only what is new, its manifest last, and nothing is deleted there."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.types import from_arrow_schema

from seisbatch.acquire.backend import Listed
from seisbatch.acquire.objects import Store, StoreSettings, open_store
from seisbatch.outcome import RunError, UnitError
from seisbatch.progress import Progress
from seisbatch.sinks.manifest import MANIFEST_KEY
from seisbatch.steps.copies import (
    COPIES,
    FOLDERS,
    LOOKED_THROUGH,
    NOT_TRIED,
    Copier,
    CopySettings,
    copy_objects,
    is_new,
    new_objects,
)

log = logging.getLogger("seisbatch")

DEPTH = 4
"""Folders down to this depth, such as ``clips/2017/10/09``, are looked through each by itself."""
LISTERS = 32
FOLDERS_A_TASK = 8
OBJECTS_A_TASK = 32
TASKS_A_CORE = 16


@dataclass(frozen=True)
class Copied:
    """Objects that were copied, their bytes, and how many were there already."""

    n_copied: int
    n_bytes: int
    n_there: int


def sync_output(spark: SparkSession, out: StoreSettings, to: StoreSettings) -> Copied:
    """Copy what is under the output to another place, each object whole or not at all.

    Copied is what is not there, has another size there, or was written later than the copy. Names that begin with ``_`` are a
    run's own and stay. The manifest, which says that all is there, comes last. Nothing is deleted.

    Raises RunError where the place is the output itself or within it, cannot be used, or objects could not be copied: the
    others were, and the same again copies the rest.
    """
    refuse_same(out, to)
    source, target = open_store(out), open_store(to)
    source.require()
    log.info("looking what is new of %s in %s", out.root, to.root)
    settings = CopySettings(out, to)
    try:
        before = {item.key: item for item in target.list_flat("")}  # a bucket that is not there is told of here
        folders = _folders(source)
    except UnitError as error:
        raise RunError(f"--sync {to.root}: {error}") from None
    cores = spark.sparkContext.defaultParallelism
    frame = spark.createDataFrame(folders, from_arrow_schema(FOLDERS))
    looked = frame.repartition(_tasks(len(folders), FOLDERS_A_TASK, cores)).mapInArrow(
        functools.partial(new_objects, settings, MANIFEST_KEY), from_arrow_schema(LOOKED_THROUGH)
    )
    looked = looked.persist()
    try:
        copied = _copy_new(spark, settings, looked)
    finally:
        looked.unpersist()
    return _with_manifest(settings, source, before, copied)


def refuse_same(out: StoreSettings, to: StoreSettings) -> None:
    """Raise RunError where a copy would stand in the output itself."""
    if is_within(to, out):
        raise RunError(f"--sync {to.root} is the output itself, or within it: name another place")


def is_within(inner: StoreSettings, outer: StoreSettings) -> bool:
    """Whether a place is another, or within it."""
    if inner.endpoint != outer.endpoint and outer.root.startswith("s3://"):
        return False
    return f"{inner.root.rstrip('/')}/".startswith(f"{outer.root.rstrip('/')}/")


def _folders(store: Store) -> list[tuple[str, bool]]:
    """The folders to look through: each with what stands right in it, those of the last depth with all under them."""
    found, level = [("", False)], [""]
    with ThreadPoolExecutor(LISTERS, thread_name_prefix="list") as pool:
        for depth in range(1, DEPTH + 1):
            below = pool.map(store.folders, level)
            level = [
                f"{above}/{name}" if above else name
                for above, names in zip(level, below, strict=True)
                for name in names
                if not name.startswith("_")
            ]
            found += [(folder, depth == DEPTH) for folder in level]
    return found


def _copy_new(spark: SparkSession, settings: CopySettings, looked: DataFrame) -> Copied:
    is_object = F.col("key").isNotNull()
    [total] = looked.agg(
        F.count(F.when(is_object, 1)).alias("objects"),
        F.coalesce(F.sum("there"), F.lit(0)).alias("there"),
        F.count("reason").alias("failed"),
        F.first("reason", ignorenulls=True).alias("reason"),
    ).collect()
    n_objects, cores = total["objects"], spark.sparkContext.defaultParallelism
    if total["failed"]:
        raise RunError(
            f"--sync {settings.to.root}: {total['failed']:,} folders could not be compared; the first: {total['reason']}"
        )
    if not n_objects:
        return Copied(0, 0, total["there"])
    done, bad = spark.sparkContext.accumulator(0), spark.sparkContext.accumulator(0)
    keys = looked.where(is_object).repartition(_tasks(n_objects, OBJECTS_A_TASK, cores))
    step = functools.partial(copy_objects, settings, functools.partial(done.add, 1), functools.partial(bad.add, 1))
    copies = keys.mapInArrow(step, from_arrow_schema(COPIES))
    with Progress("objects copied", n_objects, lambda: done.value + bad.value, lambda: bad.value):
        [row] = copies.agg(
            F.count(F.when(F.col("reason").isNull(), 1)).alias("objects"),
            F.coalesce(F.sum(F.when(F.col("reason").isNull(), F.col("size"))), F.lit(0)).alias("bytes"),
            F.min(F.when(F.col("reason").isNotNull(), F.struct(F.col("reason") == NOT_TRIED, "key", "reason"))).alias("first"),
        ).collect()
    if row["first"]:
        raise RunError(
            f"--sync {settings.to.root}: {n_objects - row['objects']:,} of {n_objects:,} objects could not be copied, the "
            f"others were; the same again copies the rest. The first is {row['first']['key']}: {row['first']['reason']}"
        )
    return Copied(row["objects"], row["bytes"], total["there"])


def _with_manifest(settings: CopySettings, source: Store, before: Mapping[str, Listed], copied: Copied) -> Copied:
    """Copy the manifest, if there is one and it is new."""
    item = next((item for item in source.list_flat("") if item.key == MANIFEST_KEY), None)
    if item is None:
        return copied
    if not is_new(item, before.get(item.key)):
        return replace(copied, n_there=copied.n_there + 1)
    result = Copier(settings).copy(item.key, item.size, item.version)
    if result.reason:
        raise RunError(f"--sync {settings.to.root}: {item.key} could not be copied: {result.reason}")
    return replace(copied, n_copied=copied.n_copied + 1, n_bytes=copied.n_bytes + item.size)


def _tasks(number: int, a_task: int, cores: int) -> int:
    """Tasks for so many things: enough for every core, not so many that starting them is most of the work."""
    return max(1, min(-(-number // a_task), cores * TASKS_A_CORE))
