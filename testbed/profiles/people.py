"""Who uses the made-up programs, from where, and with which secrets: small values that many profiles need."""

from __future__ import annotations

from random import Random
from typing import Final

BEARER: Final = "testbed-bearer-secret"
"""Stands in every `http.request.header.authorization`, and nowhere else."""
DOMAIN: Final = "@testbed-people.example"
"""Ends every `user.email`, and stands nowhere else."""

FIRST_NAMES: Final = ("ada", "barbara", "chen", "dorothy", "edsger", "frances", "grace", "hedy", "ines", "joan")
LAST_NAMES: Final = ("almeida", "brandt", "castillo", "dubois", "eriksen", "fischer", "garcia", "hopper", "ito", "jung")
TENANTS: Final = ("acme", "globex", "initech", "umbrella-insurance", "wayne-logistics", "stark-energy")


def hexadecimal(random: Random, size: int) -> str:
    """Random bytes as hex digits, two for each."""
    return random.randbytes(size).hex()


def uuid(random: Random) -> str:
    """A random UUID (RFC 9562, version 4)."""
    digits = hexadecimal(random, 16)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def login(random: Random) -> str:
    """What stands before the @ of an address."""
    return f"{random.choice(FIRST_NAMES)}.{random.choice(LAST_NAMES)}{random.randint(1, 999)}"


def email(random: Random) -> str:
    """The address of a user: the value of `user.email`."""
    return login(random) + DOMAIN


def authorization(random: Random) -> list[str]:
    """The value of `http.request.header.authorization`: headers are lists, by the semantic conventions."""
    return [f"Bearer {BEARER}-{hexadecimal(random, 16)}"]


def address(random: Random) -> str:
    """An address inside the cluster."""
    return f"10.{random.randint(0, 31)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
