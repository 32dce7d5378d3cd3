"""The manual's language: text to closures over an environment of names."""

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
