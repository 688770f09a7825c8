"""Publishes what the warehouse holds to object storage, for DuckDB, Spark, Athena and the like."""
