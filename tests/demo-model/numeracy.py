"""Numbers, counting and the calendar, computed rather than listed."""
SMALL = "zero one two three four five six seven eight nine ten eleven twelve".split()
WORD = {i: w for i, w in enumerate(SMALL)}
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
LENGTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
SEASON = ["winter"] * 2 + ["spring"] * 3 + ["summer"] * 3 + ["autumn"] * 3 + ["winter"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
FOLLOW = ["And {}?", "What about {}?", "What is {}?"]
COUNTED = "apples books coins eggs balls cats pens cakes boxes kites".split()


def sum_turn(r):
    """A sum, difference or product of small numbers: (as written, the answer)."""
    sign = r.choice("++++--*")
    if sign == "*":
        x, y = r.randint(0, 10), r.randint(0, 10)
        return r.choice([f"{x} times {y}", f"{x} * {y}"]), f"{x} times {y} is {x * y}."
    x, y = r.randint(0, 20), r.randint(0, 20)
    if sign == "+":
        return r.choice([f"{x} + {y}", f"{x} plus {y}", f"{x}+{y}"]), f"{x} plus {y} is {x + y}."
    x, y = max(x, y), min(x, y)
    return r.choice([f"{x} - {y}", f"{x} minus {y}", f"{x}-{y}"]), f"{x} minus {y} is {x - y}."


def arithmetic(r):
    kind = r.random()
    if kind < 0.7:
        text, answer = sum_turn(r)
        ask = r.choice(["What is {}?", "What is {}?", "How much is {}?", "{}", "{} = ?", "What's {}?", "Can you work out {}?"])
        turns = [(ask.format(text), answer)]
        for _ in range(r.choice([0, 0, 1, 2])):
            text, answer = sum_turn(r)
            turns.append((r.choice(FOLLOW).format(text), answer))
        return turns
    if kind < 0.8:
        x, y = r.randint(0, 6), r.randint(0, 6)
        return [(f"What is {WORD[x]} plus {WORD[y]}?", f"{WORD[x].capitalize()} plus {WORD[y]} is {WORD[x + y]}.")]
    if kind < 0.95:
        x, y, thing = r.randint(3, 12), r.randint(2, 8), r.choice(COUNTED)
        if r.random() < 0.5:
            return [(r.choice([f"I have {x} {thing} and get {y} more. How many do I have?",
                               f"If I have {x} {thing} and you give me {y} more, how many {thing} do I have?"]),
                     f"You have {x + y} {thing}, because {x} plus {y} is {x + y}.")]
        x += y
        return [(r.choice([f"I have {x} {thing} and give away {y}. How many are left?",
                           f"There are {x} {thing}. I take {y} of them. How many {thing} are left?"]),
                 f"There are {x - y} {thing} left, because {x} minus {y} is {x - y}.")]
    x, y = r.randint(101, 9999), r.randint(21, 9999)
    return [(f"What is {x} {r.choice(['+', '-', 'times', 'plus', '*'])} {y}?",
             "That is too hard for me. I can only do sums with small numbers.")]


def counting(r):
    kind = r.random()
    if kind < 0.45:
        first = r.choice([1, 1, 1, r.randint(0, 10)])
        last = r.randint(first + 2, min(first + 12, 20))
        ask = r.choice(["Count to {1}.", "Can you count to {1}?"] if first == 1 else ["Count from {} to {}."])
        return [(ask.format(first, last), ", ".join(map(str, range(first, last + 1))) + ".")]
    if kind < 0.6:
        first = r.randint(3, 12)
        return [(r.choice(["Count down from {}.", "Count backwards from {}."]).format(first),
                 ", ".join(map(str, range(first, -1, -1))) + ".")]
    if kind < 0.75:
        n = r.randint(0, 50)
        if r.random() < 0.5:
            return [(r.choice(["What comes after {}?", "Which number comes after {}?"]).format(n), f"{n + 1} comes after {n}.")]
        return [(r.choice(["What comes before {}?", "Which number comes before {}?"]).format(n + 1), f"{n} comes before {n + 1}.")]
    if kind < 0.9:
        i = r.randrange(25)
        return [(r.choice(["Which letter comes after {}?", "What letter follows {}?"]).format(LETTERS[i]),
                 f"{LETTERS[i + 1]} comes after {LETTERS[i]}.")]
    return [(r.choice(["Say the alphabet.", "Can you say the alphabet?", "Tell me the alphabet."]), " ".join(LETTERS) + ".")]


def calendar(r):
    names, what = r.choice([(DAYS, "day"), (MONTHS, "month")])
    i = r.randrange(len(names))
    after, before = names[(i + 1) % len(names)], names[i - 1]
    month = r.randrange(12)
    return [r.choice([
        (f"What {what} comes after {names[i]}?", f"{after} comes after {names[i]}."),
        (f"Which {what} is after {names[i]}?", f"{after} comes after {names[i]}."),
        (f"What {what} comes before {names[i]}?", f"{before} comes before {names[i]}."),
        (f"If today is {DAYS[i % 7]}, what day is tomorrow?", f"Tomorrow is {DAYS[(i + 1) % 7]}."),
        (f"If today is {DAYS[i % 7]}, what day was yesterday?", f"Yesterday was {DAYS[(i - 1) % 7]}."),
        (r.choice(["What are the days of the week?", "Name the days of the week.", "Tell me the days of the week."]),
         f"The days of the week are {', '.join(DAYS[:-1])} and {DAYS[-1]}."),
        (r.choice(["What are the months of the year?", "Name the months of the year.", "Tell me the months."]),
         f"The months are {', '.join(MONTHS[:-1])} and {MONTHS[-1]}."),
        (f"How many days does {MONTHS[month]} have?",
         f"{MONTHS[month]} has {LENGTH[month]} days" + (", and 29 in a leap year." if month == 1 else ".")),
        (f"What season is it in {MONTHS[month]}?", f"In the north, {MONTHS[month]} is in {SEASON[month]}."),
    ])]


def compare_numbers(r):
    x, y = r.sample(range(0, 51), 2)
    kind = r.random()
    if kind < 0.4:
        return [(f"Which is bigger, {x} or {y}?", f"{max(x, y)} is bigger than {min(x, y)}.")]
    if kind < 0.6:
        return [(f"Which is smaller, {x} or {y}?", f"{min(x, y)} is smaller than {max(x, y)}.")]
    kind, other = ("even", "odd") if x % 2 == 0 else ("odd", "even")
    asked = r.choice([kind, other])
    return [(f"Is {x} {asked}?" if r.random() < 0.5 else f"Is {x} an {asked} number?",
             f"{'Yes' if asked == kind else 'No'}, {x} is {kind}.")]
