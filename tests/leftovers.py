"""What a load that ended, however it ended, must not leave behind."""


def unpublished(source: str) -> str:
    """Returns SQL that lists tables and sequences of a source which no raw table shows."""
    return f"""
        select relname
        from pg_class
        where
            relnamespace = to_regnamespace('raw_{source}_files')
            and relkind in ('r', 'S')
            and not relispartition
    """
