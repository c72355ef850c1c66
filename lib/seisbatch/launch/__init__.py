"""Runs on Amazon EMR: what is asked of the services, how a run is followed, and how it is found again. No Spark here."""
