"""Breweries, as the public data set has them: plain CSV, and what people type by hand.

In it are several spellings of a state, phones that were once floating-point numbers, postal codes
that begin with zeros, coordinates the wrong way round or without their sign, and empty values.
"""

import csv
from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from random import Random

BREWERY_HEADER = (
    "id,name,brewery_type,address_1,address_2,address_3,city,state_province,postal_code,country,"
    "phone,website_url,longitude,latitude"
)
# The real set's count, and those of its types.
BREWERIES = 11_822
_TYPES = {
    "micro": 5840, "brewpub": 3931, "planning": 640, "closed": 637, "regional": 239,
    "contract": 210, "large": 137, "proprietor": 67, "taproom": 47, "bar": 41, "nano": 22,
    "cidery": 7, "beergarden": 3,
}  # fmt: skip
# How often a place occurs, and between what its postal codes and coordinates are.
PLACES_FILE = Path(__file__).with_name("data") / "breweries.csv"
_FIRST_WORDS = (
    *("Old", "Red", "Iron", "Golden", "Lost", "Blue", "Copper", "Northern", "Salty", "Wild"),
    *("Bräu", "Zum", "São", "Grüner", "L'Étoile", "Crooked", "Second", "Twin", "Hidden", "Quiet"),
)
_SECOND_WORDS = (
    *("Anchor", "Barrel", "Bear", "Bridge", "Canyon", "Crow", "Forge", "Fox", "Harbor", "Hirsch"),
    *("Kettle", "Lantern", "Mill", "Oak", "Otter", "Pier", "Raven", "Stag", "Valley", "Wolf"),
)
_LAST_WORDS = (
    *("Brewing Company", "Brewery", "Brewing Co.", "Ales", "Brewpub", "Brauerei", "Taproom"),
    *("Brewing Co, LLC", 'Brewery "The Cellar"'),
)
_STREETS = ("Main St", "Market St", "Oak Ave", "Station Rd", "Mill Ln", "Hauptstraße", "Rue Haute")


def brewery_rows(scale: float) -> Iterator[str]:
    """Yield finished lines, `scale` times as many as the real set has, in no order."""
    with PLACES_FILE.open(encoding="utf-8", newline="") as file:
        places = list(csv.DictReader(file))
    place_limits = list(accumulate(int(place["share"]) for place in places))
    types, type_limits = list(_TYPES), list(accumulate(_TYPES.values()))
    # Only random() and getrandbits(): they are the same in every version of Python.
    random, bits = Random(1822).random, Random(11).getrandbits

    def pick(words: tuple[str, ...]) -> str:
        return words[int(random() * len(words))]

    for number in range(max(round(BREWERIES * scale), 1)):
        place = places[bisect(place_limits, random() * place_limits[-1])]
        digits = int(place["digits"])
        longitude, latitude = float(place["longitude"]), float(place["latitude"])
        name = f"{pick(_FIRST_WORDS)} {pick(_SECOND_WORDS)} {pick(_LAST_WORDS)}"
        values = [
            f"{bits(32):08x}-{bits(16):04x}-4{bits(12):03x}-8{bits(12):03x}-{bits(48):012x}",
            name,
            types[bisect(type_limits, random() * type_limits[-1])],
            f"{1 + int(random() * 9999)} {pick(_STREETS)}" if random() > 0.06 else "",
            f"Suite {1 + int(random() * 40)}" if random() < 0.03 else "",
            "Unit B" if random() < 0.003 else "",
            place["city"],
            place["state"],
            f"{place['postal_code']}{int(random() * 10**digits):0{digits}d}",
            place["country"],
            _phone(number, place, int(random() * 10**10)),
            f"http://www.brewery{number}.example" if random() > 0.11 else "",
            *_coordinates(number, longitude + random() / 10, latitude + random() / 10),
        ]
        if random() < 0.2:
            values[-2:] = ["", ""]
        yield ",".join(map(_quoted, values)) + "\n"


def _phone(number: int, place: dict[str, str], digits: int) -> str:
    if number % 9 == 5:
        return ""
    if place["country"] == "United States":
        return f"{2_000_000_000 + digits % 7_999_999_999:010d}"
    if place["country"] == "Canada":
        # Once read as a number, and written again.
        return f"{2_000_000_000 + digits % 7_999_999_999:010d}" + (".0" if number % 3 else "")
    return f"+{place['calling_code']} {digits % 1000:03d} {digits // 1000 % 10**6:06d}"


def _coordinates(number: int, longitude: float, latitude: float) -> tuple[str, str]:
    # As many decimals as somebody's map happened to have.
    decimals = (7, 8, 6, 5, 4)[number % 5]
    texts = f"{longitude:.{decimals}f}", f"{latitude:.{decimals}f}"
    if number % 131 == 7:
        return texts[1], texts[0]
    if number % 131 == 19:
        return texts[0].removeprefix("-"), texts[1]
    return texts


def _quoted(value: str) -> str:
    if '"' in value or "," in value:
        escaped = value.replace('"', '""')
        return f'"{escaped}"'
    return value
