"""`suiden tariff`, as a person calls it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from suiden.errors import NotPossibleHere
from suiden.tariff_commands import commands

TOKYO_59 = ("quote", "jp-tokyo", "--size", "20", "--usage", "59")


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(commands, arguments, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def refused(*arguments: str) -> str:
    with pytest.raises(NotPossibleHere) as error:
        CliRunner().invoke(commands, arguments, catch_exceptions=False)
    return str(error.value)


def test_a_quote_prints_each_line_and_the_total() -> None:
    shown = run(*TOKYO_59)
    assert "19 × 163 = 3,097" in shown
    assert shown.splitlines()[-1].split() == ["TOTAL", "16,100", "JPY"]


def test_a_quote_for_programs_has_total_currency_and_lines() -> None:
    shown = json.loads(run(*TOKYO_59, "--json"))
    assert (shown["total"], shown["currency"]) == (16_100, "JPY")
    assert shown["total"] == sum(line["amount"] for line in shown["lines"])
    assert {"service", "item", "quantity", "unit_price", "amount", "tax_rate"} <= set(shown["lines"][0])


def test_one_service_may_be_picked() -> None:
    assert json.loads(run(*TOKYO_59, "--service", "sewerage", "--json"))["total"] == 7_062


def test_two_days_of_a_period_may_be_the_last_one_or_the_day_after_it() -> None:
    for end in ("2025-09-30", "2025-10-01"):
        shown = json.loads(
            run(
                "quote",
                "jp-tepco-b",
                "--amperes",
                "40",
                "--usage",
                "390",
                "--from",
                "2025-09-01",
                "--to",
                end,
                "--json",
            )
        )
        assert (shown["months"], shown["total"]) == (["2025-09"], 12_710)


def test_usage_may_be_in_another_unit_and_have_decimals() -> None:
    assert json.loads(run("quote", "jp-osaka", "--usage", "20900.5", "--unit", "L", "--json"))["total"] == 2_112


def test_intervals_give_the_use_of_each_period(tmp_path: Path) -> None:
    rows = ["start,kwh"]
    # A Thursday, the holiday of 2025-11-27, and a Friday: 12 hours of each but the holiday are on-peak.
    for day in ("2025-11-26", "2025-11-27", "2025-11-28"):
        rows += [f"{day}T{hour:02d}:00,0.5" for hour in range(24)]
    path = tmp_path / "meter.csv"
    path.write_text("\n".join(rows))
    shown = json.loads(run("quote", "us-river-falls-tod", "--intervals", str(path), "--json"))
    assert [(line["label"], line["quantity"]) for line in shown["lines"][1:3]] == [
        ("energy|on_peak", "12"),
        ("energy|off_peak", "24"),
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("quote", "jp-atlantis"), "there is no preset jp-atlantis"),
        (("quote", "nowhere.yaml"), "cannot be read"),
        (("quote", "jp-tokyo", "--size", "21", "--usage", "1"), "size 21 has no base price"),
        (("quote", "jp-tokyo", "--usage", "1"), "depends on size"),
        (("quote", "jp-tokyo", "--size", "20", "--usage", "1,000"), "an exact number is wanted"),
        (("quote", "jp-tokyo", "--size", "20", "--usage=-1"), "not below zero"),
        (("quote", "jp-tokyo", "--size", "20", "--class", "bath"), "has no class bath"),
        (("quote", "jp-tokyo", "--size", "20", "--set", "dept=1"), "nothing in jp-tokyo depends on dept"),
        (("quote", "jp-tokyo", "--size", "20", "--set", "dept"), "write name=value"),
        (("quote", "jp-tokyo", "--size", "20", "--service", "electricity"), "it has water, sewerage"),
        (("quote", "jp-tokyo", "--size", "20", "--unit", "kWh", "--usage", "1"), "cannot be told in m3"),
        (("quote", "jp-tokyo", "--size", "20", "--from", "2026-13-01"), "is no day"),
        (("quote", "jp-tokyo", "--size", "20", "--from", "2026-03-01", "--to", "2026-03-01"), "is no period"),
        (("quote", "jp-tokyo", "--size", "20", "--month", "2026"), "is no month"),
        (("quote", "jp-tepco-b", "--amperes", "40", "--usage", "1", "--month", "2020-01"), "no price for 2020-01"),
        (("quote", "us-river-falls-tod", "--usage", "12"), "period on_peak, which is not given"),
    ],
)
def test_what_cannot_be_quoted_is_said_in_a_line(arguments: tuple[str, ...], told: str) -> None:
    assert told in refused(*arguments)


def test_check_names_line_and_rule_and_fails(tmp_path: Path) -> None:
    assert run("check", "jp-tokyo", "jp-iiyama").count("good") == 2
    path = tmp_path / "bad.yaml"
    path.write_text("format: suiden-tariff/1\ncode: town\nprice: 3\n")
    assert "line 3, price: price is not known here [unknown-key]" in run("check", str(path), code=1)


def test_the_quick_table_agrees_with_quotes() -> None:
    last = run("table", "jp-tokyo", "--size", "20", "--least", "58", "--most", "59").splitlines()[-1]
    assert last.split() == ["59", "9,038", "7,062", "16,100"]


def test_list_and_schema_print() -> None:
    assert "jp-tono-village-drainage" in run("list")
    assert json.loads(run("schema"))["title"].startswith("A tariff of Suiden")
