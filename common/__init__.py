"""What extract, lake and orchestrate share: object storage, the database, progress and errors."""
