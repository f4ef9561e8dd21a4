"""From a tariff document (YAML) to a tariff, or to the line and the rule that it breaks."""

from collections.abc import Iterator
from decimal import Decimal

from rating_engine.domain import document_charges as charges
from rating_engine.domain.decimals import NotExact, digits_after_point, to_scaled
from rating_engine.domain.months import Proration, Split
from rating_engine.domain.rounding import Rounding, RoundingMode
from rating_engine.domain.tariff import QuantityRule, Scale, Service, Tariff, Tax
from rating_engine.domain.yaml_reader import DocumentInvalid, Node, read

FORMAT = "suiden-tariff/1"
MODES: tuple[RoundingMode, ...] = ("down", "up", "half_up", "half_even", "floor", "ceiling")
MINOR_DIGITS = {"JPY": 0, "KRW": 0, "USD": 2, "EUR": 2, "CNY": 2, "GBP": 2, "TWD": 2}
CLASSES = ("general",)


def parse(text: str) -> Tariff:
    """Read a tariff document.

    :raises DocumentInvalid: naming the line and the rule
    """
    root = read(text)
    fields = root.mapping(
        required=("format", "code", "name", "status", "effective_from", "currency", "quantity", "cycle", "services"),
        optional=("source", "applies_by"),
    )
    fields["format"].choice((FORMAT,))
    scale = _scale(fields, root=root)
    services = tuple(
        _service(node, scale=scale, currency_node=fields["currency"]) for node in fields["services"].items()
    )
    _check_services(services, node=fields["services"])
    cycle = fields["cycle"].mapping(required=("months",), optional=("split", "odd_to"))
    return Tariff(
        code=_code(fields["code"]),
        names=tuple((locale, node.text()) for locale, node in fields["name"].entries().items()),
        status=fields["status"].choice(("published", "example")),
        effective_from=fields["effective_from"].day(),
        applies_by=fields["applies_by"].choice(("period_start", "period_end"))
        if "applies_by" in fields
        else "period_start",
        currency=fields["currency"].text(),
        scale=scale,
        quantity=_quantity(fields["quantity"]),
        cycle_months=cycle["months"].integer(least=1, most=12),
        split=Split(
            method=cycle["split"].choice(("share", "widen_table")) if "split" in cycle else "share",
            odd_to=cycle["odd_to"].choice(("first", "last")) if "odd_to" in cycle else "first",
        ),
        services=services,
    )


def _code(node: Node) -> str:
    code = node.text()
    if not all(character.isascii() and (character.isalnum() or character == "-") for character in code):
        raise node.refuse("code", f"{code}: letters a-z, digits and hyphens only")
    return code


def _quantity(node: Node) -> QuantityRule:
    fields = node.mapping(required=("unit", "decimals", "mode", "of"))
    return QuantityRule(
        unit=fields["unit"].choice(("m3", "kWh", "gal", "ft3")),
        digits=fields["decimals"].integer(least=0, most=3),
        mode=fields["mode"].choice(MODES),
        of=fields["of"].choice(("registers", "use")),
    )


def _scale(fields: dict[str, Node], *, root: Node) -> Scale:
    currency = fields["currency"].choice(tuple(MINOR_DIGITS))
    minor_digits = MINOR_DIGITS[currency]
    finest = max((digits_after_point(number) for number in charges.prices_in(fields["services"])), default=0)
    scale = Scale(
        minor_digits=minor_digits,
        price_digits=max(0, finest - minor_digits),
        quantity_digits=_quantity(fields["quantity"]).digits,
    )
    if scale.price_digits + scale.quantity_digits > 8:
        raise root.refuse("too-fine", "prices and quantities have too many decimals together: eight at most")
    return scale


def _service(node: Node, *, scale: Scale, currency_node: Node) -> Service:
    fields = node.mapping(required=("service", "tax", "rounding", "charges"), optional=("classes", "proration"))
    return Service(
        service=fields["service"].choice(("water", "sewerage", "electricity", "other")),
        classes=frozenset(one.text() for one in fields["classes"].items())
        if "classes" in fields
        else frozenset(CLASSES),
        charges=tuple(charges.charge(one, scale=scale, modes=MODES) for one in fields["charges"].items()),
        tax=_tax(fields["tax"]),
        rounding=_rounding(fields["rounding"], scale=scale, currency_node=currency_node),
        proration=_proration(fields["proration"]) if "proration" in fields else Proration("none", (), False),
    )


def _tax(node: Node) -> Tax:
    fields = node.mapping(required=("percent", "prices"))
    percent = fields["percent"].number()
    if not 0 <= percent <= 100:
        raise fields["percent"].refuse("percent", f"{percent} is not from 0 to 100")
    numerator, denominator = (percent / 100).as_integer_ratio()
    return Tax(
        percent=fields["percent"].text(),
        numerator=numerator,
        denominator=denominator,
        included=fields["prices"].choice(("tax_included", "tax_excluded")) == "tax_included",
    )


def _rounding(node: Node, *, scale: Scale, currency_node: Node) -> Rounding:
    fields = node.mapping(required=("unit", "mode", "scope", "when"))
    unit = fields["unit"].number()
    try:
        unit_minor = to_scaled(unit, digits=scale.minor_digits)
    except NotExact as error:
        raise fields["unit"].refuse(
            "rounding-unit", f"{unit} is finer than {currency_node.text()} has money for"
        ) from error
    if unit_minor < 1:
        raise fields["unit"].refuse("rounding-unit", "the unit must be above zero")
    return Rounding(
        unit_minor=unit_minor,
        mode=fields["mode"].choice(MODES),
        scope=fields["scope"].choice(("line", "month", "service", "bill")),
        when=fields["when"].choice(("before_tax", "after_tax")),
    )


def _proration(node: Node) -> Proration:
    fields = node.mapping(required=("basis",), optional=("steps", "table"))
    basis = fields["basis"].choice(("none", "day", "steps"))
    if (basis == "steps") != ("steps" in fields):
        raise node.refuse("proration-steps", "steps are given if the basis is steps, and only then")
    return Proration(
        basis=basis,
        steps=tuple(_steps(fields["steps"])) if "steps" in fields else (),
        scales_table=fields["table"].choice(("scaled", "whole")) == "scaled" if "table" in fields else False,
    )


def _steps(node: Node) -> Iterator[tuple[int, int, int]]:
    last_days, last_months = 0, Decimal(-1)
    for one in node.items():
        fields = one.mapping(required=("upto_days", "months"))
        days, months = fields["upto_days"].integer(least=1, most=400), fields["months"].number()
        if days <= last_days or months <= last_months or months < 0:
            raise one.refuse("steps-rise", "days and months must rise from step to step")
        last_days, last_months = days, months
        yield days, *months.as_integer_ratio()


def _check_services(services: tuple[Service, ...], *, node: Node) -> None:
    items = node.items()
    for index, service in enumerate(services):
        names = [charge.item for charge in service.charges]
        if len(set(names)) != len(names) or {"tax", "rounding"} & set(names):
            raise items[index].refuse(
                "item-names", "each charge has an item name of its own; tax and rounding are taken"
            )
    whole_bill = [service for service in services if service.rounding.scope == "bill"]
    if whole_bill and any((one.rounding, one.tax) != (services[0].rounding, services[0].tax) for one in services):
        raise node.refuse("bill-scope", "rounding over the bill needs the same tax and rounding in every service")


__all__ = ["DocumentInvalid", "parse"]
