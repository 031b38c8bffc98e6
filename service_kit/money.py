"""Minor units as people write money: how many digits a currency has after the point (ISO 4217)."""

from decimal import Decimal

WITHOUT_MINOR_UNIT = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"]
)
IN_THOUSANDTHS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])


def decimal_text(minor: int, currency: str) -> str:
    """`1250` of EUR is `12.50`, of JPY `1250`, of KWD `1.250`."""
    digits = 0 if currency in WITHOUT_MINOR_UNIT else 3 if currency in IN_THOUSANDTHS else 2
    return str(Decimal(minor).scaleb(-digits))
