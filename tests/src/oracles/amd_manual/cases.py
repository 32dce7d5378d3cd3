"""Evaluates the pseudo-code of AMD's RDNA 3 instruction set manual, which the package tinygrad carries as strings.

A line on standard input is a case: the instruction, then as hexadecimal numbers MODE's rounding of f32 and of f16/f64, MODE's
IEEE bit, the neg bits, the lane, S0, S1, S2, D0, the lane's bit of VCC, SCC, EXEC. A line on standard output is what became
of D0, the lane's bit of VCC or of the mask, SCC and EXEC; or `? reason`.

The language is the manual's: C-like expressions over bits that are looked at as numbers (`S0.f32`, `tmp[15 : 0].u16`),
casts `32'I(...)`, sized literals `16'1.0`, concatenation in braces. Integers are exact until they are stored. Floats are
exact fractions that are rounded after each operation, by MODE. Nothing here is shared with the interpreter that is tested.
"""

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
