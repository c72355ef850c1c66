"""The launch on a cluster: what is sent there, how it is started, followed and found again. No Spark in it."""
