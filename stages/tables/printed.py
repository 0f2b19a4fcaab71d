"""Numbers as the thesis prints them, and how far from one still counts as within: the kinds of tolerances."""

import math
import re
import statistics
from abc import abstractmethod
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

from stages.tables.reading import Bound, Family, Positive

Count = Annotated[int, Bound(lambda value: value > 0, "the number of test items")]
Confidence = Annotated[float, Bound(lambda value: 0 < value < 1, "between 0 and 1")]


@dataclass(frozen=True)
class Printed:
    """A printed number: its value and the step of its last digit, in full units (0.224M is 224000 in steps of 1000).

    deviation : what is printed behind ±, None where nothing is.
    """

    value: Decimal
    step: Decimal
    deviation: Decimal | None = None


def printed_number(text: str) -> Printed | None:
    """Read "15.57", ".762", "8.27%", "0.224M", "2.06KB" (of 1,024 bytes), "512×4", "1,500", "768" or "2.65 ± 0.09" as printed.

    Of one that is printed as about, "~41,000", "~120K" or "~8 millions", the zeros at the end are no digits. None if it is no number.
    """
    if match := re.fullmatch(r"(\d*\.?\d+) ± (\d*\.?\d+)", text):
        number, deviation = map(Decimal, match.groups())
        return Printed(number, Decimal(1).scaleb(int(number.as_tuple().exponent)), deviation)
    if re.fullmatch(r"\d+(×\d+)+", text):
        return Printed(Decimal(math.prod(map(int, text.split("×")))), Decimal(1))
    whole = text.replace(",", "") if re.fullmatch(r"~?\d{1,3}(,\d{3})+", text) else text
    match = re.fullmatch(r"(~?)(\d*\.?\d+)(M|K|KB|%| millions)?", whole)
    if match is None:
        return None
    about, number = match[1], Decimal(match[2])
    units = Decimal({"M": 10**6, " millions": 10**6, "K": 10**3, "KB": 2**10}.get(match[3], 1))
    zeros = len(match[2]) - len(match[2].rstrip("0")) if about and number and "." not in match[2] else 0
    return Printed(number * units, Decimal(1).scaleb(zeros + int(number.as_tuple().exponent)) * units)


def with_decimals_of(text: str, value: float) -> str:
    """A number with as many decimals as the printed `text`; counts in full."""
    printed = printed_number(text)
    assert printed
    decimals = 0 if printed.step >= 1 else -int(printed.step.normalize().as_tuple().exponent)
    return f"{Decimal(repr(round(value, 10))):,.{decimals}f}"


def compare(printed: Printed, value: float, tolerance: float) -> str:
    """exact, within or outside."""
    ours = Decimal(repr(value))
    if (ours / printed.step).quantize(Decimal(1), ROUND_HALF_UP) * printed.step == printed.value:
        return "exact"
    return "within" if abs(ours - printed.value) <= Decimal(repr(tolerance)) else "outside"


@dataclass(frozen=True, kw_only=True)
class Tolerance(Family, tag="kind"):
    """How far from a printed value still counts as within, and why."""

    origin: str

    @abstractmethod
    def width(self, printed: Printed, operands: tuple[Printed, ...] = ()) -> float | None:
        """Half of the interval around a printed value, in its unit.

        `operands` are the two printed numbers whose quotient it is, if it is one.
        """

    def describe(self) -> str:
        return self.origin

    def obstacle(self, sizes: frozenset[int | None]) -> str:
        """Why a value over test sets of these sizes is not to be judged by it; empty if it is."""
        return ""


@dataclass(frozen=True, kw_only=True)
class _OfTestItems(Tolerance):
    """A tolerance that holds for the score of `n` test items, and for no other number of them."""

    n: Count

    def obstacle(self, sizes: frozenset[int | None]) -> str:
        if sizes == {self.n}:
            return ""
        return f"evaluated on n = {', '.join(str(size) for size in sorted(sizes, key=str))}, not {self.n}"


@dataclass(frozen=True, kw_only=True)
class Binomial(_OfTestItems, kind="binomial"):
    """z sqrt(p (1 - p) / n), with p the printed percentage."""

    confidence: Confidence

    def width(self, printed: Printed, operands: tuple[Printed, ...] = ()) -> float:
        share = float(printed.value) / 100
        z = statistics.NormalDist().inv_cdf((1 + self.confidence) / 2)
        return 100 * z * math.sqrt(share * (1 - share) / self.n)


@dataclass(frozen=True, kw_only=True)
class Fixed(_OfTestItems, kind="fixed"):
    """As stated, in the printed unit."""

    half_width: Positive

    def width(self, printed: Printed, operands: tuple[Printed, ...] = ()) -> float:
        return self.half_width

    def describe(self) -> str:
        return f"±{self.half_width:g}, {self.origin}"


class Rounding(Tolerance, kind="rounding"):
    """Half a step of the last printed digit."""

    def width(self, printed: Printed, operands: tuple[Printed, ...] = ()) -> float:
        return float(printed.step / 2)


class PrintedDeviation(Tolerance, kind="deviation"):
    """The deviation that is printed with a number, so one of each cell's own; None of what has none."""

    def width(self, printed: Printed, operands: tuple[Printed, ...] = ()) -> float | None:
        return None if printed.deviation is None else float(printed.deviation)


class QuotientRounding(Tolerance, kind="quotient_rounding"):
    """The farthest that the quotient of two printed numbers can lie from theirs, each within half a step.

    None of what is no quotient.
    """

    def width(self, printed: Printed, operands: tuple[Printed, ...] = ()) -> float | None:
        if not operands:
            return None
        (over, over_half), (under, under_half) = [(operand.value, operand.step / 2) for operand in operands]
        quotient = over / under
        high, low = (over + over_half) / (under - under_half), (over - over_half) / (under + under_half)
        return float(max(high - quotient, quotient - low))
