"""The currency of the shop: which amounts it has. Used by whatever changes prices."""

from decimal import ROUND_HALF_UP, Decimal

from gateway.errors import InvalidPayload

# ISO 4217: currencies without minor units. All others have two digits, but for a few that the settings refuse.
# fmt: off
WHOLE = frozenset((
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
    "XPF",
))
# fmt: on
HIGHEST = Decimal("99999999.99")  # what the database stores


def rounded(amount: Decimal, currency: str) -> Decimal:
    """An amount in whole minor units, halves away from zero. Raises InvalidPayload for one that is too high then."""
    result = amount.quantize(Decimal(1) if currency in WHOLE else Decimal("0.01"), ROUND_HALF_UP)
    if result > HIGHEST:
        raise InvalidPayload(details=[{"field": "price", "problem": f"more than {HIGHEST}"}])
    return result
