"""Short stories: characters, places and things filled into plots of a few sentences.

`make(rng, ...)` returns a `Story`: its text and what can be asked about it afterwards.
"""
from dataclasses import dataclass

NAMES = {
    "he": "Tom Ben Max Leo Sam Jack Finn Paul Oscar Hugo Emil Otto Felix Adam Noah Karl".split(),
    "she": "Anna Mia Lily Emma Rosa Lucy Nora Ella Clara Ida Maya Sara Zoe Alice Eva Julia".split(),
}
KINDS = "fox rabbit mouse bear owl cat dog frog duck wolf lion elephant robot dragon boy girl farmer sailor baker king".split()
ALWAYS = {"boy": "he", "girl": "she", "king": "he"}
TRAITS = "brave little shy clever kind curious quiet old young happy lonely lazy".split()
PLACES = [
    "in a small village", "in a deep forest", "by the sea", "on a green hill", "in a big city", "near a quiet lake",
    "on a far island", "in an old castle", "at the edge of a desert", "on a small farm", "in a snowy valley",
    "by a wide river",
]
OBJECTS = "key lamp map book bell stone ring boat ball clock coin hat feather box apple kite".split()
LOOKS = "golden old small red shiny blue strange beautiful broken heavy".split()
HELPERS = ["old owl", "little mouse", "friendly bear", "wise turtle", "young bird", "kind baker", "grey goose", "tall man"]
HIDING = ["under a tree", "behind a rock", "in the tall grass", "under the bed", "at the bottom of a well", "in a dark cave",
          "on the roof", "inside an old box"]
LESSONS = [
    "It is good to share.", "Even small friends can be a great help.", "Who asks for help is not weak.",
    "It is never too late to try.", "A kind word costs nothing.", "Some things are worth the wait.",
    "The best treasure is a good friend.", "Being brave does not mean having no fear.",
]
WEATHER = ["a sunny morning", "a rainy day", "a cold evening", "a windy afternoon", "a quiet night", "a warm summer day"]


@dataclass
class Story:
    """A story's text and the answers to questions about it."""
    text: str
    who: str
    where: str
    object: str
    helper: str
    more: str


def a(word):
    """The word with its indefinite article."""
    return ("an " if word[0] in "aeiou" else "a ") + word


def make(rng, kind=None, trait=None, name=None, object_=None, place=None):
    """One story; whatever the caller does not give is chosen at random."""
    kind = kind or rng.choice(KINDS)
    he = ALWAYS.get(kind) or rng.choice(["he", "she"])
    if name:
        he = next((p for p, names in NAMES.items() if name in names), he)
    f = {
        "name": name or rng.choice(NAMES[he]), "kind": kind, "trait": trait or rng.choice(TRAITS),
        "he": he, "He": he.capitalize(), "his": {"he": "his", "she": "her"}[he], "him": {"he": "him", "she": "her"}[he],
        "place": place or rng.choice(PLACES), "object": object_ or rng.choice(OBJECTS), "look": rng.choice(LOOKS),
        "helper": rng.choice(HELPERS), "hiding": rng.choice(HIDING), "weather": rng.choice(WEATHER),
    }
    f["a_kind"] = a(f"{f['trait']} {f['kind']}")
    f["thing"] = f"{f['look']} {f['object']}"
    f["a_thing"], f["a_helper"] = a(f["thing"]), a(f["helper"])
    f["A_helper"], f["Hiding"] = f["a_helper"].capitalize(), f["hiding"].capitalize()
    opening = rng.choice(OPENINGS).format(**f)
    plot = rng.choice(PLOTS).format(**f)
    ending = rng.choice(ENDINGS).format(**f)
    lesson = " " + rng.choice(LESSONS) if rng.random() < 0.3 else ""
    return Story(
        text=f"{opening} {plot} {ending}{lesson}",
        who=f"The story was about {f['name']}, {f['a_kind']}.",
        where=f"The story took place {f['place']}.",
        object=f"It was about {f['a_thing']}.",
        helper=f"{f['name']} met {f['a_helper']}.",
        more=rng.choice(SEQUELS).format(**f),
    )


OPENINGS = [
    "Once upon a time there was {a_kind} called {name} who lived {place}.",
    "There was once {a_kind} {place}. {He} was called {name}.",
    "{name} was {a_kind} who lived {place}.",
    "Long ago, {place}, there lived {a_kind}. The name of the {kind} was {name}.",
]

PLOTS = [
    "On {weather} {name} found {a_thing} {hiding}. {He} did not know whose it was, so {he} asked everyone. "
    "At last {name} met {a_helper}. \"That is my {object}!\" said the {helper}. {name} gave it back with a smile.",

    "One day {name} lost {his} {thing}. {He} looked everywhere, but it was gone. Then {a_helper} came by and asked, "
    "\"Why are you sad?\" {name} told the {helper} about the {object}. Together they looked, and they found it {hiding}.",

    "{name} wanted to have {a_thing} more than anything else. {He} worked hard every day and saved {his} money. "
    "On {weather} {a_helper} saw how tired {name} was and helped {him}. Soon {name} had the {object}.",

    "On {weather} {name} heard a strange sound. {He} was a little afraid, but {he} went to look. {Hiding} sat "
    "{a_helper} who was holding {a_thing}. \"I am lost,\" said the {helper}. {name} showed the {helper} the way home.",

    "{name} was lonely and wanted a friend. One day {he} put {a_thing} in front of {his} door. On {weather} {a_helper} "
    "stopped and said, \"What a nice {object}!\" They talked for hours and laughed a lot.",

    "One day {name} went for a long walk and could not find the way back. It was getting dark. {Hiding} {he} saw "
    "something shine. It was {a_thing}! {A_helper} saw the light too and brought {name} home.",

    "{name} and {a_helper} both wanted the same {thing}. First they were angry. Then {name} said, \"Let us share it.\" "
    "So {name} had the {object} in the morning, and the {helper} had it in the evening.",

    "On {weather} there was a big storm. {name} saw {a_helper} who could not get home. \"Come in,\" said {name}. "
    "They drank tea and waited. In the morning the {helper} gave {name} {a_thing} to say thank you.",
]

ENDINGS = [
    "From that day on they were best friends.", "{name} was very happy.", "And {name} never forgot that day.",
    "That night {name} slept very well.", "Everyone was glad, and {name} most of all.",
    "{name} went home with a smile.", "And they lived happily ever after.",
]

SEQUELS = [
    "The next day {name} went back to see the {helper}. They had a picnic and told each other stories until the sun went down.",
    "A year later {name} still had the memory of the {thing}. {He} wrote it all down in a book, and the {helper} read it.",
    "Soon after that {name} and the {helper} went on a long trip. They saw the sea and the mountains, and came home tired and happy.",
    "Then the {helper} asked {name} to come for dinner. There was soup, bread and a big cake, and they sang all night.",
]
