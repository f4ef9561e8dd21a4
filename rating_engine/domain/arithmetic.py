"""How an amount came about, written for people of every language."""

from rating_engine.domain.decimals import grouped, plain
from rating_engine.domain.parts import Part
from rating_engine.domain.tariff import Scale


def arithmetic_of(part: Part, *, scale: Scale) -> str:
    """Write quantity × price = exact amount, as 120 × 29.80 = 3,576."""
    price = grouped(
        part.unit_price, digits=scale.price_digits + scale.minor_digits, least_decimals=_price_decimals(scale)
    )
    if part.quantity is not None:
        count = plain(part.quantity, digits=scale.quantity_digits)
    else:
        numerator, denominator = part.factor or (1, 1)
        count = str(numerator) if denominator == 1 else f"{numerator}/{denominator}"
    return f"{count} × {price} {_result(part, scale=scale)}"


def exact_text(amount: int, *, scale: Scale) -> str:
    """Write an exact amount in the currency's major unit, with thousands apart."""
    return grouped(amount, digits=scale.price_digits + scale.quantity_digits + scale.minor_digits)


def _result(part: Part, *, scale: Scale) -> str:
    """Write what the product is, and what its own rule rounded it to where it did."""
    amount = exact_text(part.amount, scale=scale)
    if part.quantity is not None:
        product = part.quantity * part.unit_price
        return f"= {amount}" if product == part.amount else f"= {exact_text(product, scale=scale)} → {amount}"
    numerator, denominator = part.factor or (1, 1)
    is_exact = part.unit_price * numerator * 10**scale.quantity_digits == part.amount * denominator
    return f"= {amount}" if is_exact else f"→ {amount}"


def _price_decimals(scale: Scale) -> int:
    # Prices of one tariff line up: all with the decimals of money at least, or of the finest price.
    return scale.price_digits + scale.minor_digits
