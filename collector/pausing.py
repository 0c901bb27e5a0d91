"""Waiting that an event ends early."""

from __future__ import annotations

import asyncio


async def pause(seconds: float, until: asyncio.Event) -> bool:
    """Wait so long, or until the event is set. Give whether it is."""
    try:
        async with asyncio.timeout(seconds):
            await until.wait()
    except TimeoutError:
        return False
    return True
