"""A property manager's condominiums, properties, residents and transactions.

As the real files are: no ids (a record is known by its place), an address with commas and no quotes
under a header that says two columns, LF, and no line end after the last record. Some transactions
are of a resident of another condominium, or come before the resident was registered.
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from random import Random

from local.sample.raw_file import RawFile

CONDOMINIUM_HEADER = "nome,endereco"
PROPERTY_HEADER = "tipo,condominio_id,valor"
RESIDENT_HEADER = "nome,condominio_id,data_registro"
TRANSACTION_HEADER = "imovel_id,morador_id,data_transacao,valor_transacao"

# The real set's own numbers, and never fewer: they are few.
_CONDOMINIUMS, _PROPERTIES, _RESIDENTS, _TRANSACTIONS = 3, 36, 39, 22

_TYPES = (*["Apartamento"] * 8, "Casa", "Duplex")
_STREETS = ("Rua das Palmeiras", "Avenida das Flores", "Travessa do Sol", "Alameda São João")
_QUARTERS = ("Centro", "Bloco B, Jardim Primavera", "Vila Esperança", "Água Verde")
_FIRST_NAMES = (
    *("Ana", "André", "Antônio", "Beatriz", "Bruno", "Cláudia", "Conceição", "Eduardo", "Érica"),
    *("Flávia", "Gabriel", "Inês", "João", "Júlia", "Luís", "Marta", "Patrícia", "Vinícius"),
)
_LAST_NAMES = (
    *("Almeida", "Araújo", "Barbosa", "Conceição", "Costa", "Dias", "Gonçalves", "Lima"),
    *("Magalhães", "Oliveira", "Pereira", "Ribeiro", "Rocha", "Silva", "Souza"),
)
# Of as many neighbouring residents the last two share a name: they must be told apart by id.
_HOMONYM_CYCLE = 13
# Of as many transactions the last is of the same day and type of property as the one before.
_SAME_DAY_CYCLE = 5
# Of as many transactions one is of a resident of another condominium, and another comes before the
# resident was registered.
_ODD_CYCLE = 4

_FIRST_DAY = date(2024, 1, 1)
_REGISTRATION_DAYS = 180
_TRANSACTION_DAYS = 365

Create = Callable[[str, str], RawFile]


def write_condominiums(scale: float, create: Create) -> None:
    """Write the four files, `create`d by name and header.

    `scale` multiplies the real set's numbers of rows (3, 36, 39 and 22); below 1 it is 1.
    """
    condominiums, properties, residents, transactions = (
        round(count * max(scale, 1))
        for count in (_CONDOMINIUMS, _PROPERTIES, _RESIDENTS, _TRANSACTIONS)
    )
    create("condominios.csv", CONDOMINIUM_HEADER).write_all(_condominium_rows(condominiums))
    create("imoveis.csv", PROPERTY_HEADER).write_all(_property_rows(properties, condominiums))
    create("moradores.csv", RESIDENT_HEADER).write_all(_resident_rows(residents, condominiums))
    create("transacoes.csv", TRANSACTION_HEADER).write_all(
        _transaction_rows(transactions, properties, residents, condominiums)
    )


def _condominium_rows(count: int) -> Iterator[str]:
    for position in range(count):
        street = _STREETS[position % len(_STREETS)]
        quarter = _QUARTERS[position % len(_QUARTERS)]
        yield f"\nCondomínio {1 + position},{street}, {10 + 7 * position}, {quarter}"


def _property_rows(count: int, condominiums: int) -> Iterator[str]:
    bits = Random(301).getrandbits
    for position in range(count):
        condominium = 1 + position * condominiums // count
        yield f"\n{_type(position)},{condominium},{800 + bits(8)}000.00"


def _resident_rows(count: int, condominiums: int) -> Iterator[str]:
    bits = Random(302).getrandbits
    name = ""
    for position in range(count):
        if position % _HOMONYM_CYCLE != _HOMONYM_CYCLE - 1:
            first, last = bits(16) % len(_FIRST_NAMES), bits(16) % len(_LAST_NAMES)
            name = f"{_FIRST_NAMES[first]} {_LAST_NAMES[last]}"
        condominium = 1 + position * condominiums // count
        yield f"\n{name},{condominium},{_registration(position, count)}"


def _transaction_rows(
    count: int, properties: int, residents: int, condominiums: int
) -> Iterator[str]:
    bits = Random(303).getrandbits
    sold = 0
    day = _FIRST_DAY
    for position in range(count):
        is_same_day = position % _SAME_DAY_CYCLE == _SAME_DAY_CYCLE - 1
        if is_same_day:
            sold += len(_TYPES) if sold + len(_TYPES) < properties else -len(_TYPES)
        else:
            sold = bits(32) % properties
        # Residents and properties are in the order of their condominiums.
        condominium = sold * condominiums // properties
        first = -(-condominium * residents // condominiums)
        next_first = -(-(condominium + 1) * residents // condominiums)
        resident = first + bits(32) % (next_first - first)
        if position % _ODD_CYCLE == 1:
            resident = (resident + 2 * (residents // condominiums)) % residents
        if not is_same_day:
            days = -1 - bits(5) if position % _ODD_CYCLE == 3 else bits(16) % _TRANSACTION_DAYS
            day = _registration(resident, residents) + timedelta(days)
        yield f"\n{1 + sold},{1 + resident},{day},{800 + bits(8)}000.{bits(16) % 100:02d}"


def _type(position: int) -> str:
    return _TYPES[position % len(_TYPES)]


def _registration(position: int, residents: int) -> date:
    return _FIRST_DAY + timedelta(position * _REGISTRATION_DAYS // residents)
