"""One channel-day, or a window of it, to ground motion, in one call without Spark."""
