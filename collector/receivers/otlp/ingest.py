"""What every protocol of the receiver does with a request: check it, hand it on, count how it ended."""

from __future__ import annotations

import asyncio
import logging

from collector.component import Consumer
from collector.errors import ConsumeError, MalformedError
from collector.ledger import ReceiverAccount
from collector.program import LARGE
from collector.spans import Origin, receive


class Ingest:
    """The way of requests of one transport into the pipelines."""

    def __init__(self, next: Consumer, account: ReceiverAccount, logger: logging.Logger) -> None:
        self.account = account
        self.logger = logger
        self._next = next

    async def request(self, data: bytes, origin: Origin | None) -> None:
        """Return when the pipelines have taken the request. Raises `ConsumeError` when it was refused.

        A call that is cancelled was not taken.
        """
        account = self.account
        account.requests_received += 1
        spans = 0
        try:
            batch = receive(data, origin) if len(data) < LARGE else await asyncio.to_thread(receive, data, origin)
            spans = len(batch)
            account.received += spans
            account.repaired_strings += batch.repaired
            if spans:
                await self._next.consume(batch)
        except BaseException as error:
            account.refused += spans
            account.requests_refused += 1
            if isinstance(error, MalformedError) and not spans:
                account.requests_malformed += 1
            if isinstance(error, Exception) and not isinstance(error, ConsumeError):
                self.logger.exception("a bug: what a pipeline raised is none of ours")
            raise
        account.accepted += spans
        account.requests_accepted += 1
