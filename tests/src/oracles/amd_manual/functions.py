"""The functions that the manual's pseudo-code calls, and those that the corrections add."""


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
