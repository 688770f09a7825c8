"""E and L: lands files as raw text in PostgreSQL, whole or not at all. Knows nothing of dbt."""
