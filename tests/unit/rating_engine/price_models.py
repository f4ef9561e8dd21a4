"""Small tariffs for tests: a head, and the rules that a test is about."""

from datetime import date
from fractions import Fraction

from rating_engine.domain.document import parse
from rating_engine.domain.quoting import Question, quote
from rating_engine.domain.rate import Rating

HEAD = """\
format: suiden-tariff/1
code: small
name: {en: Small}
effective_from: 2020-01-01
"""
PLAIN_MONEY = """\
    tax: {percent: 0, prices: tax_excluded}
    rounding: {unit: 1, mode: half_up, scope: service, when: before_tax}
"""


def document(
    charges: str,
    *,
    money: str = PLAIN_MONEY,
    top: str = "",
    currency: str = "JPY",
    unit: str = "m3",
    decimals: int = 3,
    service: str = "other",
) -> str:
    indented = "".join(f"      {line}\n" for line in charges.strip("\n").splitlines())
    return (
        f"{HEAD}currency: {currency}\nquantity: {{unit: {unit}, decimals: {decimals}, mode: down, of: use}}\n{top}"
        f"services:\n  - service: {service}\n{money}    charges:\n{indented}"
    )


def bill(text: str, usage: str = "0", **given: object) -> Rating:
    """Quote; what is no field of a question is a fact."""
    fields = {name: given.pop(name) for name in list(given) if name in Question.__dataclass_fields__}
    facts = {name: str(value) for name, value in given.items()}
    question = Question(usage=Fraction(usage), facts=facts, **fields)  # type: ignore[arg-type]
    return quote(parse(text), question=question, today=date(2026, 4, 15))[0]


def total(text: str, usage: str = "0", **given: object) -> int:
    return bill(text, usage, **given).total_minor


def printed(rating: Rating) -> list[tuple[str, str, int]]:
    return [(line.label, line.quantity, line.amount_minor) for line in rating.lines]
