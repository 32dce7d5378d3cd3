"""The values of the manual's language: integers, which are exact, and floats, which are rounded after each operation.

The files of this folder are one program: numbers, functions, language, corrections, cases.
"""

import math
import re
import sys
from fractions import Fraction

from tinygrad.runtime.autogen.amd.rdna3.str_pcode import PCODE


class Format:
    """A float format."""

    def __init__(self, width, fraction):
        self.width, self.fraction = width, fraction
        self.exponent = width - 1 - fraction
        self.bias = (1 << (self.exponent - 1)) - 1
        self.infinity = ((1 << self.exponent) - 1) << fraction
        self.sign = 1 << (width - 1)
        self.quiet = 1 << (fraction - 1)


F16, BF16, F32, F64 = Format(16, 10), Format(16, 7), Format(32, 23), Format(64, 52)
FORMATS = {"f16": F16, "bf16": BF16, "f32": F32, "f64": F64}
NEAREST, UP, DOWN, ZERO = range(4)


class Mode:
    """MODE, of the case at hand."""

    f32, f16_f64, ieee = NEAREST, NEAREST, 0

    @staticmethod
    def rounding(fmt):
        return Mode.f32 if fmt is F32 else Mode.f16_f64


class Float:
    """A float: bits and format."""

    __slots__ = ("bits", "fmt")

    def __init__(self, bits, fmt):
        self.bits, self.fmt = bits, fmt

    negative = property(lambda self: self.bits & self.fmt.sign != 0)
    magnitude = property(lambda self: self.bits & (self.fmt.sign - 1))
    nan = property(lambda self: self.magnitude > self.fmt.infinity)
    infinite = property(lambda self: self.magnitude == self.fmt.infinity)
    field = property(lambda self: self.magnitude >> self.fmt.fraction)

    def value(self):
        """The number, exactly; a zero's sign is lost."""
        field = self.field
        fraction = self.magnitude & ((1 << self.fmt.fraction) - 1)
        significand = fraction + ((1 << self.fmt.fraction) if field else 0)
        power = max(field, 1) - self.fmt.bias - self.fmt.fraction
        value = Fraction(significand << power) if power >= 0 else Fraction(significand, 1 << -power)
        return -value if self.negative else value

    def quieted(self):
        return Float(self.bits | self.fmt.quiet, self.fmt)


def rounded(value, fmt, negative_zero=False, mode=None):
    """The number in the format."""
    mode = Mode.rounding(fmt) if mode is None else mode
    if value == 0:
        return Float(fmt.sign if negative_zero else 0, fmt)
    negative, value = value < 0, abs(value)
    power = value.numerator.bit_length() - value.denominator.bit_length()
    while value < (Fraction(1 << power) if power >= 0 else Fraction(1, 1 << -power)):
        power -= 1
    last = max(power, 1 - fmt.bias) - fmt.fraction
    scaled = value / (1 << last) if last >= 0 else value * (1 << -last)
    kept = scaled.numerator // scaled.denominator
    rest = scaled - kept
    half = Fraction(1, 2)
    up = {
        NEAREST: rest > half or (rest == half and kept % 2 == 1),
        UP: rest > 0 and not negative,
        DOWN: rest > 0 and negative,
        ZERO: False,
    }[mode]
    kept += up
    bits = kept if kept < 1 << fmt.fraction else kept + ((last + fmt.fraction + fmt.bias - 1) << fmt.fraction)
    if bits >= fmt.infinity:
        infinite = mode == NEAREST or (mode == UP and not negative) or (mode == DOWN and negative)
        bits = fmt.infinity if infinite else fmt.infinity - 1
    return Float(bits | (fmt.sign if negative else 0), fmt)


def invalid(fmt):
    return Float(fmt.sign | fmt.infinity | fmt.quiet, fmt)


def infinity(fmt, negative=False):
    return Float(fmt.infinity | (fmt.sign if negative else 0), fmt)


def first_nan(*operands):
    return next((x.quieted() for x in operands if x.nan), None)


def add(a, b):
    if nan := first_nan(a, b):
        return nan
    if a.infinite or b.infinite:
        if a.infinite and b.infinite and a.negative != b.negative:
            return invalid(a.fmt)
        return a if a.infinite else b
    both = a.negative and b.negative
    opposite = a.negative != b.negative and Mode.rounding(a.fmt) == DOWN
    return rounded(a.value() + b.value(), a.fmt, both or opposite)


def multiply(a, b):
    if nan := first_nan(a, b):
        return nan
    negative = a.negative != b.negative
    if a.infinite or b.infinite:
        return invalid(a.fmt) if 0 in (a.magnitude, b.magnitude) else infinity(a.fmt, negative)
    return rounded(a.value() * b.value(), a.fmt, negative)


def fma_scaled(a, b, c, power):
    if nan := first_nan(a, b, c):
        return nan
    negative = a.negative != b.negative
    if a.infinite or b.infinite:
        if 0 in (a.magnitude, b.magnitude):
            return invalid(a.fmt)
        return add(infinity(a.fmt, negative), c)
    if c.infinite:
        return c
    zero = (negative and c.negative) or (negative != c.negative and Mode.rounding(a.fmt) == DOWN)
    return rounded((a.value() * b.value() + c.value()) * Fraction(2) ** power.value, a.fmt, zero)


def negate(a):
    return Float(a.bits ^ a.fmt.sign, a.fmt)


def divide(a, b):
    """Only 1 / x is asked for."""
    if nan := first_nan(a, b):
        return nan
    negative = a.negative != b.negative
    if b.infinite:
        return Float(a.fmt.sign if negative else 0, a.fmt)
    if b.magnitude == 0:
        return infinity(a.fmt, negative)
    return rounded(a.value() / b.value(), a.fmt, negative)


def convert(a, fmt, mode=None):
    if a.fmt is fmt:
        return a
    sign = fmt.sign if a.negative else 0
    if a.nan:
        payload = a.bits & ((1 << a.fmt.fraction) - 1)
        shift = fmt.fraction - a.fmt.fraction
        payload = payload << shift if shift > 0 else payload >> -shift
        return Float(sign | fmt.infinity | fmt.quiet | payload, fmt)
    if a.infinite:
        return Float(sign | fmt.infinity, fmt)
    return rounded(a.value(), fmt, a.negative, mode)


class Int:
    """An integer, exact; its width counts only in concatenations."""

    __slots__ = ("value", "width")

    def __init__(self, value, width=32):
        self.value, self.width = value, width


class Power:
    """A power of two, exact: `2.0F ** n`, never stored itself."""

    def __init__(self, power):
        self.power = max(-20000, min(20000, power))


TYPE = re.compile(r"(bf|[uibfB])(\d*)$")


def raw(value):
    """The bits; a negative integer has infinitely many."""
    return value.bits if isinstance(value, Float) else value.value


def view(value, ty):
    """The value's bits as a type: `u32`, `i24`, `f16`, ..."""
    if ty == "IEEE":
        return value
    if ty in FORMATS:
        fmt = FORMATS[ty]
        if isinstance(value, Float) and value.fmt is not fmt:
            return convert(value, fmt)
        return Float(raw(value) & ((1 << fmt.width) - 1), fmt)
    kind, width = TYPE.match(ty).groups()
    width = int(width or 64)
    bits = raw(value) & ((1 << width) - 1)
    if kind == "i" and bits >> (width - 1):
        bits -= 1 << width
    return Int(bits, width)


def cast(width, kind, value):
    """`32'I(...)`: conversion of a float to a float, else bits."""
    if isinstance(value, Power):
        return value
    if kind == "F":
        fmt = {16: F16, 32: F32, 64: F64}[width]
        if isinstance(value, Float):
            # Signalling NaN stay so: the text asks after the cast whether they are.
            quiet = not value.nan or is_quiet(value)
            return Float(convert(value, fmt).bits & (~0 if quiet else ~fmt.quiet), fmt)
        return Float(value.value & ((1 << width) - 1), fmt)
    if kind == "I" and isinstance(value, Int):
        return view(value, f"i{width}")
    return Int(raw(value) & ((1 << width) - 1), width)


def truth(value):
    if isinstance(value, bool):
        return value
    return raw(value) != 0
