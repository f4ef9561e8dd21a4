"""A tariff document that breaks a rule is refused, and told where and why."""

import pytest

from rating_engine import tariffs
from rating_engine.domain.document import parse
from rating_engine.domain.facts import MonthNotPriced
from rating_engine.domain.parts import SizeNotPriced
from rating_engine.domain.rate import ClassNotPriced, Use, rate
from rating_engine.domain.yaml_reader import DocumentInvalid

TOKYO = tariffs.document("jp-tokyo")
TEPCO = tariffs.document("jp-tepco-b")


def line_of(document: str, text: str) -> int:
    return next(number for number, line in enumerate(document.splitlines(), start=1) if text in line)


@pytest.mark.parametrize(
    ("document", "old", "new", "rule"),
    [
        (TOKYO, "format: suiden-tariff/1", "format: suiden-tariff/9", "choice"),
        (TOKYO, 'price: "560"', "price: 5e2", "exact-decimal"),
        (TOKYO, 'price: "560"', 'price: "5,60"', "exact-decimal"),
        (TOKYO, "code: jp-tokyo", "code: 東京", "code"),
        (TOKYO, "effective_from: 2019-10-01", "effective_from: 2019-02-30", "date"),
        (TOKYO, "code: jp-tokyo", "kode: jp-tokyo", "missing-key"),
        (TOKYO, "odd_to: first", "odd: first", "unknown-key"),
        (TOKYO, 'upto: 20, price: "128"', 'upto: 9, price: "128"', "blocks-rise"),
        (TOKYO, '- {price: "345"}', '- {upto: 5000, price: "345"}', "last-block-open"),
        (TOKYO, '"30, 40":', '"25, 40":', "size-twice"),
        (TOKYO, "basis: steps", "basis: day", "proration-steps"),
        (TOKYO, 'upto_days: 31, months: "1"', 'upto_days: 15, months: "1"', "steps-rise"),
        (TOKYO, "scope: service, when: after_tax}", "scope: bill, when: after_tax}", "bill-scope"),
        (TOKYO, 'rounding: {unit: "1",', 'rounding: {unit: "0.1",', "rounding-unit"),
        (TOKYO, "- item: block", "- item: base", "item-names"),
        (TEPCO, '2024-11: "-8.67"', '2023-11: "-8.67"', "months-rise"),
        (TEPCO, '2024-11: "-8.67"', '2024-13: "-8.67"', "month"),
        (TEPCO, 'percent: "10"', 'percent: "110"', "percent"),
        (TEPCO, "cycle: {months: 1}", "cycle: {months: 0}", "whole-number"),
        (TEPCO, "model: blocks", "model: gift", "choice"),
        (TEPCO, "currency: JPY", "currency: [", "yaml"),
        (TEPCO, "status: example", "status: example\nstatus: example", "key-twice"),
    ],
)  # fmt: skip
def test_a_broken_document_is_refused_by_rule(document: str, old: str, new: str, rule: str) -> None:
    assert old in document
    with pytest.raises(DocumentInvalid) as refused:
        parse(document.replace(old, new, 1))
    assert refused.value.rule == rule
    assert f"line {refused.value.line}," in str(refused.value)


def test_the_complaint_names_the_line() -> None:
    with pytest.raises(DocumentInvalid) as refused:
        parse(TOKYO.replace('upto: 1000, price: "310"', 'upto: 1000, price: "310 yen"'))
    assert refused.value.line == line_of(TOKYO, 'upto: 1000, price: "310"')
    assert refused.value.place == "services[1].charges[1].blocks[7].price"


@pytest.mark.parametrize("document", ["", "[]", "just text", "a: b\n" * 250_001, "{" * 5_000, "&a [*a]"])
def test_what_is_no_tariff_document_is_refused(document: str) -> None:
    with pytest.raises(DocumentInvalid):
        parse(document)


def test_what_a_tariff_does_not_price_is_said() -> None:
    tokyo, tepco = parse(TOKYO), parse(TEPCO)
    months = ("2026-02", "2026-03")
    with pytest.raises(SizeNotPriced, match="size 21"):
        rate(tokyo, use=Use(10, 21, None, "general", 60, 60, months))
    with pytest.raises(ClassNotPriced, match="bath"):
        rate(tokyo, use=Use(10, 20, None, "bath", 60, 60, months))
    with pytest.raises(MonthNotPriced, match="2024-03"):
        rate(tepco, use=Use(10, None, 40, "general", 31, 31, ("2024-03",)))
