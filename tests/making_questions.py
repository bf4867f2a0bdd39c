"""Synthetic questions whose names fall into two halves: what is learnt on one is asked of the other."""

from __future__ import annotations

import random
from typing import Any

FIRST = (
    ["Anna", "Boris", "Clara", "David", "Elena", "Felix", "Greta", "Hugo", "Irina", "Jonas", "Karla"],
    [
        "Marta",
        "Nils",
        "Olga",
        "Pavel",
        "Quentin",
        "Rosa",
        "Simon",
        "Tanja",
        "Ulrich",
        "Vera",
        "Walter",
        "Zoe",
    ],
)
LAST = (
    ["Adler", "Brandt", "Cohen", "Duval", "Engel", "Fischer", "Garcia", "Hansen", "Ivanov", "Jensen"],
    ["Keller", "Larsen", "Moreau", "Novak", "Olsen", "Petrov", "Quist", "Rossi", "Santos", "Tanaka"],
)
CITIES = (
    ["Berlin", "Lisbon", "Warsaw", "Dublin", "Athens", "Vienna", "Oslo", "Madrid", "Turin", "Geneva"],
    ["Prague", "Helsinki", "Bergen", "Porto", "Krakow", "Naples", "Seville", "Zagreb", "Basel", "Antwerp"],
)
JOBS = (
    ["baker", "lawyer", "painter", "teacher", "nurse", "pilot", "judge", "tailor"],
    ["carpenter", "dentist", "farmer", "gardener", "plumber", "singer", "butcher", "waiter"],
)


def reading_rows(number: int, half: int, seed: int) -> list[dict[str, Any]]:
    """Synthetic rows of the task `answer`: question, context, answers; one in six has no answer."""
    draw = random.Random(seed)
    rows = []
    for place in range(number):
        first, last = draw.choice(FIRST[half]), draw.choice(LAST[half])
        born, lives = draw.sample(CITIES[half], 2)
        year, job = str(draw.randrange(1900, 2000)), draw.choice(JOBS[half])
        facts = [
            f"{first} {last} was born in {born} in {year}.",
            f"{first} earns a living as a {job}.",
            f"Since last spring {first} has lived in {lives}.",
        ]
        draw.shuffle(facts)
        context = " ".join(facts)
        asked = [
            (f"Where was {first} {last} born?", born),
            (f"In which year was {first} born?", year),
            (f"What does {first} do for a living?", job),
            (f"Where does {first} live now?", lives),
            (f"Who was born in {born}?", f"{first} {last}"),
            (f"To whom is {first} married?", None),
        ]
        question, answer = asked[place % len(asked)]
        answers = [] if answer is None else [{"text": answer, "answer_start": context.index(answer)}]
        rows.append({"question": question, "context": context, "answers": answers})
    return rows


def choice_rows(number: int, half: int, seed: int) -> list[dict[str, Any]]:
    """Synthetic rows of the task `choose`: a story and a question, three options, the right one's number."""
    draw = random.Random(seed)
    rows = []
    for place in range(number):
        name = draw.choice(FIRST[half])
        start, end, other = draw.sample(CITIES[half], 3)
        story = f"{name} took the train from {start} to {end}."
        asked = [("Where did the journey end?", end), ("Where did it begin?", start)]
        question, right = asked[place % 2]
        options = [start, end, other]
        draw.shuffle(options)
        rows.append({"question": f"{story} {question}", "options": options, "answer": options.index(right)})
    return rows
