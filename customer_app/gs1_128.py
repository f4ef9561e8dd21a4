"""GS1-128 as SVG: pairs of digits in Code 128's set C behind start and FNC1."""

MODULE_MM = 0.169
QUIET_MODULES = 16  # 2.70 mm; stores ask for 2.54
HEIGHT_MM = 13.0  # stores ask for 10

START_C = 105
FNC1 = 102
STOP = "2331112"
# The widths of bar, space, bar, space, bar, space for each value from 0 on.
TABLE = (
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 "
    "123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 "
    "232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 "
    "313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 "
    "111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 "
    "111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 "
    "114311 411113 411311 113141 114131 311141 411131 211412 211214 211232"
)
WIDTHS = TABLE.split()


class DigitsUnusable(ValueError):
    """Set C holds pairs of digits and nothing else."""


def widths(digits: str) -> str:
    """Give the widths of bars and spaces in modules, in turn, from the first bar on.

    :raises DigitsUnusable: if these are not digits, or an odd number of them
    """
    if not digits or len(digits) % 2 or not (digits.isascii() and digits.isdigit()):
        raise DigitsUnusable(f"a bar code takes pairs of digits, not {digits!r}")
    values = [START_C, FNC1] + [int(digits[place : place + 2]) for place in range(0, len(digits), 2)]
    check = (values[0] + sum(place * value for place, value in enumerate(values[1:], start=1))) % 103
    return "".join(WIDTHS[value] for value in [*values, check]) + STOP


def svg_path(digits: str) -> tuple[str, int]:
    """Draw the bars as an SVG path, one module wide to the unit and one high; give it with the whole width.

    :raises DigitsUnusable: if these are not digits, or an odd number of them
    """
    parts: list[str] = []
    x = QUIET_MODULES
    for place, width in enumerate(widths(digits)):
        if place % 2 == 0:
            parts.append(f"M{x} 0h{width}v1h-{width}z")
        x += int(width)
    return "".join(parts), x + QUIET_MODULES
