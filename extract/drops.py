"""Loads the files of a landing folder, where people put them one by one, whenever they like.

A file is loaded after a quiet period, on its own, and then moved: to `processed/<load>/` if
the warehouse has what it holds, to `error/` beside a text that says why if it cannot be loaded. The
move is the last thing that happens: a file that is still there after a crash is looked at again,
and its bytes are known if they were loaded.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from common.errors import ConfigurationError, FileError, LoadError
from common.storage import Object, source_bucket
from common.warehouse import Warehouse
from extract.declaration import Source
from extract.files import ERROR, PROCESSED, RawFile, match
from extract.load import LoadResult, load


@dataclass(frozen=True)
class Drop:
    """What became of one file: `result` if it was loaded, or known already; else `error`.

    `moved_to` is its new key; None if it stays, to be tried again.
    """

    key: str
    result: LoadResult | None = None
    error: str | None = None
    moved_to: str | None = None


class Drops:
    """The landing folder of one source, read whenever `poll` is called."""

    def __init__(
        self, source: Source, warehouse: Warehouse, settle: float, accept_smaller: bool = False
    ) -> None:
        """A file is taken after a quiet period of `settle` seconds, in which it did not change.

        `accept_smaller` takes files that lost more rows than sources.yml allows. Raises
        ConfigurationError if sources.yml declares no landing folder for the source.
        """
        if not source.drops:
            raise ConfigurationError(
                f"{source.name}: extract/sources.yml declares no landing folder for it: add drops: "
                "true"
            )
        self._source = source
        self._warehouse = warehouse
        self._bucket = source_bucket(source.name)
        self._settle = settle
        self._accept_smaller = accept_smaller
        # Since when each file has been as it is: by the clock here, whatever that of the bucket is.
        self._since: dict[Object, float] = {}
        # What was moved, by its new key: the object, and the key that it had.
        self._moved: dict[str, tuple[Object, str]] = {}
        self.unknown: list[str] = []

    def poll(self) -> list[Drop]:
        """Loads and moves the files whose quiet period is over, the oldest first.

        After it, `unknown` are the keys that no feed's pattern matches; they are left alone. Raises
        LoadError if the bucket cannot be listed.
        """
        now = time.monotonic()
        there = {item.key: item for item in self._bucket.objects()}
        self._put_back(there)
        dropped = [
            item
            for item in there.values()
            if PurePosixPath(item.key).parts[0] not in (PROCESSED, ERROR)
        ]
        settled = [
            item
            for item in dropped
            if item in self._since and now - self._since[item] >= self._settle
        ]
        self._since = {item: self._since.get(item, now) for item in dropped}
        self.unknown = [item.key for item in dropped if not self._file(item)]
        files = [self._file(item) for item in sorted(settled, key=_age)]
        return [self._take(file, there) for file in files if file]

    def _put_back(self, there: dict[str, Object]) -> None:
        """Moves files back to which someone still wrote after they had been moved."""
        for moved_to, (item, key) in list(self._moved.items()):
            found = there.get(moved_to)
            if found == item:
                continue
            if found and key not in there:
                try:
                    there[key] = self._bucket.move(found, key)
                except LoadError:
                    # Just now, too: the next poll will find it so.
                    continue
                del there[moved_to]
                if moved_to.startswith(f"{ERROR}/"):
                    self._take_back_reason(moved_to)
            del self._moved[moved_to]

    def _take_back_reason(self, moved_to: str) -> None:
        with suppress(LoadError):
            self._bucket.delete(_reason(moved_to))

    def _file(self, item: Object) -> RawFile | None:
        matches = (
            file
            for feed in self._source.feeds
            for part in feed.patterns
            for file in match(self._source, [item], feed, part)
        )
        return next(matches, None)

    def _take(self, file: RawFile, there: dict[str, Object]) -> Drop:
        key, listed = file.item.key, file.item
        try:
            result = load(
                self._source, self._warehouse, accept_smaller=self._accept_smaller, files=[file]
            )
        except FileError as error:
            if error.is_unread:
                return Drop(key, error=str(error))
            return self._quarantine(file, str(error), there)
        except LoadError as error:
            return Drop(key, error=str(error))
        if file.item != listed:
            # Its new version will be loaded after its quiet period.
            return Drop(key, result, f"{key}: changed since it was listed")
        try:
            target = f"{PROCESSED}/{file.load_id}/{key}"
            moved_to = self._move(file.item, _free(target, file.item, there), there)
        except LoadError as error:
            # It changed meanwhile, most likely: its new version will be loaded next.
            return Drop(key, result, str(error))
        return Drop(key, result, moved_to=moved_to)

    def _move(self, item: Object, target: str, there: dict[str, Object]) -> str:
        moved = self._bucket.move(item, target)
        there[target] = moved
        self._moved[target] = (moved, item.key)
        return target

    def _quarantine(self, file: RawFile, error: str, there: dict[str, Object]) -> Drop:
        key = file.item.key
        target = _free(f"{ERROR}/{key}", file.item, there)
        try:
            # The reason first, so that no file lies there without one.
            self._bucket.put(_reason(target), f"{error}\n".encode())
            self._move(file.item, target, there)
        except LoadError as failure:
            self._take_back_reason(target)
            return Drop(key, error=f"{error}; {failure}")
        return Drop(key, error=error, moved_to=target)


def _reason(key: str) -> str:
    """Returns where it says why a file is in error/."""
    return f"{key}.txt"


def _age(item: Object) -> tuple[datetime, str]:
    return item.modified_at, item.key


def _free(key: str, item: Object, there: dict[str, Object]) -> str:
    """Returns the key, with a number before its suffix if something else has it."""
    path = PurePosixPath(key)
    number, free = 1, key
    # In S3, a move that was interrupted has left the same object there.
    while free in there and (there[free].size, there[free].version) != (item.size, item.version):
        number += 1
        free = str(path.with_name(f"{path.stem}.{number}{path.suffix}"))
    return free
