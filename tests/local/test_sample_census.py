"""The sample of the census: its format, its dirt and its incomes are like those of the real set."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from extract.declaration import read_sources
from local.sample import generate

(FEED,) = read_sources()["census"].feeds
# SHA-256 over both files at scale 0.01, as in test_sample.py: the same on any machine and Python.
DIGEST = "1d242590d784c72317750765eac60adf00e380394662326b02fdbd3cce221727"
NUMBERS = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week")

Record = dict[str, str]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample at the real set's own size."""
    folder = tmp_path_factory.mktemp("whole")
    counts = generate(1, folder)
    assert (counts["census/Adult.data"], counts["census/Adult.test"]) == (32_561, 16_281)
    return folder


def records(bucket: Path, files: Sequence[str] = FEED.files) -> list[Record]:
    """Reads the files by the format's rules, and checks what all of their lines keep to."""
    found = []
    for file in files:
        *lines, blank, nothing = (bucket / "census" / file).read_bytes().decode().split("\n")
        assert (blank, nothing) == ("", "")
        if file == "Adult.test":
            assert lines.pop(0) == "|1x3 Cross validator"
        for line in lines:
            values = line.split(", ")
            assert line.count(",") == len(values) - 1 == len(FEED.columns) - 1
            assert values[-1].endswith(".") == (file == "Adult.test")
            values[-1] = values[-1].removesuffix(".")
            found.append(dict(zip(FEED.columns, values, strict=True)))
    return found


def share_above_50k(found: Sequence[Record]) -> float:
    return sum(record["income_class"] == ">50K" for record in found) / len(found)


def test_as_many_records_as_the_real_set(whole: Path) -> None:
    assert len(records(whole)) == 48_842


@pytest.mark.parametrize(
    ("scale", "rows"), [(1e-9, (1, 1)), (0.01, (326, 163)), (0.3, (9768, 4884))]
)
def test_other_scales(scale: float, rows: tuple[int, int], tmp_path: Path) -> None:
    counts = generate(scale, tmp_path)
    assert (counts["census/Adult.data"], counts["census/Adult.test"]) == rows
    assert len(records(tmp_path)) == sum(rows)


def test_same_bytes_on_every_machine_and_python(tmp_path: Path) -> None:
    generate(0.01, tmp_path)
    files = [(tmp_path / "census" / file).read_bytes() for file in FEED.files]
    assert hashlib.sha256(b"".join(files)).hexdigest() == DIGEST


def test_as_much_dirt_as_in_the_real_set(whole: Path) -> None:
    found = records(whole)
    corrupt = [record[name] for record in found for name in NUMBERS if record[name].isalpha()]
    assert corrupt == ["A", "B", "C", "D", "E"]
    assert len(found) - len({tuple(record.values()) for record in found}) == 52
    missing = {name for record in found for name, value in record.items() if value == "?"}
    assert missing == {"workclass", "occupation", "native_country"}
    # More than fits an integer of 32 bits.
    assert sum(int(r["fnlwgt"]) for r in found if r["fnlwgt"].isdigit()) > 9_000_000_000


def test_incomes_follow_education_sex_and_age(whole: Path) -> None:
    found = records(whole)
    assert set(Counter(record["income_class"] for record in found)) == {">50K", "<=50K"}
    assert 0.2 < share_above_50k(found) < 0.3

    def share(name: str, *values: str) -> float:
        return share_above_50k([record for record in found if record[name] in values])

    assert share("education", "HS-grad") < share("education", "Bachelors") < 0.7
    assert share("sex", "Female") < share("sex", "Male")
    assert share("age", "17", "18", "19") < 0.1 < share("age", "45")


def test_the_names_are_the_real_ones(whole: Path, real_data: Path) -> None:
    names = [name for name in FEED.columns if name not in NUMBERS]
    real, sample = records(real_data), records(whole)
    for name in names:
        assert {record[name] for record in sample} <= {record[name] for record in real}
    levels = {(record["education"], record["education_num"]) for record in real}
    assert {(record["education"], record["education_num"]) for record in sample} == levels
