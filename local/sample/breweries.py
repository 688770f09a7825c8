"""Breweries, as the public data set has them: plain CSV, and what people type by hand.

In it are several spellings of a state, phones that were once floating-point numbers, postal codes
that begin with zeros, coordinates the wrong way round or without their sign, and empty values.
"""

from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from random import Random

BREWERY_HEADER = (
    "id,name,brewery_type,address_1,address_2,address_3,city,state_province,postal_code,country,"
    "phone,website_url,longitude,latitude"
)
# The real set's count, and those of its types.
BREWERIES = 11_822
_TYPES = {
    "micro": 5840,
    "brewpub": 3931,
    "planning": 640,
    "closed": 637,
    "regional": 239,
    "contract": 210,
    "large": 137,
    "proprietor": 67,
    "taproom": 47,
    "bar": 41,
    "nano": 22,
    "cidery": 7,
    "beergarden": 3,
}

# Share; city, state, the postal code's beginning, its other digits, longitude and latitude.
_UNITED_STATES = """
    52|Birmingham|Alabama|352|2|-86.80|33.52
    60|Anchorage|Alaska|995|2|-149.90|61.22
    125|Phoenix|Arizona|850|2|-112.07|33.45
    45|Little Rock|Arkansas|722|2|-92.29|34.75
    469|San Diego|California|921|2|-117.16|32.72
    450|Sacramento|California|958|2|-121.49|38.58
    449|Denver|Colorado|802|2|-104.99|39.74
    112|Hartford|Connecticut|061|2|-72.68|41.76
    28|Dover|Delaware|199|2|-75.52|39.16
    22|Washington|District of Columbia|200|2|-77.04|38.91
    312|Tampa|Florida|336|2|-82.46|27.95
    100|Atlanta|Georgia|303|2|-84.39|33.75
    34|Honolulu|Hawaii|968|2|-157.86|21.31
    67|Boise|Idaho|837|2|-116.20|43.62
    257|Chicago|Illinois|606|2|-87.63|41.88
    162|Indianapolis|Indiana|462|2|-86.16|39.77
    91|Des Moines|Iowa|503|2|-93.62|41.59
    47|Wichita|Kansas|672|2|-97.34|37.69
    58|Louisville|Kentucky|402|2|-85.76|38.25
    44|New Orleans|Louisiana|701|2|-90.07|29.95
    114|Portland|Maine|041|2|-70.26|43.66
    158|Baltimore|Maryland|212|2|-76.61|39.29
    171|Boston|Massachusetts|021|2|-71.06|42.36
    375|Grand Rapids|Michigan|495|2|-85.67|42.96
    183|Minneapolis|Minnesota|554|2|-93.27|44.98
    17|Jackson|Mississippi|392|2|-90.18|32.30
    137|Kansas City|Missouri|641|2|-94.58|39.10
    5|Kansas City|MIssouri|641|2|-94.58|39.10
    92|Missoula|Montana|598|2|-114.00|46.87
    62|Omaha|Nebraska|681|2|-95.93|41.26
    51|Reno|Nevada|895|2|-119.81|39.53
    113|Manchester|New Hampshire|031|2|-71.46|42.99
    115|Trenton|New Jersey|086|2|-74.74|40.22
    83|Albuquerque|New Mexico|871|2|-106.65|35.08
    419|Brooklyn|New York|112|2|-73.95|40.68
    311|Asheville|North Carolina|288|2|-82.55|35.60
    26|Fargo|North Dakota|581|2|-96.79|46.88
    303|Columbus|Ohio|432|2|-83.00|39.96
    44|Tulsa|Oklahoma|741|2|-95.99|36.15
    295|Bend|Oregon|977|2|-121.31|44.06
    345|Philadelphia|Pennsylvania|191|2|-75.17|39.95
    31|Providence|Rhode Island|029|2|-71.41|41.82
    79|Charleston|South Carolina|294|2|-79.93|32.78
    45|Rapid City|South Dakota|577|2|-103.23|44.08
    116|Nashville|Tennessee|372|2|-86.78|36.16
    352|Austin|Texas|787|2|-97.74|30.27
    45|Salt Lake City|Utah|841|2|-111.89|40.76
    52|Burlington|Vermont|054|2|-73.21|44.48
    255|Richmond|Virginia|232|2|-77.44|37.54
    529|Seattle|Washington|981|2|-122.33|47.61
    40|Charleston|West Virginia|253|2|-81.63|38.35
    225|Milwaukee|Wisconsin|532|2|-87.91|43.04
    52|Laramie|Wyoming|820|2|-105.59|41.31
"""
_OTHERS = {
    "Germany": """
        597|Bamberg|Bayern|960|2|10.89|49.89
        195|Freiburg im Breisgau|Baden-Württemberg|791|2|7.85|48.00
        145|Köln|Nordrhein-Westfalen|506|2|6.96|50.94
        41|Berlin|Berlin|101|2|13.40|52.52
        67|Dresden|Sachsen|010|2|13.74|51.05
        37|Erfurt|Thüringen|990|2|11.03|50.98
        79|Göttingen|Niedersachsen|370|2|9.94|51.53
    """,
    "Australia": """
        160|Melbourne|VIC|30|2|144.96|-37.81
        144|Newcastle|NSW|22|2|151.78|-32.93
        81|Brisbane|QLD|40|2|153.03|-27.47
        3|Darwin|NT|08|2|130.84|-12.46
        46|Fremantle|WA|61|2|115.75|-32.06
    """,
    "Belgium": """
        297|Gent|Vlaanderen|90|2|3.72|51.05
        4|Brugge|Flanders|80|2|3.22|51.21
        4|Leuven|Région flamande|30|2|4.70|50.88
        129|Namur|Région wallonne|50|2|4.87|50.47
        4|Liège|Wallonia|40|2|5.57|50.63
        4|Mons|Waals Gewest|70|2|3.95|50.45
        43|Bruxelles|Brussels Capital Region|10|2|4.35|50.85
    """,
    "Canada": """
        164|Guelph|Ontario|N1H 6|2|-80.25|43.55
        119|Victoria|British Columbia|V8W 1|2|-123.37|48.43
    """,
    "New Zealand": """
        44|Auckland|Auckland|10|2|174.76|-36.85
        43|Wellington|Wellington Region|60|2|174.78|-41.29
        4|Whangārei|Northland Region|01|2|174.32|-35.73
        4|Kerikeri|Northland|02|2|173.95|-35.23
    """,
    "South Africa": """
        51|Cape Town|Western Cape|80|2|18.42|-33.92
        17|Durban|KwaZulu-Natal|40|2|31.02|-29.86
    """,
    "Netherlands": "18|Haarlem|Noord-Holland|20|2|4.64|52.38",
    "Portugal": """
        18|Porto|Porto|4000-0|2|-8.61|41.15
        1|Ponta Delgada|Açores|9500-0|2|-25.67|37.74
    """,
    "Ireland": "16|Dublin|Dublin|D02 X2|2|-6.26|53.35",
    "Finland": "19|Helsinki|Uusimaa|001|2|24.94|60.17",
    "England": "62|Brighton|East Sussex|BN1 1|1|-0.14|50.82",
    "Scotland": "10|Dumbarton|West Dunbartonshire|G82 1|1|-4.57|55.94",
    "South Korea": """
        14|Seoul|Seoul|040|2|126.98|37.57
        3|Daegu|Deagu|417|2|128.60|35.87
    """,
    "Singapore": "33|Singapore|Singapore|0589|2|103.85|1.30",
    "Poland": "34|Wrocław|dolnośląskie|50-1|2|17.03|51.11",
    "Japan": "10|Osaka|Osaka|530-00|2|135.50|34.69",
}
_CALLING_CODES = {
    "Germany": "49",
    "Australia": "61",
    "Belgium": "32",
    "New Zealand": "64",
    "South Africa": "27",
    "Netherlands": "31",
    "Portugal": "351",
    "Ireland": "353",
    "Finland": "358",
    "England": "44",
    "Scotland": "44",
    "South Korea": "82",
    "Singapore": "65",
    "Poland": "48",
    "Japan": "81",
}
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

_Place = tuple[str, str, str, str, int, float, float]


def _places() -> Iterator[tuple[int, _Place]]:
    for country, table in {"United States": _UNITED_STATES, **_OTHERS}.items():
        for line in table.strip().splitlines():
            share, city, state, postal_code, digits, longitude, latitude = line.strip().split("|")
            place = (country, city, state, postal_code, int(digits))
            yield int(share), (*place, float(longitude), float(latitude))


def brewery_rows(scale: float) -> Iterator[str]:
    """Yield finished lines, `scale` times as many as the real set has, in no order."""
    shares, places = zip(*_places(), strict=True)
    place_limits = list(accumulate(shares))
    types, type_limits = list(_TYPES), list(accumulate(_TYPES.values()))
    # Only random() and getrandbits(): they are the same in every version of Python.
    random, bits = Random(1822).random, Random(11).getrandbits

    def pick(words: tuple[str, ...]) -> str:
        return words[int(random() * len(words))]

    for number in range(max(round(BREWERIES * scale), 1)):
        place = places[bisect(place_limits, random() * place_limits[-1])]
        country, city, state, postal_code, digits, longitude, latitude = place
        name = f"{pick(_FIRST_WORDS)} {pick(_SECOND_WORDS)} {pick(_LAST_WORDS)}"
        values = [
            f"{bits(32):08x}-{bits(16):04x}-4{bits(12):03x}-8{bits(12):03x}-{bits(48):012x}",
            name,
            types[bisect(type_limits, random() * type_limits[-1])],
            f"{1 + int(random() * 9999)} {pick(_STREETS)}" if random() > 0.06 else "",
            f"Suite {1 + int(random() * 40)}" if random() < 0.03 else "",
            "Unit B" if random() < 0.003 else "",
            city,
            state,
            f"{postal_code}{int(random() * 10**digits):0{digits}d}",
            country,
            _phone(number, country, int(random() * 10**10)),
            f"http://www.brewery{number}.example" if random() > 0.11 else "",
            *_coordinates(number, longitude + random() / 10, latitude + random() / 10),
        ]
        if random() < 0.2:
            values[-2:] = ["", ""]
        yield ",".join(map(_quoted, values)) + "\n"


def _phone(number: int, country: str, digits: int) -> str:
    if number % 9 == 5:
        return ""
    if country == "United States":
        return f"{2_000_000_000 + digits % 7_999_999_999:010d}"
    if country == "Canada":
        # Once read as a number, and written again.
        return f"{2_000_000_000 + digits % 7_999_999_999:010d}" + (".0" if number % 3 else "")
    return f"+{_CALLING_CODES[country]} {digits % 1000:03d} {digits // 1000 % 10**6:06d}"


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
        doubled = value.replace('"', '""')
        return f'"{doubled}"'
    return value
