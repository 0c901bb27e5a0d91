"""Text as it stands in prompts, and what people should not have written there. All of it is made up.

Private things have marks, to look for in what is delivered: `SECRETS`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

from testbed.profiles import people

KEY: Final = "sk-testbed-"
DOMAIN: Final = "@inside-prompts.example"
CARD: Final = "4242 4242 "
"""Begins every card number: payment providers give out such numbers for tests, so none is somebody's."""
PHONE: Final = "+1 202-555-01"
"""Begins every phone number: these are reserved for fiction."""
TOKEN: Final = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."  # noqa: S105  it is what all JSON Web Tokens of this kind begin with
SECRETS: Final = (KEY, DOMAIN, CARD, PHONE, TOKEN)

PLAIN_WORDS: Final = tuple(
    """
    a about account across after all also an and answer any are as at be because before below between both but by can
    change check claim clause client code contract could customer data date days delivery describe detail do document
    does each email error every example explain fee field file find first following for form from further give handle
    has have help how if in include information insurance into invoice is issue it item keep last later letter limit
    line list long may mention message month more most name need new next no not note number of offer on one only open
    option or order other our out over page paragraph part passage payment period please policy price problem product
    provide question reason receive refund reply report request require result return review rule same section see
    sentence service shall should show since some source standard state step such summary support system table term
    than that the their then there these they this those ticket time to today total two under until update use user
    value version was we were what when where whether which while who will with without word work would write year you
    """.split()  # noqa: SIM905  a list of so many words reads best as text
)
WORDS: Final = (*PLAIN_WORDS, "café", "naïve", "façade", "Zürich", "Málaga")


def sentence(random: Random) -> str:
    """A sentence of 6 to 16 words."""
    words = " ".join(random.choices(WORDS, k=random.randint(6, 16)))
    return words[0].upper() + words[1:] + "."


def text(random: Random, size: int) -> str:
    """Text of exactly `size` bytes, in paragraphs, with something private in every tenth sentence or so.

    Nothing private is cut.
    """
    pieces: list[str] = []
    left = size
    while left > 0:
        piece = random.choice(PRIVATE)(random) if random.random() < 0.1 else sentence(random)
        piece += "\n\n" if random.random() < 0.15 else " "
        if (length := len(piece.encode())) > left:
            break
        pieces.append(piece)
        left -= length
    return "".join(pieces) + filler(random, left)


def filler(random: Random, size: int) -> str:
    """Plain ASCII text of exactly `size` bytes, without anything private and without what JSON escapes."""
    return " ".join(["", *random.choices(PLAIN_WORDS, k=size)])[:size]


def messages(random: Random, size: int) -> list[dict[str, Any]]:
    """A conversation of exactly `size` bytes as JSON, in the form of `gen_ai.input.messages`.

    From 8 KB on it has several turns, and a call of a tool. The size must be 500 at least.
    """
    turns = 1 + 2 * min(size // 8000, 5)
    share = int(size * 0.9 / turns) - 100
    said = [_said("user" if turn % 2 == 0 else "assistant", text(random, share)) for turn in range(turns)]
    if turns > 1:
        call = f"call_{people.hexadecimal(random, 8)}"
        arguments = {"order": random.randint(10**6, 10**7), "fields": ["state", "total"], "limit": 0.5}
        asked = {"type": "tool_call", "id": call, "name": "get_order", "arguments": arguments}
        given = {"type": "tool_call_response", "id": call, "response": sentence(random)}
        said[1:1] = [{"role": "assistant", "parts": [asked]}, {"role": "tool", "parts": [given]}]
    said[-1]["parts"][-1]["content"] += filler(random, size - len(as_json(said).encode()))
    return said


def as_json(value: object) -> str:
    """JSON as instrumentations write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _said(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def _email(random: Random) -> str:
    return f"Write to {people.login(random)}{DOMAIN} instead."


def _card(random: Random) -> str:
    digits = CARD.replace(" ", "") + f"{random.randrange(10**7):07}"
    number = digits + check_digit(digits)
    return f"The card is {number[:4]} {number[4:8]} {number[8:12]} {number[12:]}, valid until 09/29."


def _phone(random: Random) -> str:
    return f"Call {PHONE}{random.randrange(100):02} after six."


def _key(random: Random) -> str:
    return f"export API_KEY={KEY}{people.hexadecimal(random, 20)}"


def _token(random: Random) -> str:
    claims = json.dumps({"sub": people.login(random), "iat": random.randint(1_760_000_000, 1_770_000_000)})
    return f"Authorization: Bearer {TOKEN}{_base64url(claims.encode())}.{_base64url(random.randbytes(32))}"


PRIVATE: Final[tuple[Callable[[Random], str], ...]] = (_email, _card, _phone, _key, _token)


def check_digit(digits: str) -> str:
    """The digit that makes `digits` valid by Luhn's algorithm (ISO/IEC 7812-1)."""
    doubled = (int(digit) * (2 if position % 2 == 0 else 1) for position, digit in enumerate(reversed(digits)))
    return str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
