"""The census sample: answers in the format of UCI Adult, with its kinds of dirt.

Every value but the first has a space before it, `?` is a missing one, the classes of the second
file end in a dot, a few records repeat an earlier one and a few cells hold a letter where a number
belongs. Incomes follow education, age, sex and occupation, roughly as they do in the real set.
"""

from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
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


class _Choice:
    """Names with the numbers of real records that bear them."""

    def __init__(self, shares: dict[str, int]) -> None:
        self._names = tuple(shares)
        self._through = tuple(accumulate(shares.values()))

    def of(self, random: Random) -> str:
        """Draw a name."""
        return self._names[bisect(self._through, int(random.random() * self._through[-1]))]


_DECADES = _Choice(
    {"1": 2_510, "2": 12_005, "3": 12_929, "4": 10_722, "5": 6_619, "6": 3_054, "7": 815, "8": 131}
)
_SEXES = _Choice({"Male": 32_650, "Female": 16_192})
_RACES = _Choice(
    {
        "White": 41_762,
        "Black": 4_685,
        "Asian-Pac-Islander": 1_519,
        "Amer-Indian-Eskimo": 470,
        "Other": 406,
    }
)
_WORKCLASSES = _Choice(
    {
        "Private": 33_906,
        "Self-emp-not-inc": 3_862,
        "Local-gov": 3_136,
        "?": 2_799,
        "State-gov": 1_981,
        "Self-emp-inc": 1_695,
        "Federal-gov": 1_432,
        "Without-pay": 21,
        "Never-worked": 10,
    }
)
# In ascending order; with the number of records and the percentage of incomes above 50,000.
_LEVELS = {
    "Preschool": (83, 1),
    "1st-4th": (247, 3),
    "5th-6th": (509, 5),
    "7th-8th": (955, 6),
    "9th": (756, 5),
    "10th": (1_389, 6),
    "11th": (1_812, 5),
    "12th": (657, 7),
    "HS-grad": (15_784, 16),
    "Some-college": (10_878, 19),
    "Assoc-voc": (2_061, 25),
    "Assoc-acdm": (1_601, 26),
    "Bachelors": (8_025, 41),
    "Masters": (2_657, 55),
    "Prof-school": (834, 74),
    "Doctorate": (594, 73),
}
_EDUCATIONS = _Choice({name: records for name, (records, _) in _LEVELS.items()})
_EDUCATION_NUMBERS = {name: str(place) for place, name in enumerate(_LEVELS, start=1)}
_OCCUPATIONS = _Choice(
    {
        "Prof-specialty": 6_172,
        "Craft-repair": 6_112,
        "Exec-managerial": 6_086,
        "Adm-clerical": 5_611,
        "Sales": 5_504,
        "Other-service": 4_923,
        "Machine-op-inspct": 3_022,
        "Transport-moving": 2_355,
        "Handlers-cleaners": 2_072,
        "Farming-fishing": 1_490,
        "Tech-support": 1_446,
        "Protective-serv": 983,
        "Priv-house-serv": 242,
        "Armed-Forces": 15,
    }
)
# How much likelier than others of their education people of an age or occupation earn more.
_DECADE_FACTORS = {"1": 0.01, "2": 0.35, "3": 1.2, "4": 1.6, "5": 1.6, "6": 1.1, "7": 0.8, "8": 0.7}
_OCCUPATION_FACTORS = {
    "Exec-managerial": 1.5,
    "Prof-specialty": 1.2,
    "Protective-serv": 1.2,
    "Tech-support": 1.1,
    "Handlers-cleaners": 0.5,
    "Other-service": 0.3,
    "Priv-house-serv": 0.1,
    "?": 0.5,
}
_MARRIED = _Choice(
    {
        "Married-civ-spouse": 22_379,
        "Never-married": 9_000,
        "Divorced": 6_633,
        "Separated": 1_530,
        "Widowed": 1_518,
        "Married-spouse-absent": 628,
        "Married-AF-spouse": 37,
    }
)
_COUNTRIES = _Choice(
    {
        "United-States": 43_832,
        "Mexico": 951,
        "?": 857,
        "Philippines": 295,
        "Germany": 206,
        "Puerto-Rico": 184,
        "Canada": 182,
        "El-Salvador": 155,
        "India": 151,
        "Cuba": 138,
        "England": 127,
        "South": 115,
        "Columbia": 85,
        "Trinadad&Tobago": 27,
        "Outlying-US(Guam-USVI-etc)": 23,
        "Holand-Netherlands": 1,
    }
)
_HOURS = _Choice(
    {"40": 22_803, "50": 4_246, "45": 2_717, "60": 2_176, "35": 1_937, "20": 1_862, "30": 1_700}
    | {"55": 1_051, "25": 950, "48": 770, "38": 700, "15": 620, "70": 430, "10": 420, "99": 137}
)
_GAINS = _Choice(
    {"0": 44_806, "15024": 513, "7688": 410, "7298": 364, "99999": 244, "3103": 152, "5178": 146}
    | {"5013": 117, "4386": 108, "2174": 74}
)
_LOSSES = _Choice({"0": 46_560, "1902": 304, "1977": 253, "1887": 233, "1485": 71, "2415": 72})


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
            _LEVELS[education][1]
            * _DECADE_FACTORS[decade]
            * _OCCUPATION_FACTORS.get(occupation, 1.0)
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
