"""Amounts in minor units of a currency, and how they are written."""

from decimal import Decimal

from babel.numbers import format_currency

MINOR_DIGITS = {
    "JPY": 0,
    "KRW": 0,
    "VND": 0,
    "CLP": 0,
    "USD": 2,
    "EUR": 2,
    "CNY": 2,
    "GBP": 2,
    "TWD": 2,
    "KWD": 3,
}


class CurrencyUnknown(ValueError):
    """The currency is not in our table of minor digits."""


def minor_digits(currency: str) -> int:
    """:raises CurrencyUnknown: if we do not know how many minor digits the currency has"""
    try:
        return MINOR_DIGITS[currency]
    except KeyError as error:
        raise CurrencyUnknown(
            f"currency {currency} is not known; known are {', '.join(sorted(MINOR_DIGITS))}"
        ) from error


def format_minor(amount_minor: int, *, currency: str, locale: str) -> str:
    """Write an amount as people of the locale do, for pages and notices."""
    digits = minor_digits(currency)
    return format_currency(Decimal(amount_minor).scaleb(-digits), currency, locale=locale)
