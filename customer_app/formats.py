"""How numbers, amounts and times are written on a page: in the reader's language, on the utility's clock."""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers

from kernel import money
from kernel.i18n import Translate
from kernel.period import Period

DAYS_BY_NAME = 6  # before the name of a day would be ambiguous
EAST_ASIAN = frozenset({"ja", "zh"})  # year, month, day, each with its sign
SHORT_DATES = {"ja": "M月d日(E)", "zh": "M月d日E"}
UNIT_SIGNS = {"m3": "m³", "ft3": "ft³", "gal": "gal", "kWh": "kWh"}


@dataclass(frozen=True, slots=True)
class Formats:
    """Writes values for one reader of one utility."""

    locale: str
    zone: ZoneInfo
    currency: str
    translate: Translate = field(compare=False)  # the same language, the same words

    def money(self, amount_minor: int) -> str:
        return money.format_minor(amount_minor, currency=self.currency, locale=self.locale)

    def number(self, amount: int | float | Decimal, *, decimals: int = 0) -> str:
        return _pattern(decimals).apply(amount, _locale(self.locale))

    def percent(self, share: float) -> str:
        return numbers.format_percent(share, locale=self.locale)

    def signed_percent(self, share: float) -> str:
        """Write a change, always with its sign."""
        return ("+" if share > 0 else "") + numbers.format_percent(share, locale=self.locale)

    def quantity(self, units: int, *, scale: int, unit: str, decimals: int | None = None) -> str:
        """Write `units` of the meter's least digit (10^scale of `unit`) in that unit."""
        return f"{self.plain_quantity(units, scale=scale, decimals=decimals)} {UNIT_SIGNS.get(unit, unit)}"

    def plain_quantity(self, units: int, *, scale: int, decimals: int | None = None) -> str:
        amount = Decimal(units).scaleb(scale)
        return self.number(amount, decimals=max(0, -scale) if decimals is None else decimals)

    def unit(self, unit: str) -> str:
        return UNIT_SIGNS.get(unit, unit)

    def local(self, at: dt.datetime) -> dt.datetime:
        return at.astimezone(self.zone)

    def date(self, day: dt.date) -> str:
        return dates.format_date(day, "long" if self.locale in EAST_ASIAN else "d MMM y", locale=self.locale)

    def short_date(self, day: dt.date) -> str:
        return dates.format_date(day, SHORT_DATES.get(self.locale, "EEE d MMM"), locale=self.locale)

    def day_of(self, at: dt.datetime) -> str:
        """Write the calendar day of an instant."""
        return self.date(self.local(at).date())

    def time(self, at: dt.datetime) -> str:
        return dates.format_time(self.local(at), "HH:mm", locale=self.locale)

    def clock_time(self, at: dt.datetime) -> str:
        return dates.format_time(self.local(at), "HH:mm:ss", locale=self.locale)

    def datetime(self, at: dt.datetime) -> str:
        return _minute(self, self.local(at).replace(second=0, microsecond=0))

    def full_datetime(self, at: dt.datetime) -> str:
        return f"{self.day_of(at)} {self.time(at)}"

    def month(self, day: dt.date) -> str:
        return dates.format_date(day, "y年M月" if self.locale in EAST_ASIAN else "MMMM y", locale=self.locale)

    def short_month(self, day: dt.date) -> str:
        return dates.format_date(day, "M月" if self.locale in EAST_ASIAN else "MMM", locale=self.locale)

    def year(self, day: dt.date) -> str:
        return dates.format_date(day, "y年" if self.locale in EAST_ASIAN else "y", locale=self.locale)

    def weekday(self, day: dt.date) -> str:
        return dates.format_date(day, "E", locale=self.locale)

    def period(self, period: Period) -> str:
        """Write a period of whole days by its first and last day."""
        first = self.local(period.start).date()
        last = (self.local(period.end) - dt.timedelta(microseconds=1)).date()
        return self.days(first, last)

    def days(self, first: dt.date, last: dt.date) -> str:
        """Write a span of days, the year once where both ends share it."""
        if first == last:
            return self.date(first)
        if first.year != last.year:
            return f"{self.date(first)} – {self.date(last)}"
        if self.locale in EAST_ASIAN:
            return f"{self.date(first)} – {dates.format_date(last, 'M月d日', locale=self.locale)}"
        return f"{dates.format_date(first, 'd MMM', locale=self.locale)} – {self.date(last)}"

    def since(self, at: dt.datetime, *, now: dt.datetime) -> str:
        """Write when something began: in the last days by the name of the day, as people say it."""
        day, today = self.local(at).date(), self.local(now).date()
        if (today - day).days < DAYS_BY_NAME:
            return f"{dates.format_date(day, 'EEEE', locale=self.locale)} {self.time(at)}"
        return self.datetime(at)

    def ago(self, at: dt.datetime, *, now: dt.datetime) -> str:
        """Write how long ago something was."""
        minutes = max(0, int((now - at).total_seconds() // 60))
        _ = self.translate
        if minutes < 1:
            return _("just now")
        if minutes < 60:
            return _("%(n)s min ago", n=minutes)
        if minutes < 48 * 60:
            return _("%(n)s h ago", n=minutes // 60)
        return _("%(n)s days ago", n=minutes // (24 * 60))

    def duration(self, length: dt.timedelta) -> str:
        minutes = max(0, int(length.total_seconds() // 60))
        _ = self.translate
        if minutes < 60:
            return _("%(n)s min", n=minutes)
        if minutes < 48 * 60:
            return _("%(h)s h %(m)s min", h=minutes // 60, m=minutes % 60)
        return _("%(d)s days %(h)s h", d=minutes // 1440, h=minutes % 1440 // 60)


# Live pages write a thousand numbers and times a second: what is the same each time is looked up once.


@cache
def _pattern(decimals: int) -> numbers.NumberPattern:
    return numbers.parse_pattern("#,##0." + "0" * decimals if decimals else "#,##0")


@cache
def _locale(code: str) -> Locale:
    return Locale.parse(code)


@lru_cache(maxsize=256)
def _minute(formats: Formats, at: dt.datetime) -> str:
    return f"{formats.short_date(at.date())} {formats.time(at)}"
