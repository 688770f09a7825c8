"""E and L: loads files as raw text into PostgreSQL; loads are atomic. Knows nothing of dbt."""
