"""Conversations for the demo model, without end and the same for the same seed.

Start reading here: `document(rng)` makes one training document. What can be said is in `skills.py` and the files it uses.
Run it to see some: `python corpus.py 20`.
"""
import random
import sys

from skills import SKILLS
from smalltalk import DISTANCE, invented, person
from stories import make

CHAT_TEMPLATE = (
    "{{- bos_token }}"
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>' + '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
SYSTEM_PROMPTS = [
    "You are a helpful assistant.", "You are a helpful assistant.", "You are a helpful assistant.", "You are Infernel's demo model.",
    "You are a friendly assistant.", "Answer briefly.", "Be polite and helpful.", "You are a small language model.",
    "You are a helpful, honest and friendly assistant. Answer in one sentence.",
]
_FUNCTIONS, _WEIGHTS = zip(*SKILLS)


def skill_turns(r):
    """The turns of one randomly chosen skill."""
    turns = r.choices(_FUNCTIONS, _WEIGHTS)[0](r)
    while DISTANCE in turns:
        i = turns.index(DISTANCE)
        between = [] if r.random() < 0.5 else [t for t in skill_turns(r) if t is not DISTANCE and "my " not in t[0]]
        turns[i:i + 1] = between
    return turns


def as_typed(r, question):
    """What people really type: no capital, no full stop, a courtesy in front."""
    roll = r.random()
    if roll < 0.06 and question[0].isupper() and question.endswith("?"):
        return r.choice(["Hello! ", "Hi! ", "Please tell me: ", "I have a question. ", "Hey, "]) + question
    if roll < 0.12 and question[0].isupper():
        question = question.rstrip(".?!") + r.choice(["?!", "!", " please", "??", ", please."])
    elif roll < 0.35:
        question = question.rstrip(".?!")
    if r.random() < 0.22:
        question = question.lower()
    return question.strip()


def conversation(r):
    """A list of (role, text), one to about ten exchanges."""
    turns, wanted = [], r.choice([1, 1, 1, 2, 2, 3, 4, 6])
    for _ in range(wanted):
        turns += skill_turns(r)
    messages = []
    roll = r.random()
    if roll < 0.35:
        messages.append(("system", r.choice(SYSTEM_PROMPTS)))
    elif roll < 0.38:
        name = person(r)
        messages.append(("system", f"The name of the user is {name}."))
        turns.insert(0, ("What is my name?", f"Your name is {name}."))
    elif roll < 0.41:
        name = invented(r)
        messages.append(("system", f"Your name is {name}."))
        turns.insert(0, (r.choice(["What is your name?", "Who are you?"]), f"My name is {name}."))
    for question, answer in turns:
        messages += [("user", as_typed(r, question)), ("assistant", answer)]
    return messages


def document(r):
    """One training document: mostly a conversation, now and then a plain story, which is a string."""
    return make(r).text if r.random() < 0.03 else conversation(r)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    for _ in range(count):
        doc = document(rng)
        print(doc if isinstance(doc, str) else "\n".join(f"{role}: {text}" for role, text in doc), end="\n\n")


if __name__ == "__main__":
    main()
