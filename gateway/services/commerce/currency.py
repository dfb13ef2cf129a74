"""Rounds prices to the currency of the shop. Used by the catalog."""

from decimal import ROUND_HALF_UP, Decimal

from gateway.errors import InvalidPayload

# ISO 4217: currencies without minor units. All others have two digits, except some that the settings refuse.
# fmt: off
WHOLE = frozenset((
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
    "XPF",
))
# fmt: on
HIGHEST = Decimal("99999999.99")  # what the database stores


def rounded(amount: Decimal, currency: str) -> Decimal:
    """Round an amount to minor units, halves away from zero. Raises InvalidPayload if the result is above HIGHEST."""
    result = amount.quantize(Decimal(1) if currency in WHOLE else Decimal("0.01"), ROUND_HALF_UP)
    if result > HIGHEST:
        raise InvalidPayload(details=[{"field": "price", "problem": f"more than {HIGHEST}"}])
    return result
