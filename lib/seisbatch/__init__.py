"""seisbatch: Apache Spark batch jobs for archives of seismic and hydrophone recordings."""

__version__ = "0.1.0"
