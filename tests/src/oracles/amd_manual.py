"""Evaluates the pseudo-code of AMD's RDNA 3 instruction set manual, which the package tinygrad carries as strings.

A line on standard input is a case: the instruction, then as hexadecimal numbers MODE's rounding of f32 and of f16/f64, MODE's
IEEE bit, the neg bits, the lane, S0, S1, S2, D0, the lane's bit of VCC, SCC, EXEC. A line on standard output is what became
of D0, the lane's bit of VCC or of the mask, SCC and EXEC; or `? reason`.

The language is the manual's: C-like expressions over bits that are looked at as numbers (`S0.f32`, `tmp[15 : 0].u16`),
casts `32'I(...)`, sized literals `16'1.0`, concatenation in braces. Integers are exact until they are stored. Floats are
exact fractions that are rounded after each operation, by MODE. Nothing here is shared with the interpreter that is tested.
"""

import math
import re
import sys
from fractions import Fraction

from tinygrad.runtime.autogen.amd.rdna3.str_pcode import PCODE

# ---------------------------------------------------------------- corrections

# Where the text cannot be meant, or cards differ from it; with the reason. Either the whole text, or what to replace by what.
# "gfx1100" are tests of tinygrad's that its authors run on an RX 7900, "gfx1200" values that others captured on RDNA 4.
CORRECTIONS = {
    # floor(x + 0.5) rounds twice and loses -0: cards round to nearest even (gfx1200, and what the name says).
    "V_RNDNE_F32": "D0.f32 = nearest_even(S0.f32)",
    "V_RNDNE_F16": "D0.f16 = nearest_even(S0.f16)",
    "V_RNDNE_F64": "D0.f64 = nearest_even(S0.f64)",
    # x - floor(x) may round to 1; cards (gfx1200) and LLVM have the largest number below. Zero is +0 (gfx1200).
    "V_FRACT_F32": "D0.f32 = below_one(S0.f32 + -floor(S0.f32))",
    "V_FRACT_F16": "D0.f16 = below_one(S0.f16 + -floor(S0.f16))",
    "V_FRACT_F64": "D0.f64 = below_one(S0.f64 + -floor(S0.f64))",
    # The accumulator is read, not a third source.
    "V_FMAC_DX9_ZERO_F32": ("D0.f32 = S2.f32", "D0.f32 = D0.f32"),
    # 1.0 / sqrt(x) is rounded once, and the operand of sine and cosine not at all.
    "V_RSQ_F32": "D0.f32 = flushed(rsqrt(flushed(S0.f32)))",
    "V_RSQ_F16": "D0.f16 = rsqrt(S0.f16)",
    "V_RSQ_F64": "D0.f64 = rsqrt(S0.f64)",
    "V_SIN_F32": "D0.f32 = sin_turns(S0.f32)",
    "V_SIN_F16": "D0.f16 = sin_turns(S0.f16)",
    "V_COS_F32": "D0.f32 = cos_turns(S0.f32)",
    "V_COS_F16": "D0.f16 = cos_turns(S0.f16)",
    # "Denormals are flushed", says the manual's prose of these.
    "V_EXP_F32": "D0.f32 = flushed(pow(2.0F, flushed(S0.f32)))",
    "V_EXP_F16": "D0.f16 = pow(16'2.0, S0.f16)",
    "V_LOG_F32": "D0.f32 = flushed(log2(flushed(S0.f32)))",
    "V_RCP_F32": "D0.f32 = flushed(reciprocal(flushed(S0.f32)))",
    "V_RCP_IFLAG_F32": "D0.f32 = flushed(reciprocal(flushed(S0.f32)))",
    "V_SQRT_F32": "D0.f32 = flushed(sqrt(flushed(S0.f32)))",
    "V_RCP_F16": "D0.f16 = reciprocal(S0.f16)",
    "V_RCP_F64": "D0.f64 = reciprocal(S0.f64)",
    # gfx1100 scales by the scale of v_div_scale, up or down, and rounds once (else denormal quotients are wrong).
    "V_DIV_FMAS_F32": (
        "2.0F ** 32 * fma(S0.f32, S1.f32, S2.f32)",
        "fma_scaled(S0.f32, S1.f32, S2.f32, exponent(S2.f32) > 127 ? 64 : -64)",
    ),
    "V_DIV_FMAS_F64": (
        "2.0 ** 64 * fma(S0.f64, S1.f64, S2.f64)",
        "fma_scaled(S0.f64, S1.f64, S2.f64, exponent(S2.f64) > 1023 ? 128 : -128)",
    ),
    # A NaN estimate, which overflow leads to, is infinity on gfx1100. The constant for underflow is not given: what rounds
    # to 0 or to the least denormal by MODE and sign.
    "V_DIV_FIXUP_F32": (
        "D0.f32 = sign_out ? -abs(S0.f32) : abs(S0.f32)",
        "D0.f32 = isNAN(S0.f32) ? (sign_out ? -INF.f32 : +INF.f32) : (sign_out ? -abs(S0.f32) : abs(S0.f32))",
        "sign_out ? -UNDERFLOW_F32 : UNDERFLOW_F32",
        "ldexp(sign_out ? -1.0F : 1.0F, -5000)",
    ),
    "V_DIV_FIXUP_F64": (
        "D0.f64 = sign_out ? -abs(S0.f64) : abs(S0.f64)",
        "D0.f64 = isNAN(S0.f64) ? (sign_out ? -INF.f64 : +INF.f64) : (sign_out ? -abs(S0.f64) : abs(S0.f64))",
        "sign_out ? -UNDERFLOW_F64 : UNDERFLOW_F64",
        "ldexp(sign_out ? -1.0 : 1.0, -5000)",
    ),
    # The text gives a constant's name only.
    "V_TRIG_PREOP_F64": ("64'F((1201'B(2.0 / PI)[1200 : 0] << shift.u32) & 1201'0x1fffffffffffff)", "two_over_pi(shift)"),
    "V_CVT_OFF_F32_I4": "D0.f32 = i32_to_f32(signext_from_bit(S0.u32[3 : 0].i32, 4)) * 0.0625F",
    # VCC is a lane's bit; the flag of 0/x and x/0, the sign of the scale where 1/S1 is denormal and the tests by exponent are
    # what gfx1100 and gfx1200 have. An S0 that is not scaled is the result.
    "V_DIV_SCALE_F32": """
        VCC.u64[laneId] = 1'0U;
        D0.f32 = S0.f32;
        if ((64'F(S2.f32) == 0.0) || (64'F(S1.f32) == 0.0)) then
            VCC.u64[laneId] = 1'1U;
            D0.u32 = 0xffc00000
        elsif exponent(S2.f32) - exponent(S1.f32) >= 96 then
            VCC.u64[laneId] = 1'1U;
            if S0.f32 == S1.f32 then D0.f32 = ldexp(S0.f32, 64) endif
        elsif exponent(S1.f32) == 0 then
            D0.f32 = ldexp(S0.f32, 64)
        elsif (exponent(S1.f32) >= 253) && (exponent(S2.f32) - exponent(S1.f32) <= -126) then
            VCC.u64[laneId] = 1'1U;
            if S0.f32 == S1.f32 then D0.f32 = ldexp(S0.f32, -64) endif
        elsif exponent(S1.f32) >= 253 then
            D0.f32 = ldexp(S0.f32, -64)
        elsif exponent(S2.f32) - exponent(S1.f32) <= -126 then
            VCC.u64[laneId] = 1'1U;
            if S0.f32 == S2.f32 then D0.f32 = ldexp(S0.f32, 64) endif
        elsif exponent(S2.f32) <= 23 then
            D0.f32 = ldexp(S0.f32, 64)
        endif""",
    "V_DIV_SCALE_F64": """
        VCC.u64[laneId] = 1'0U;
        D0.f64 = S0.f64;
        if ((S2.f64 == 0.0) || (S1.f64 == 0.0)) then
            VCC.u64[laneId] = 1'1U;
            D0.u64 = 0xfff8000000000000
        elsif exponent(S2.f64) - exponent(S1.f64) >= 768 then
            VCC.u64[laneId] = 1'1U;
            if S0.f64 == S1.f64 then D0.f64 = ldexp(S0.f64, 128) endif
        elsif exponent(S1.f64) == 0 then
            D0.f64 = ldexp(S0.f64, 128)
        elsif (exponent(S1.f64) >= 2045) && (exponent(S2.f64) - exponent(S1.f64) <= -1022) then
            VCC.u64[laneId] = 1'1U;
            if S0.f64 == S1.f64 then D0.f64 = ldexp(S0.f64, -128) endif
        elsif exponent(S1.f64) >= 2045 then
            D0.f64 = ldexp(S0.f64, -128)
        elsif exponent(S2.f64) - exponent(S1.f64) <= -1022 then
            VCC.u64[laneId] = 1'1U;
            if S0.f64 == S2.f64 then D0.f64 = ldexp(S0.f64, 128) endif
        elsif exponent(S2.f64) <= 53 then
            D0.f64 = ldexp(S0.f64, 128)
        endif""",
    # frexp of zero is zero, and denormals have their true exponent (gfx1200).
    "V_FREXP_EXP_I32_F32": "D0.i32 = frexp_exponent(S0.f32)",
    "V_FREXP_EXP_I32_F64": "D0.i32 = frexp_exponent(S0.f64)",
    "V_FREXP_EXP_I16_F16": "D0.i16 = frexp_exponent(S0.f16)",
    # A NaN becomes quiet (gfx1200); "mantissa" is in [0.5, 1).
    "V_FREXP_MANT_F32": "D0.f32 = frexp_mantissa(S0.f32)",
    "V_FREXP_MANT_F64": "D0.f64 = frexp_mantissa(S0.f64)",
    "V_FREXP_MANT_F16": "D0.f16 = frexp_mantissa(S0.f16)",
    # Which half of a source is an f16 and where the result goes is not the arithmetic's business, and what `in` is filled
    # from the text does not say.
    "V_FMA_MIX_F32": "D0.f32 = fma(S0.f32, S1.f32, S2.f32)",
    "V_FMA_MIXLO_F16": "D0.f16 = f32_to_f16(fma(S0.f32, S1.f32, S2.f32))",
    "V_FMA_MIXHI_F16": "D0.f16 = f32_to_f16(fma(S0.f32, S1.f32, S2.f32))",
}

# ---------------------------------------------------------------- numbers


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


# ---------------------------------------------------------------- views of bits

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


# ---------------------------------------------------------------- functions


def truncated(a, how=math.trunc):
    if a.nan:
        return a.quieted()
    if a.infinite:
        return a
    return rounded(Fraction(how(a.value())), a.fmt, a.negative)


def to_integer(a, low, high):
    if a.nan:
        return Int(0)
    if a.infinite:
        return Int(low if a.negative else high)
    return Int(max(low, min(high, math.trunc(a.value()))))


def signed_range(width):
    return -(1 << (width - 1)), (1 << (width - 1)) - 1


def unsigned_range(width):
    return 0, (1 << width) - 1


def normalised(a, low, high):
    """A fraction of `high`, to nearest even."""
    if a.nan:
        return Int(0)
    value = Fraction(-1 if a.negative else 1) if a.infinite else a.value()
    return Int(max(low, min(high, round(value * high))))


def u8_by_mode(a):
    if a.nan:
        return Int(0)
    value = Fraction(-1 if a.negative else 256) if a.infinite else a.value()
    value = {NEAREST: round, UP: math.ceil, DOWN: math.floor, ZERO: math.trunc}[Mode.f32](value)
    return Int(max(0, min(255, value)))


def approximate(a, f, special):
    """A transcendental function by f64, rounded to nearest; `special` answers for what f64's has no number for."""
    if a.nan:
        return a.quieted()
    result = special(a)
    if result is not None:
        return result
    return rounded(Fraction(f(float(a.value()))), a.fmt, mode=NEAREST)


def square_root(a):
    def special(a):
        if a.magnitude == 0:
            return a
        if a.negative:
            return invalid(a.fmt)
        return a if a.infinite else None

    if special(a) is None and not a.nan:
        # Exact to far more bits than any format has.
        return rounded(exact_root(a.value()), a.fmt, mode=NEAREST)
    return approximate(a, math.sqrt, special)


def exact_root(value, bits=400):
    scale = 1 << (2 * bits + 2200)
    return Fraction(math.isqrt(value.numerator * scale // value.denominator), 1 << (bits + 1100))


def reciprocal_root(a):
    if a.nan:
        return a.quieted()
    if a.magnitude == 0:
        return infinity(a.fmt, a.negative)
    if a.negative:
        return invalid(a.fmt)
    return Float(0, a.fmt) if a.infinite else rounded(1 / exact_root(a.value()), a.fmt, mode=NEAREST)


def reciprocal(a):
    if a.nan:
        return a.quieted()
    if a.infinite or a.magnitude == 0:
        return divide(rounded(Fraction(1), a.fmt), a)
    return rounded(1 / a.value(), a.fmt, mode=NEAREST)


def logarithm(a):
    def special(a):
        if a.magnitude == 0:
            return infinity(a.fmt, True)
        if a.negative:
            return invalid(a.fmt)
        return a if a.infinite else None

    return approximate(a, math.log2, special)


def power_of_two(a):
    def special(a):
        if a.infinite:
            return Float(0, a.fmt) if a.negative else a
        if abs(a.value()) > 1000:
            tiny = rounded(Fraction(1, 1 << 3000), a.fmt, mode=NEAREST)
            return tiny if a.negative else infinity(a.fmt)
        return None

    return approximate(a, lambda x: 2.0**x, special)


def turns(a, f, exact):
    """Sine or cosine; exact at quarter turns."""

    def special(a):
        if a.infinite:
            return invalid(a.fmt)
        if a.magnitude == 0 and f is math.sin:
            return a
        quarter = a.value() * 4
        if quarter.denominator == 1:
            return rounded(Fraction(exact[quarter.numerator % 4]), a.fmt)
        return None

    def of_fraction(x):
        if abs(x) < 1 / 8:
            return f(x * math.tau)
        return f(float(Fraction(x) % 1) * math.tau)

    return approximate(a, of_fraction, special)


def below_one(a):
    if a.nan or a.infinite:
        return a
    largest = (a.fmt.bias << a.fmt.fraction) - 1
    return Float(min(a.magnitude, largest), a.fmt)


def frexp(a):
    if a.nan:
        return a.quieted(), 0
    if a.infinite or a.magnitude == 0:
        return a, 0
    value, power = a.value(), 0
    while abs(value) >= 1:
        value, power = value / 2, power + 1
    while abs(value) < Fraction(1, 2):
        value, power = value * 2, power - 1
    return rounded(value, a.fmt), power


def scaled(a, power):
    if a.nan:
        return a.quieted()
    return a if a.infinite else rounded(a.value() * Fraction(2) ** power, a.fmt, a.negative)


def sign_extended(value, width):
    width = min(width.value, 64 if value.width > 32 else 32)
    bits = value.value & ((1 << width) - 1)
    return Int(bits - (1 << width) if width and bits >> (width - 1) else bits, value.width)


def sad(a, b, c, masked):
    total = c.value
    for n in range(4):
        x, y = raw(a) >> (8 * n) & 255, raw(b) >> (8 * n) & 255
        total += 0 if masked and y == 0 else abs(x - y)
    return Int(total)


def two_over_pi(shift):
    bits = 3000
    one = 1 << bits

    def arctangent(inverse):
        term = total = one // inverse
        sign, n = -1, 3
        while term:
            term //= inverse * inverse
            total += sign * (term // n)
            sign, n = -sign, n + 2
        return total

    pi = 16 * arctangent(5) - 4 * arctangent(239)
    fraction = (2 << (2 * bits)) // pi >> (bits - 1201)
    return rounded(Fraction((fraction << shift.value) >> 1148 & ((1 << 53) - 1)), F64)


def is_quiet(a):
    return a.bits & a.fmt.quiet != 0


FUNCTIONS = {
    "fma": lambda a, b, c: fma_scaled(a, b, c, Int(0)),
    "fma_scaled": fma_scaled,
    "trunc": truncated,
    "floor": lambda a: truncated(a, math.floor),
    "nearest_even": lambda a: truncated(a, round),
    "below_one": below_one,
    "flushed": lambda a: a if a.field else Float(a.bits & a.fmt.sign, a.fmt),
    "abs": lambda a: Float(a.magnitude, a.fmt),
    "sign": lambda a: a.negative,
    "exponent": lambda a: Int(a.field),
    "isNAN": lambda a: a.nan,
    "isSignalNAN": lambda a: a.nan and not is_quiet(a),
    "isQuietNAN": lambda a: a.nan and is_quiet(a),
    "cvtToQuietNAN": Float.quieted,
    "ldexp": lambda a, n: scaled(a, n.value),
    "frexp_mantissa": lambda a: frexp(a)[0],
    "frexp_exponent": lambda a: Int(frexp(a)[1]),
    "sqrt": square_root,
    "rsqrt": reciprocal_root,
    "reciprocal": reciprocal,
    "log2": logarithm,
    "pow": lambda _, a: power_of_two(a),
    "sin_turns": lambda a: turns(a, math.sin, [0, 1, 0, -1]),
    "cos_turns": lambda a: turns(a, math.cos, [1, 0, -1, 0]),
    "two_over_pi": two_over_pi,
    "signext": lambda a: a,
    "signext_from_bit": sign_extended,
    "v_sad_u8": lambda a, b, c: sad(a, b, c, False),
    "v_msad_u8": lambda a, b, c: sad(a, b, c, True),
    "f32_to_u8": u8_by_mode,
    "v_cvt_i16_f32": lambda a: to_integer(a, *signed_range(16)),
    "v_cvt_u16_f32": lambda a: to_integer(a, *unsigned_range(16)),
    "u32_to_u16": lambda a: Int(min(a.value, 0xFFFF), 16),
    "i32_to_i16": lambda a: Int(max(-0x8000, min(0x7FFF, a.value)), 16),
}
for source in ("f16", "f32", "f64"):
    for width in (16, 32):
        FUNCTIONS[f"{source}_to_i{width}"] = lambda a, r=signed_range(width): to_integer(a, *r)
        FUNCTIONS[f"{source}_to_u{width}"] = lambda a, r=unsigned_range(width): to_integer(a, *r)
    FUNCTIONS[f"{source}_to_snorm"] = lambda a: normalised(a, -32767, 32767)
    FUNCTIONS[f"{source}_to_unorm"] = lambda a: normalised(a, 0, 65535)
for fmt_name, fmt in FORMATS.items():
    for source in FORMATS:
        # v_cvt_f32_f64 rounds by the field of f64.
        FUNCTIONS[f"{source}_to_{fmt_name}"] = lambda a, f=fmt: convert(a, f, Mode.f16_f64 if a.fmt is F64 else None)
    for source in ("i16", "u16", "i32", "u32"):
        FUNCTIONS[f"{source}_to_{fmt_name}"] = lambda a, f=fmt: rounded(Fraction(a.value), f)
for width in (4, 8):
    FUNCTIONS[f"u{width}_to_u32"] = lambda a: a

# ---------------------------------------------------------------- the language

TOKEN = re.compile(
    r"""\s*(?:(?P<sized>\d+'(?:[UIFB]\(?|-?(?:0x[0-9a-fA-F]+|\d+\.\d+|\d+)U?))
    |(?P<number>0x[0-9a-fA-F]+(?:ULL|LL|U)?|\d+\.\d+F?|\d+(?:ULL|LL|UL|U|L|F)?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<op>\+:|\+=|-=|\|=|<<|>>|<=|>=|==|!=|<>|&&|\|\||\*\*|[-+*/&|^~!<>=?:()\[\]{},.;]))""",
    re.X,
)
KEYWORDS = {"if", "then", "elsif", "else", "endif", "for", "do", "endfor", "declare", "break", "return", "lambda"}


def tokens(text):
    text = re.sub(r"//[^\n]*", "", text).rstrip()
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise SyntaxError(f"cannot read {text[at:at + 20]!r}")
        found.append((match.lastgroup, match.group(match.lastgroup)))
        at = match.end()
    return found + [("end", "")]


class Break(Exception):
    pass


class Return(Exception):
    def __init__(self, value):
        self.value = value


class Parser:
    """Text to closures over an environment of names."""

    LEVELS = [["||"], ["&&"], ["|"], ["^"], ["&"], ["==", "!=", "<>"], ["<", "<=", ">", ">="], ["<<", ">>"], ["+", "-"], ["*", "/"], ["**"]]

    def __init__(self, text):
        self.tokens, self.at = tokens(text), 0

    def peek(self, ahead=0):
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)][1]

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1][1]

    def take(self, *words):
        if self.peek() in words and self.tokens[self.at][0] != "end":
            return self.next()
        return None

    def need(self, word):
        if not self.take(word):
            raise SyntaxError(f"{word!r} expected before {self.peek()!r}")

    # statements

    def block(self, *ends):
        statements = []
        while True:
            while self.take(";"):
                pass
            if self.tokens[self.at][0] == "end" or self.peek() in ends:
                return statements
            statements.append(self.statement())

    def statement(self):
        if self.take("if"):
            return self.condition()
        if self.take("for"):
            return self.loop()
        if self.take("declare"):
            return self.declaration()
        if self.take("break"):

            def stop(env):
                raise Break

            return stop
        if self.take("return"):
            value = self.expression()

            def give(env):
                raise Return(value(env))

            return give
        return self.assignment()

    def condition(self):
        arms = []
        while True:
            test = self.expression()
            self.need("then")
            arms.append((test, self.block("elsif", "else", "endif")))
            if not self.take("elsif"):
                break
        other = self.block("endif") if self.take("else") else []
        self.need("endif")

        def run(env):
            for test, body in arms:
                if truth(test(env)):
                    return execute(body, env)
            return execute(other, env)

        return run

    def loop(self):
        name = self.next()
        self.need("in")
        first = self.binary(0)
        self.need(":")
        last = self.binary(0)
        self.need("do")
        body = self.block("endfor")
        self.need("endfor")

        def run(env):
            for number in range(first(env).value, last(env).value + 1):
                env[name] = Int(number)
                try:
                    execute(body, env)
                except Break:
                    return

        return run

    def declaration(self):
        name = self.next()
        self.need(":")
        self.next()
        count = None
        if self.take("["):
            count = self.expression()
            self.need("]")

        def run(env):
            env[name] = [Int(0)] * count(env).value if count else Int(0, 64)

        return run

    def assignment(self):
        if self.take("{"):
            places = [self.place()]
            while self.take(","):
                places.append(self.place())
            self.need("}")
            self.need("=")
            value = self.expression()

            def split(env):
                bits = raw(value(env))
                for target, width in reversed(places):
                    target(env, Int(bits & ((1 << width) - 1), width))
                    bits >>= width

            return split
        start = self.at
        target, _ = self.place()
        operator = self.next()
        if operator == "=" and self.take("lambda"):
            return self.function(self.tokens[start][1])
        value = self.expression()
        if operator == "=":
            return lambda env: target(env, value(env))
        self.at, end = start, self.at
        old = self.postfix()
        self.at = end
        combine = {"+=": "+", "-=": "-", "|=": "|"}[operator]
        return lambda env: target(env, binary(combine, old(env), value(env)))

    def function(self, name):
        self.need("(")
        parameters = [self.next()]
        while self.take(","):
            parameters.append(self.next())
        self.need(")")
        self.need("(")
        if self.peek() in KEYWORDS:
            body, value = self.block(")"), None
        else:
            body, value = [], self.expression()
        self.need(")")

        def call(env, *arguments):
            inner = {**env, **dict(zip(parameters, arguments))}
            try:
                execute(body, inner)
            except Return as result:
                return result.value
            return value(inner)

        return lambda env: env.__setitem__(name, lambda *arguments: call(env, *arguments))

    def place(self):
        """Where an assignment goes: name, then an index or bits, then a type."""
        name = self.next()
        steps, ty = [], None
        while True:
            if self.take("["):
                steps.append((ty, *self.bits()))
                ty = None
            elif self.take("."):
                ty = self.next()
            else:
                break
        width = int(TYPE.match(ty).group(2)) if ty else 64

        def store(env, value):
            if isinstance(value, bool):
                value = Int(int(value), 1)
            if steps and isinstance(env.get(name), list):
                env[name] = list(env[name])
                env[name][steps[0][1](env).value] = value
                return
            if isinstance(value, str):
                value = infinity(FORMATS[ty], value.startswith("-"))
            if ty in FORMATS and isinstance(value, Float):
                value = convert(value, FORMATS[ty])
            if not steps:
                if name == "VCC" or ty is None:
                    env[name] = value
                elif name in ("D0", "D1", "EXEC"):
                    kept = raw(env[name]) >> width << width
                    env[name] = Int(kept | raw(value) & ((1 << width) - 1), 64)
                else:
                    env[name] = view(value, ty)
                return
            old = raw(env.get(name, Int(0)))
            low, high = 0, None
            for _, first, last, size in steps:
                a = first(env).value
                if size:
                    low, count = low + a, size(env).value
                elif last:
                    b = last(env).value
                    if a < b:
                        # Bits the other way round.
                        flipped = raw(value)
                        value = Int(int(f"{flipped & ((1 << (b + 1)) - 1):0{b + 1}b}"[::-1], 2))
                        a, b = b, a
                    low, count = low + b, a - b + 1
                else:
                    low, count = low + a, 1
            mask = (1 << count) - 1
            env[name] = Int(old & ~(mask << low) | (raw(value) & mask) << low, 64)

        return store, width

    def bits(self):
        """What stands in brackets: an index, `high : low`, or `low +: size`."""
        first, last, size = self.expression(), None, None
        if self.take(":"):
            last = self.expression()
        elif self.take("+:"):
            size = self.expression()
        self.need("]")
        return first, last, size

    # expressions

    def expression(self):
        test = self.binary(0)
        if not self.take("?"):
            return test
        yes = self.expression()
        self.need(":")
        no = self.expression()
        return lambda env: yes(env) if truth(test(env)) else no(env)

    def binary(self, level):
        if level == len(self.LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while (operator := self.take(*self.LEVELS[level])) is not None:
            right = self.binary(level + 1)
            left = self.pair(operator, left, right)
        return left

    @staticmethod
    def pair(operator, left, right):
        if operator == "&&":
            return lambda env: truth(left(env)) and truth(right(env))
        if operator == "||":
            return lambda env: truth(left(env)) or truth(right(env))
        return lambda env: binary(operator, left(env), right(env))

    def unary(self):
        if self.take("-"):
            value = self.unary()
            return lambda env: minus(value(env))
        if self.take("+"):
            return self.unary()
        if self.take("~"):
            value = self.unary()
            return lambda env: invert(value(env))
        if self.take("!"):
            value = self.unary()
            return lambda env: not truth(value(env))
        return self.postfix()

    def postfix(self):
        value = self.primary()
        while True:
            if self.take("["):
                value = select(value, *self.bits())
            elif self.take("."):
                value = self.typed(value, self.next())
            else:
                return value

    @staticmethod
    def typed(value, ty):
        def look(env):
            found = value(env)
            if isinstance(found, str):
                return constant(found, ty)
            if isinstance(found, bool):
                found = Int(int(found), 1)
            return view(found, ty)

        return look

    def primary(self):
        kind, text = self.tokens[self.at]
        if self.take("("):
            value = self.expression()
            self.need(")")
            return value
        if self.take("{"):
            parts = [self.expression()]
            while self.take(","):
                parts.append(self.expression())
            self.need("}")
            return lambda env: concatenated([part(env) for part in parts])
        self.next()
        if kind == "sized":
            return self.sized(text)
        if kind == "number":
            value = number(text)
            return lambda env: value
        if self.take("("):
            arguments = []
            while not self.take(")"):
                arguments.append(self.expression())
                self.take(",")
            return lambda env: call(env, text, [argument(env) for argument in arguments])
        return lambda env: env[text] if text in env else text

    def sized(self, text):
        width, rest = text.split("'")
        if rest.endswith("("):
            value = self.expression()
            self.need(")")
            return lambda env: cast(int(width), rest[0], value(env))
        if "." in rest:
            value = rounded(Fraction(rest), {16: F16, 32: F32, 64: F64}[int(width)])
        else:
            value = Int(int(rest.rstrip("U"), 0), int(width))
        return lambda env: value


def number(text):
    if "." in text or (text.endswith("F") and not text.startswith("0x")):
        return rounded(Fraction(text.rstrip("F")), F32 if text.endswith("F") else F64, mode=NEAREST)
    return Int(int(re.sub("[UL]+$", "", text), 0), 64 if "LL" in text else 32)


def constant(name, ty):
    """`INF.f32`; infinity has no type of its own."""
    return {"INF": infinity(FORMATS[ty])}[name]


def minus(value):
    if isinstance(value, str):
        return "-" + value
    return negate(value) if isinstance(value, Float) else Int(-value.value, value.width)


def invert(value):
    return Int(~raw(value), getattr(value, "width", 32))


def concatenated(parts):
    bits = 0
    for part in parts:
        width = part.fmt.width if isinstance(part, Float) else part.width
        bits = bits << width | raw(part) & ((1 << width) - 1)
    return Int(bits, 64)


def select(value, first, last, size):
    def bits(env):
        found = value(env)
        if isinstance(found, list):
            return found[first(env).value]
        a = first(env).value
        if size:
            return Int(raw(found) >> a & ((1 << size(env).value) - 1), size(env).value)
        if last is None:
            return Int(raw(found) >> a & 1, 1)
        b = last(env).value
        if a < b:
            flipped = f"{raw(found) & ((1 << (b + 1)) - 1):0{b + 1}b}"[::-1]
            return Int(int(flipped, 2), b + 1)
        return Int(raw(found) >> b & ((1 << (a - b + 1)) - 1), a - b + 1)

    return bits


def call(env, name, arguments):
    if name in env:
        return env[name](*arguments)
    if name in FUNCTIONS:
        return FUNCTIONS[name](*arguments)
    # Another instruction by its name.
    ty = name.rsplit("_", 1)[1]
    inner = environment(env["laneId"].value, arguments + [Int(0)] * (3 - len(arguments)), Int(0, 64))
    execute(program(name.upper()), inner)
    return view(inner["D0"], ty)


def unify(a, b):
    """Operands of a comparison or a sum as the same kind."""
    for one, other in ((a, b), (b, a)):
        if isinstance(one, str) and isinstance(other, Float):
            fixed = infinity(other.fmt, one.startswith("-"))
            return (fixed, other) if one is a else (other, fixed)
    if isinstance(a, bool):
        a = Int(int(a), 1)
    if isinstance(b, bool):
        b = Int(int(b), 1)
    return a, b


def binary(operator, a, b):
    a, b = unify(a, b)
    if operator == "**":
        return Power(b.value)
    if isinstance(a, Power) or isinstance(b, Power):
        power, other = (a, b) if isinstance(a, Power) else (b, a)
        return scaled(other, power.power)
    if isinstance(a, Float) and isinstance(b, Float):
        return float_binary(operator, a, b)
    x, y = raw(a), raw(b)
    width = max(getattr(a, "width", 32), getattr(b, "width", 32))
    if operator in COMPARISONS:
        return COMPARISONS[operator](x, y)
    return Int(INTEGERS[operator](x, y), a.width if operator in ("<<", ">>") else width)


COMPARISONS = {
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
    "<>": lambda x, y: x != y,
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
}
INTEGERS = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "&": lambda x, y: x & y,
    "|": lambda x, y: x | y,
    "^": lambda x, y: x ^ y,
    "<<": lambda x, y: x << y,
    ">>": lambda x, y: x >> y,
}


def float_binary(operator, a, b):
    if operator in COMPARISONS:
        if a.nan or b.nan:
            return operator == "!="
        extended = [Fraction(x.value()) if not x.infinite else (-1 if x.negative else 1) * Fraction(1 << 2000) for x in (a, b)]
        return COMPARISONS[operator](*extended)
    if operator == "-":
        # The NaN keeps its sign.
        return first_nan(a, b) or add(a, negate(b))
    return {"+": add, "*": multiply, "/": divide}[operator](a, b)


def execute(statements, env):
    for statement in statements:
        statement(env)


# ---------------------------------------------------------------- cases

TEXTS = {}
for opcode, text in PCODE.items():
    base = re.sub("_E(32|64)$", "", opcode.name)
    # VOP1, VOP2 and VOPC before their VOP3 forms, which say the same.
    if base not in TEXTS or type(opcode).__name__ in ("VOP1Op", "VOP2Op", "VOPCOp"):
        TEXTS[base] = text
PROGRAMS = {}


def program(name):
    if name not in PROGRAMS:
        text = TEXTS[name]
        correction = CORRECTIONS.get(name, ())
        if isinstance(correction, str):
            text = correction
        else:
            for old, new in zip(correction[::2], correction[1::2]):
                if old not in text:
                    raise ValueError(f"{name} is not what is corrected: {text}")
                text = text.replace(old, new)
        PROGRAMS[name] = Parser(text).block()
    return PROGRAMS[name]


def environment(lane, sources, destination):
    env = {name: source for name, source in zip(("S0", "S1", "S2"), sources)}
    env.update(
        D0=destination,
        D1=Int(0),
        laneId=Int(lane),
        WAVE_MODE=Int(Mode.ieee, 1),
        MAX_FLOAT_F32=Float(0x7F7FFFFF, F32),
        # Never reached: an infinite denominator is caught before.
        OVERFLOW_F32=infinity(F32),
        OVERFLOW_F64=infinity(F64),
        ROUND_MODE=Int(0),
        ROUND_TOWARD_ZERO=Int(ZERO),
    )
    return env


def answer(line):
    name, *numbers = line.split()
    f32, f16_f64, ieee, neg, lane, *sources, destination, vcc, scc, execution = (int(n, 16) for n in numbers)
    Mode.f32, Mode.f16_f64, Mode.ieee = f32, f16_f64, ieee
    env = environment(lane, [Int(s, 64) for s in sources], Int(destination, 64))
    env.update(
        SCC=scc == 1,
        EXEC=Int(execution, 64),
        VCC=Int(vcc << lane, 64),
        NEG=Int(neg, 3),
        SIMM16=Int(sources[1], 16),
        SIMM32=Int(sources[2], 32),
    )
    if name.startswith("V_CVT_PK_RTZ"):
        # The text sets the rounding mode.
        Mode.f16_f64 = ZERO
    execute(program(name), env)
    mask = env["VCC"] if not name.startswith("V_CMP") else env["EXEC" if name.startswith("V_CMPX") else "D0"]
    if name.startswith("V_MAD_") and "64_" in name:
        mask = Int(raw(env["D1"]) << lane)
    word = lambda value: raw(Int(int(value)) if isinstance(value, bool) else value) & 0xFFFFFFFFFFFFFFFF
    return f"{word(env['D0']):x} {word(mask) >> lane & 1:x} {word(env['SCC']):x} {word(env['EXEC']):x}"


for line in sys.stdin:
    try:
        print(answer(line))
    except (SyntaxError, KeyError, AttributeError, TypeError, ValueError, IndexError) as error:
        print(f"? {type(error).__name__}: {error}")
