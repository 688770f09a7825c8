"""The census sample: answers in the format of UCI Adult, with its kinds of malformed values.

Every value but the first has a space before it, `?` is a missing one, the classes of the second
file end in a dot, a few records repeat an earlier one and a few cells hold a letter where a number
belongs. Incomes follow education, age, sex and occupation, roughly as they do in the real set.
"""

import json
from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from random import Random

# Records of the real set's two files.
DATA_RECORDS = 32_561
TEST_RECORDS = 16_281
# The second file starts with a line that is no record; both end in an empty one.
TEST_START = "|1x3 Cross validator\n"
END = "\n"

# About as often as in the real set, where 52 records repeat another and 5 cells are corrupt.
_REPEATED_EVERY = 939
_CORRUPT_EVERY = 9_768
_CORRUPT = ((10, "A"), (0, "B"), (2, "C"), (0, "D"), (12, "E"))


# The numbers of real records that bear each name; the levels of education are in ascending order,
# with the percentage of incomes above 50,000; the factors say how much likelier than others of
# their education people of an age or occupation earn more.
_DATA = json.loads(
    Path(__file__).with_name("data").joinpath("census.json").read_text(encoding="utf-8")
)


class _Choice:
    """The names of a list, drawn as often as they occur."""

    def __init__(self, name: str) -> None:
        shares: dict[str, int] = _DATA[name]
        self._names = tuple(shares)
        self._through = tuple(accumulate(shares.values()))

    def of(self, random: Random) -> str:
        """Draw a name."""
        return self._names[bisect(self._through, int(random.random() * self._through[-1]))]


_DECADES, _SEXES, _RACES = _Choice("decades"), _Choice("sexes"), _Choice("races")
_WORKCLASSES, _OCCUPATIONS = _Choice("workclasses"), _Choice("occupations")
_MARRIED, _COUNTRIES = _Choice("marital_statuses"), _Choice("countries")
_HOURS, _GAINS, _LOSSES = _Choice("hours"), _Choice("gains"), _Choice("losses")
_EDUCATIONS = _Choice("education_levels")
_EDUCATION_NUMBERS = {n: str(place) for place, n in enumerate(_DATA["education_levels"], start=1)}


class Census:
    """The records of both files, one after the other."""

    def __init__(self) -> None:
        """Start with the first record."""
        self._random = Random(1994)
        self._number = 0
        self._earlier: list[str] = []

    def rows(self, count: int, class_end: str = "") -> Iterator[str]:
        """Yield the next records as finished lines; their classes end in `class_end`."""
        for _ in range(count):
            yield f"{', '.join(self._next())}{class_end}\n"

    def _next(self) -> list[str]:
        self._number += 1
        if self._number % _REPEATED_EVERY == 0 and self._earlier:
            return self._earlier
        record = self._record()
        if self._number % _REPEATED_EVERY == _REPEATED_EVERY // 2:
            self._earlier = record
        corrupted, rest = divmod(self._number, _CORRUPT_EVERY)
        if rest == 0:
            column, letter = _CORRUPT[(corrupted - 1) % len(_CORRUPT)]
            record[column] = letter
        return record

    def _record(self) -> list[str]:
        random = self._random
        decade, sex = _DECADES.of(random), _SEXES.of(random)
        age = max(int(decade) * 10 + int(random.random() * 10), 17)
        education = _EDUCATIONS.of(random)
        workclass = _WORKCLASSES.of(random)
        has_worked = workclass not in ("?", "Never-worked")
        occupation = _OCCUPATIONS.of(random) if has_worked else "?"
        status = _MARRIED.of(random) if age >= 24 else "Never-married"
        gain = _GAINS.of(random)
        loss = _LOSSES.of(random) if gain == "0" else "0"
        percent = (
            _DATA["percent_above_50k"][education]
            * _DATA["decade_factors"][decade]
            * _DATA["occupation_factors"].get(occupation, 1.0)
            * (1.2 if sex == "Male" else 0.5)
        )
        if len(gain) > 3:
            percent += 50
        return [
            str(age),
            workclass,
            str(20_000 + int((random.random() + random.random()) * 170_000)),
            education,
            _EDUCATION_NUMBERS[education],
            status,
            occupation,
            _relationship(status, sex, age),
            _RACES.of(random),
            sex,
            gain,
            loss,
            _HOURS.of(random),
            _COUNTRIES.of(random),
            ">50K" if random.random() * 100 < percent else "<=50K",
        ]


def _relationship(status: str, sex: str, age: int) -> str:
    if status.startswith("Married-civ"):
        return "Husband" if sex == "Male" else "Wife"
    if status == "Never-married":
        return "Own-child" if age < 26 else "Not-in-family"
    return "Unmarried" if age % 2 else "Not-in-family"
