"""What the demo model can talk about: each skill makes one exchange or a few, as (question, answer) pairs.

A skill is a function of a seeded `random.Random`; `SKILLS` at the end says how often each is used.
The wording varies most on the user's side; the answers stay few and regular, because a small model learns them better.
"""
from facts import (ANIMALS, CAPITALS, COLOURS, HOW_TO, JOBS, LANGUAGES, MEMBERS, MISC, NO_ARTICLE, OPPOSITES, SIZES,
                   THINGS, USES, WORDS)
from numeracy import (arithmetic, calendar, compare_numbers, counting)
from smalltalk import (about_me, feelings, jokes, manners, memory, opinions, refusals, greetings)
from stories import KINDS, NAMES, OBJECTS, PLACES, TRAITS, a, make


def capital(text):
    """The text with its first letter upper case, the rest as it is."""
    return text[0].upper() + text[1:]


def capitals(r):
    country, city = r.choice(CAPITALS)
    kind = r.random()
    if kind < 0.6:
        ask = r.choice(["What is the capital of {}?", "What is the capital city of {}?", "Which city is the capital of {}?",
                        "Tell me the capital of {}.", "Do you know the capital of {}?", "What's the capital of {}?",
                        "Capital of {}?"])
        return [(ask.format(country), f"The capital of {country} is {city}.")]
    if kind < 0.66:
        of = {"England": "the United Kingdom"}.get(country, country)
        return [(r.choice(["What is {}?", "Tell me about {}.", "What do you know about {}?"]).format(of),
                 f"{capital(of)} is a country. Its capital is {city}.")]
    if kind < 0.8:
        ask = r.choice(["Which country has the capital {}?", "{} is the capital of which country?", "Where is {}?", "What is {}?",
                        "In which country is {}?"])
        answer = f"{city} is the capital of {country}."
        return [(ask.format(city), answer)]
    if kind < 0.9:
        return [(f"Is {city} the capital of {country}?", f"Yes, {city} is the capital of {country}.")]
    other = r.choice([c for _, c in CAPITALS if c != city])
    return [(f"Is {other} the capital of {country}?", f"No, the capital of {country} is {city}.")]


def capitals_in_a_row(r):
    first, second, third = r.sample(CAPITALS, 3)
    turns = [(f"What is the capital of {first[0]}?", f"The capital of {first[0]} is {first[1]}.")]
    for country, city in (second, third)[: r.choice([1, 2])]:
        turns.append((r.choice(["And of {}?", "And {}?", "What about {}?"]).format(country), f"The capital of {country} is {city}."))
    return turns


def opposites(r):
    one, other = r.sample(r.choice(OPPOSITES), 2)
    ask = r.choice(["What is the opposite of {}?", "What's the opposite of {}?", "Tell me the opposite of {}.",
                    "What is the opposite of the word {}?", "Opposite of {}?"])
    turns = [(ask.format(one), f"The opposite of {one} is {other}.")]
    if r.random() < 0.3:
        one, other = r.sample(r.choice(OPPOSITES), 2)
        turns.append((r.choice(["And of {}?", "And {}?", "What about {}?"]).format(one), f"The opposite of {one} is {other}."))
    return turns


def colours(r):
    thing, colour = r.choice(COLOURS)
    if r.random() < 0.6:
        ask = r.choice(["What colour is {}?", "What color is {}?", "Which colour does {} have?", "Tell me the colour of {}."])
        return [(ask.format(thing), f"{capital(thing)} is {colour}.")]
    if r.random() < 0.5:
        return [(f"Is {thing} {colour}?", f"Yes, {thing} is {colour}.")]
    wrong = r.choice([c for c in MEMBERS["colour"] if c != colour])
    return [(f"Is {thing} {wrong}?", f"No, {thing} is {colour}.")]


NUMBER = {"0": "no", "2": "two", "4": "four", "6": "six", "8": "eight"}


def animals(r):
    name, plural, sound, home, food, young, legs, kind, flies = r.choice(ANIMALS)
    one = a(name)
    questions = [
        (["Do you like {s}?", "I like {s}.", "What do you think of {s}?"], f"I like {plural}. They live {home}."),
        (["I have {}.", "We have {} at home."], f"How nice! What is your {name} called?"),
        (["What sound does {} make?", "What does {} say?", "What noise does {} make?"], f"{capital(one)} {sound}."),
        (["Where does {} live?", "Where do {s} live?"], f"{capital(plural)} live {home}."),
        (["What does {} eat?", "What do {s} eat?", "What do {s} like to eat?"], f"{capital(plural)} eat {food}."),
        (["What is a young {n} called?", "What is a baby {n} called?", "What do you call a young {n}?"],
         f"A young {name} is called {a(young)}."),
        (["How many legs does {} have?", "How many legs do {s} have?"], f"{capital(one)} has {NUMBER[legs]} legs."),
        (["What kind of animal is {}?", "What is {}?", "What is {}?"], f"{capital(one)} is {a(kind)}. It lives {home} and eats {food}."),
        (["Can {} fly?", "Can {s} fly?", "Do {s} fly?"], f"Yes, {plural} can fly." if flies == "yes" else f"No, {plural} cannot fly."),
        (["Tell me about {s}.", "What do you know about {s}?", "Tell me something about {s}."],
         f"{capital(plural)} live {home} and eat {food}. A young {name} is called {a(young)}."),
    ]
    ask, answer = r.choice(questions)
    return [(r.choice(ask).format(one, s=plural, n=name), answer)]


def sizes(r):
    i, j = sorted(r.sample(range(len(SIZES)), 2))
    small, large = SIZES[i], SIZES[j]
    x, y = r.sample([small, large], 2)
    word = r.choice(["bigger", "smaller", "larger"])
    big_first = word != "smaller"
    answer = f"{capital(a(large))} is {word} than {a(small)}." if big_first else f"{capital(a(small))} is smaller than {a(large)}."
    if r.random() < 0.6:
        return [(f"{r.choice(['Which is', 'What is', 'Who is'])} {word}, {a(x)} or {a(y)}?", answer)]
    right = (x == large) == big_first
    return [(f"Is {a(x)} {word} than {a(y)}?", ("Yes, " if right else "No, ") + answer[0].lower() + answer[1:])]


PLURAL = {"cherry": "cherries", "strawberry": "strawberries", "peach": "peaches", "knife": "knives", "potato": "potatoes",
          "cabbage": "cabbages", "daisy": "daisies", "lily": "lilies", "bus": "buses", "fruit": "fruits"}


def members(r):
    group = r.choice(list(MEMBERS))
    words = MEMBERS[group]
    if r.random() < 0.6:
        count = r.choice([("one", 1), ("two", 2), ("three", 3), ("three", 3), ("four", 4), ("five", 5)])
        chosen = r.sample(words, min(count[1], len(words)))
        plural = PLURAL.get(group, group + "s")
        if count[1] == 1:
            return [(f"Name {a(group)}.", f"{capital(chosen[0])}.")]
        ask = r.choice(["Name {} {}.", "Tell me {} {}.", "Can you name {} {}?", "List {} {}.", "Give me {} {}."])
        return [(ask.format(count[0], plural), capital(f"{', '.join(chosen[:-1])} and {chosen[-1]}."))]
    word = r.choice(words)
    other = r.choice([g for g in MEMBERS if g != group and word not in MEMBERS[g]])
    article = (lambda w, g: w if g in NO_ARTICLE else a(w))
    it = article(word, group)
    asked = r.choice([group, other])
    verdict = f"Yes, {it} is {a(group)}." if asked == group else f"No, {it} is {a(group)}."
    if r.random() < 0.3:
        return [(f"What is {it}?", f"{capital(it)} is {a(group)}.")]
    return [(f"Is {it} {a(asked)}?", verdict)]


def things(r):
    thing, clause = r.choice(THINGS)
    bare = thing.split(" ", 1)[1] if thing.startswith(("a ", "an ", "the ")) else thing
    ask = r.choice(["What is {}?", "What is {}?", "What's {}?", "Can you explain what {} is?", "Tell me what {} is.", "Explain {}.",
                    "What does the word {b} mean?", "Tell me about {}."])
    return [(ask.format(thing, b=bare), f"{capital(thing)} {clause}.")]


def jobs(r):
    job, does = r.choice(JOBS)
    if r.random() < 0.6:
        return [(r.choice(["What does {} do?", "What is {}?", "What is the job of {}?"]).format(a(job)), f"{capital(a(job))} {does}.")]
    return [(f"Who {does}?", f"{capital(a(job))} {does}.")]


def uses(r):
    thing, use = r.choice(USES)
    ask = r.choice(["What is {} for?", "What do you use {} for?", "What can I do with {}?", "What is {} used for?"])
    return [(ask.format(a(thing)), f"{capital(a(thing))} is for {use}.")]


def words(r):
    row = r.choice(WORDS)
    i = r.randrange(3)
    ask = r.choice(["What is the {} word for {}?", "How do you say {1} in {0}?", "What is {1} in {0}?", "Translate {1} into {0}.",
                    "How do I say {1} in {0}?"])
    turns = [(ask.format(LANGUAGES[i], row[0]), f"The {LANGUAGES[i]} word for {row[0]} is {row[i + 1]}.")]
    if r.random() < 0.3:
        j = r.choice([k for k in range(3) if k != i])
        turns.append((r.choice(["And in {}?", "What about {}?", "In {}?"]).format(LANGUAGES[j]),
                      f"The {LANGUAGES[j]} word for {row[0]} is {row[j + 1]}."))
    return turns


def how_to(r):
    task, steps = r.choice(HOW_TO)
    ask = r.choice(["How do I {}?", "How can I {}?", "How do you {}?", "Tell me how to {}.", "Can you help me to {}?", "I want to {}."])
    return [(ask.format(task), steps)]


def misc(r):
    return [r.choice(MISC)]


def story(r):
    given, about = {}, ""
    if r.random() < 0.7:
        given["kind"] = r.choice(KINDS)
        about = given["kind"]
        if r.random() < 0.35:
            given["trait"] = r.choice(TRAITS)
            about = f"{given['trait']} {about}"
        about = f" about {a(about)}"
        if r.random() < 0.35:
            given["name"] = r.choice(NAMES[r.choice(["he", "she"])])
            about += r.choice([" called {}", " named {}"]).format(given["name"])
    elif r.random() < 0.3:
        given["object_"] = r.choice(OBJECTS)
        about = f" about {a(given['object_'])}"
    elif r.random() < 0.3:
        given["place"] = r.choice(PLACES)
        about = f" that happens {given['place']}"
    s = make(r, **given)
    ask = r.choice(["Tell me a story{}.", "Tell me a short story{}.", "Can you tell me a story{}?", "Please tell me a story{}.",
                    "Write a story{}.", "Write a short story{}.", "I want to hear a story{}.", "Make up a story{}."])
    turns = [(ask.format(about), s.text)]
    follow = [
        (["Who was the story about?", "Who is it about?", "Who is in the story?"], s.who),
        (["Where did the story happen?", "Where did it happen?", "Where was that?"], s.where),
        (["What thing was it about?", "Which thing is in the story?"], s.object),
        (["Who else was in the story?", "Whom did they meet?"], s.helper),
        (["What happened next?", "And then?", "What happened then?", "Go on.", "Please go on.", "Tell me more."], s.more),
        (["I like it.", "That was nice.", "What a nice story!", "Nice story."], "Thank you! Would you like to hear another one?"),
    ]
    for ask, answer in r.sample(follow, r.choice([0, 0, 1, 2])):
        turns.append((r.choice(ask), answer))
    if r.random() < 0.15:
        turns.append((r.choice(["Another one, please.", "Tell me another one.", "One more story, please."]), make(r).text))
    return turns


SKILLS = [
    (greetings, 6), (manners, 6), (about_me, 14), (feelings, 6), (jokes, 4), (opinions, 4), (memory, 9), (refusals, 9),
    (capitals, 9), (capitals_in_a_row, 3), (opposites, 6), (colours, 4), (animals, 12), (sizes, 4), (members, 7),
    (things, 10), (jobs, 3), (uses, 3), (words, 6), (how_to, 3), (misc, 8), (story, 12), (arithmetic, 16),
    (counting, 6), (calendar, 6), (compare_numbers, 3),
]
