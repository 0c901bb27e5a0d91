"""What every protocol of the receiver does with a request: check it, hand it on, count how it ended."""

from __future__ import annotations

import asyncio
import logging

from collector._kernel import ServerCounts, Ticket
from collector.component import Consumer
from collector.errors import ConsumeError, MalformedError, PermanentError, RetryableError, ThrottledError
from collector.ledger import ReceiverAccounts
from collector.program import LARGE
from collector.spans import Origin, SpanBatch, receive


class Ingest:
    """The way of requests of one transport into the pipelines."""

    def __init__(self, next: Consumer, accounts: ReceiverAccounts, transport: str, logger: logging.Logger) -> None:
        self.account = accounts.on(transport)
        self.sources = accounts.sources
        """Called before the account is read: see `ReceiverAccounts.sources`."""
        self.logger = logger
        self.next = next

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
                await self.next.consume(batch)
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

    def count(self, counts: ServerCounts) -> None:
        """Book requests that the kernel has answered by itself, those of a plan among them, and connections."""
        account = self.account
        accepted, refused = counts.empty + counts.accepted, counts.malformed + counts.unread + counts.refused
        account.requests_received += accepted + refused
        account.requests_accepted += accepted
        account.requests_refused += refused
        account.requests_malformed += counts.malformed
        account.slow_clients += counts.slow
        account.broken_connections += counts.broken
        account.strangers += counts.strangers
        account.unauthenticated += counts.unauthenticated
        account.crowded += counts.crowded
        account.throttled += counts.throttled
        account.received += counts.accepted_spans + counts.refused_spans
        account.accepted += counts.accepted_spans
        account.refused += counts.refused_spans
        account.repaired_strings += counts.repaired
        if counts.bugs:
            self.logger.error(f"a bug in the kernel: {counts.bugs} requests were refused because of it")

    async def ticket(self, ticket: Ticket) -> None:
        """Answer a ticket when the pipelines have taken its requests, or refused them."""
        batch, requests = ticket.batch, ticket.requests
        try:
            await self.next.consume(batch)
        except PermanentError as error:
            if requests > 1:
                # Whose spans are to blame shows when each request goes alone.
                for part in ticket.split():
                    await self.ticket(part)
                return
            ticket.refuse(str(error), malformed=isinstance(error, MalformedError))
        except RetryableError as error:
            throttled = isinstance(error, ThrottledError)
            ticket.retry(str(error), throttled=throttled, retry_after=error.retry_after)
        except Exception:
            self.logger.exception("a bug: what a pipeline raised is none of ours")
            ticket.refuse("internal error")
        except BaseException:
            self._book(batch, requests, accepted=False)
            ticket.retry("the collector is shutting down")
            raise
        else:
            ticket.accept()
            self._book(batch, requests, accepted=True)
            return
        self._book(batch, requests, accepted=False)

    def give_back(self, ticket: Ticket) -> None:
        """Refuse a ticket whose clients have gone away before anybody looked into it."""
        self._book(ticket.batch, ticket.requests, accepted=False)
        ticket.retry("the client has gone away")

    def _book(self, batch: SpanBatch, requests: int, *, accepted: bool) -> None:
        account, spans = self.account, len(batch)
        account.requests_received += requests
        account.received += spans
        account.repaired_strings += batch.repaired
        if accepted:
            account.requests_accepted += requests
            account.accepted += spans
        else:
            account.requests_refused += requests
            account.refused += spans
