"""The charges of a tariff document, one reader for each price model."""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

import yaml

from rating_engine.domain.base_fee import BaseFee
from rating_engine.domain.blocks import Block, Blocks, BlockTable
from rating_engine.domain.dated import Levy, UnitAdjustment
from rating_engine.domain.decimals import NotExact, to_scaled
from rating_engine.domain.rounding import RoundingMode
from rating_engine.domain.tariff import Charge, Scale
from rating_engine.domain.yaml_reader import Node

MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
ITEM = re.compile(r"[a-z][a-z_]{0,31}")
SIZES = ("size_mm", "capacity_a", "all")
PRICE_KEYS = frozenset({"price", "price_step"})


def charge(node: Node, *, scale: Scale, modes: Sequence[RoundingMode]) -> Charge:
    """:raises DocumentInvalid: naming the line and the rule"""
    model = node.entries().get("model")
    if model is None:
        raise node.refuse("missing-key", "model is missing")
    match model.choice(("base_fee", "blocks", "unit_adjustment", "levy")):
        case "base_fee":
            return _base_fee(node, scale=scale, modes=modes)
        case "blocks":
            return _blocks(node, scale=scale, modes=modes)
        case "unit_adjustment":
            fields = node.mapping(required=("item", "model", "months"))
            return UnitAdjustment(item=_item(fields["item"]), table=_months(fields["months"], scale=scale))
        case _:
            return _levy(node, scale=scale, modes=modes)


def prices_in(node: Node) -> Iterator[Decimal]:
    """Find every price of the services, to learn how many decimals they need."""
    if isinstance(node.raw, yaml.MappingNode):
        for key, child in node.entries().items():
            if key in PRICE_KEYS:
                yield child.number()
            elif key in ("prices", "months") and isinstance(child.raw, yaml.MappingNode):
                yield from (price.number() for price in child.entries().values())
            else:
                yield from prices_in(child)
    elif isinstance(node.raw, yaml.SequenceNode):
        for child in node.items():
            yield from prices_in(child)


def _base_fee(node: Node, *, scale: Scale, modes: Sequence[RoundingMode]) -> BaseFee:
    fields = node.mapping(
        required=("item", "model", "by"), optional=("prices", "price", "zero_use", "price_step", "mode")
    )
    by = fields["by"].choice(SIZES)
    if (by == "all") != ("price" in fields) or (by != "all") != ("prices" in fields):
        raise node.refuse("base-prices", "by all has one price, by size_mm or capacity_a has prices")
    prices = (
        _prices_by_size(fields["prices"], scale=scale) if by != "all" else ((0, _price(fields["price"], scale=scale)),)
    )
    step = _price(fields["price_step"], scale=scale) if "price_step" in fields else 1
    if step < 1:
        raise fields["price_step"].refuse("price-step", "the step must be above zero")
    return BaseFee(
        item=_item(fields["item"]),
        by=by,
        prices=prices,
        zero_use=fields["zero_use"].number().as_integer_ratio() if "zero_use" in fields else (1, 1),
        step=step,
        mode=fields["mode"].choice(modes) if "mode" in fields else "half_up",
    )


def _blocks(node: Node, *, scale: Scale, modes: Sequence[RoundingMode]) -> Blocks:
    fields = node.mapping(required=("item", "model"), optional=("by", "kind", "blocks", "tables", "boundary_mode"))
    by = fields["by"].choice(SIZES) if "by" in fields else "all"
    if ("tables" in fields) == ("blocks" in fields) or ("tables" in fields) != (by != "all"):
        raise node.refuse("block-tables", "give blocks, or by size_mm or capacity_a and tables")
    if "blocks" in fields:
        tables = (BlockTable(frozenset(), _block_list(fields["blocks"], scale=scale)),)
    else:
        tables = tuple(_table(one, scale=scale) for one in fields["tables"].items())
        sizes = [size for table in tables for size in table.sizes]
        if len(set(sizes)) != len(sizes):
            raise fields["tables"].refuse("size-twice", "a size stands in two tables")
    return Blocks(
        item=_item(fields["item"]),
        by=by,
        kind=fields["kind"].choice(("graduated", "whole")) if "kind" in fields else "graduated",
        tables=tables,
        boundary_mode=fields["boundary_mode"].choice(modes) if "boundary_mode" in fields else "half_up",
    )


def _table(node: Node, *, scale: Scale) -> BlockTable:
    fields = node.mapping(required=("sizes", "blocks"))
    sizes = frozenset(size.integer(least=1, most=10_000) for size in fields["sizes"].items())
    return BlockTable(sizes, _block_list(fields["blocks"], scale=scale))


def _block_list(node: Node, *, scale: Scale) -> tuple[Block, ...]:
    blocks: list[Block] = []
    last = 0
    items = node.items()
    for index, one in enumerate(items):
        fields = one.mapping(required=("price",), optional=("upto",))
        is_last = index == len(items) - 1
        if is_last == ("upto" in fields):
            raise one.refuse("last-block-open", "the last block has no upto, every other one has")
        upto = None if is_last else _scaled(fields["upto"], digits=scale.quantity_digits, rule="block-bound")
        if upto is not None and upto <= last:
            raise one.refuse("blocks-rise", "upto must rise from block to block")
        last = upto or last
        blocks.append(Block(upto, _price(fields["price"], scale=scale)))
    return tuple(blocks)


def _levy(node: Node, *, scale: Scale, modes: Sequence[RoundingMode]) -> Levy:
    fields = node.mapping(required=("item", "model", "months", "unit", "mode"))
    unit_minor = _scaled(fields["unit"], digits=scale.minor_digits, rule="rounding-unit")
    if unit_minor < 1:
        raise fields["unit"].refuse("rounding-unit", "the unit must be above zero")
    return Levy(
        item=_item(fields["item"]),
        table=_months(fields["months"], scale=scale),
        unit_minor=unit_minor,
        mode=fields["mode"].choice(modes),
    )


def _prices_by_size(node: Node, *, scale: Scale) -> tuple[tuple[int, int], ...]:
    prices: list[tuple[int, int]] = []
    for size, price in node.entries().items():
        if not size.isdecimal() or not 0 < int(size) <= 10_000:
            raise price.refuse("size", f"{size} is no size from 1 to 10000")
        prices.append((int(size), _price(price, scale=scale)))
    return tuple(prices)


def _months(node: Node, *, scale: Scale) -> tuple[tuple[str, int], ...]:
    rows: list[tuple[str, int]] = []
    for month, price in node.entries().items():
        if not MONTH.fullmatch(month):
            raise price.refuse("month", f"{month} is no month such as 2026-04")
        if rows and month <= rows[-1][0]:
            raise price.refuse("months-rise", "months must rise from row to row")
        rows.append((month, _price(price, scale=scale)))
    if not rows:
        raise node.refuse("list", "at least one month is wanted")
    return tuple(rows)


def _item(node: Node) -> str:
    if not ITEM.fullmatch(node.text()):
        raise node.refuse("item", f"{node.text()}: lower-case letters and _ only")
    return node.text()


def _price(node: Node, *, scale: Scale) -> int:
    return _scaled(node, digits=scale.price_digits + scale.minor_digits, rule="exact-decimal")


def _scaled(node: Node, *, digits: int, rule: str) -> int:
    try:
        return to_scaled(node.number(), digits=digits)
    except NotExact as error:
        raise node.refuse(rule, str(error)) from error
