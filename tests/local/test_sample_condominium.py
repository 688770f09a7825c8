"""The sample of the condominiums: counts, bytes, references and the real set's awkward traits."""

import hashlib
import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from local.sample import generate

# SHA-256 over the four files at scales up to 1: change it together with the generator.
DIGEST = "9fb8c16a85bf79b20879975165d3c92d3d071d1b379e0f2a4f51daedd64fe368"

DATE = r"\d{4}-\d\d-\d\d"
MONEY = r"\d+\.\d\d"
NAME = r"[^\s,][^,]*"
# The header, and the shape of a record.
FILES = {
    "condominios.csv": ("nome,endereco", rf"{NAME}, *{NAME}, \d+(?:, {NAME})+"),
    "imoveis.csv": ("tipo,condominio_id,valor", rf"(?:Apartamento|Casa|Duplex),\d+,{MONEY}"),
    "moradores.csv": ("nome,condominio_id,data_registro", rf"{NAME},\d+,{DATE}"),
    "transacoes.csv": (
        "imovel_id,morador_id,data_transacao,valor_transacao",
        rf"\d+,\d+,{DATE},{MONEY}",
    ),
}
COUNTS = {"condominios.csv": 3, "imoveis.csv": 36, "moradores.csv": 39, "transacoes.csv": 22}

Table = list[list[str]]


def records(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text(encoding="utf-8").split("\n")[1:]


def table(folder: Path, name: str) -> Table:
    return [record.split(",") for record in records(folder, name)]


@pytest.fixture(scope="module", params=[0.01, 1.7])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the four files, at two scales: what holds must hold at each."""
    out = tmp_path_factory.mktemp("sample")
    generate(request.param, out)
    return out / "condominium"


@pytest.mark.parametrize(("scale", "factor"), [(0.01, 1), (1.7, 1.7)])
def test_there_are_as_many_rows_as_in_the_real_set_or_more(
    scale: float, factor: float, tmp_path: Path
) -> None:
    counts = generate(scale, tmp_path)
    for name, count in COUNTS.items():
        assert counts[f"condominium/{name}"] == round(count * factor)
        assert len(records(tmp_path / "condominium", name)) == round(count * factor)


def test_same_bytes_on_every_machine_and_python(tmp_path: Path) -> None:
    generate(0.01, tmp_path)
    total = hashlib.sha256()
    for name in COUNTS:
        total.update((tmp_path / "condominium" / name).read_bytes())
    assert total.hexdigest() == DIGEST


@pytest.mark.parametrize("name", FILES)
def test_bytes_are_in_the_raw_format(sample: Path, name: str) -> None:
    assert_raw_format((sample / name).read_bytes(), name)


@pytest.mark.parametrize("name", FILES)
def test_real_files_have_the_same_format(name: str, real_data: Path) -> None:
    assert_raw_format((real_data / "condominium" / name).read_bytes(), name)


def assert_raw_format(data: bytes, name: str) -> None:
    header, *rows = data.decode().split("\n")
    shape = re.compile(FILES[name][1])
    assert header == FILES[name][0]
    # The last record has no line end: after one there would be an empty row here.
    assert [row for row in rows if not shape.fullmatch(row)] == []
    assert b"\r" not in data


def test_addresses_hold_two_commas_and_more(sample: Path) -> None:
    commas = {record.count(",") for record in records(sample, "condominios.csv")}
    assert commas == {3, 4}


def test_references_are_places_in_the_other_files(sample: Path) -> None:
    condominiums, properties, residents = (
        {str(1 + place) for place in range(len(records(sample, name)))}
        for name in ("condominios.csv", "imoveis.csv", "moradores.csv")
    )
    assert {row[1] for row in table(sample, "imoveis.csv")} == condominiums
    assert {row[1] for row in table(sample, "moradores.csv")} == condominiums
    assert {row[0] for row in table(sample, "transacoes.csv")} <= properties
    assert {row[1] for row in table(sample, "transacoes.csv")} <= residents


def test_some_transactions_are_odd_and_most_are_not(sample: Path) -> None:
    properties, residents = table(sample, "imoveis.csv"), table(sample, "moradores.csv")
    transactions = [
        (properties[int(sold) - 1], residents[int(resident) - 1], day)
        for sold, resident, day, _ in table(sample, "transacoes.csv")
    ]
    elsewhere = [sold[1] != resident[1] for sold, resident, _ in transactions]
    before = [
        date.fromisoformat(day) < date.fromisoformat(resident[2])
        for _, resident, day in transactions
    ]
    for odd in (elsewhere, before):
        assert 0.1 < sum(odd) / len(odd) < 0.4
    days = Counter((day, sold[0]) for sold, _, day in transactions)
    assert max(days.values()) > 1


def test_residents_share_names(sample: Path) -> None:
    names = Counter(row[0] for row in table(sample, "moradores.csv"))
    assert max(names.values()) > 1
