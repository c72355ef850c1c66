"""An archive of miniSEED as a Spark data source: a DataFrame of segments, planned from the archive's index.

    import seisbatch.datasource
    seisbatch.datasource.register(spark)
    segments = spark.read.format("miniseed").option("channels", "CI.*..BHZ").option("start", "2022-01-02").load()

:class:`~seisbatch.datasource.options.ReadOptions` has every option. Only what the options select is read: Spark 4.0 hands
no filter of a query down to a source in Python. The archive's index is read anew for every query.

Workers need ``seisbatch`` on their path: ``./submit.sh ./my_job.py`` sees to that; with a Spark session of one's own the
package is installed beside pyspark, or shipped with ``--py-files``.
"""

from __future__ import annotations

from seisbatch.datasource.source import MiniseedDataSource, register

__all__ = ["MiniseedDataSource", "register"]
