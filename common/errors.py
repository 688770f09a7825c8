"""The two ways in which a load can go wrong for a reason that the user can act on."""


class ConfigurationError(Exception):
    """Something was declared or set wrongly: nothing was attempted (exit code 2)."""


class LoadError(Exception):
    """A load failed; what was loaded before is untouched (exit code 1)."""


class FileError(LoadError):
    """A load failed because of one file, which has this id in audit.files, if it is there yet.

    If it `is_unread`, its bucket could not hand it over, and nothing is known against its content.
    """

    def __init__(self, message: str, file_id: int | None = None, is_unread: bool = False) -> None:
        super().__init__(message)
        self.file_id = file_id
        self.is_unread = is_unread
