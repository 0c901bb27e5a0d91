"""One batch to several consumers: the exporters of a pipeline, or the pipelines of a receiver.

A batch is immutable, so all share it and nothing is copied. It counts as taken when at least one branch took it; a
branch that refused books the loss in its own account. So a dead exporter among several takes nothing from its
siblings and causes no duplicates, and one exporter alone, or all together, give backpressure to the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from collector.component import Consumer
from collector.errors import ConsumeError, PermanentError, RetryableError
from collector.ledger import Reason, reason_for
from collector.spans import SpanBatch


class BranchAccount(Protocol):
    """The account of a branch, which can lose what a sibling took."""

    def lose(self, spans: int, reason: Reason) -> None:
        """Book spans that were offered and lost."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One of the ways a batch goes."""

    consumer: Consumer
    account: BranchAccount


def fan_out(branches: Sequence[Branch]) -> Consumer:
    """Give the consumer that feeds all branches: the only branch itself, if it is one."""
    return branches[0].consumer if len(branches) == 1 else FanOut(branches)


class FanOut:
    """Offers a batch to all branches at the same time."""

    def __init__(self, branches: Sequence[Branch]) -> None:
        self._branches = tuple(branches)

    async def consume(self, batch: SpanBatch) -> None:
        """Return when every branch has answered and at least one took the batch."""
        offers = [asyncio.ensure_future(branch.consumer.consume(batch)) for branch in self._branches]
        cancelled: asyncio.CancelledError | None = None
        while pending := [offer for offer in offers if not offer.done()]:
            try:
                await asyncio.wait(pending)
            except asyncio.CancelledError as error:
                # Nobody waits for an answer any more. What a branch took it keeps; the others need not go on.
                cancelled = error
                for offer in pending:
                    offer.cancel()
        errors = [asyncio.CancelledError() if offer.cancelled() else offer.exception() for offer in offers]
        if all(errors):
            raise cancelled or _refusal([error for error in errors if error])
        for branch, failure in zip(self._branches, errors, strict=True):
            if failure is not None:
                branch.account.lose(len(batch), reason_for(failure))


def _refusal(errors: Sequence[BaseException]) -> ConsumeError:
    """Say why all refused. A batch that one branch may take later is worth sending again."""
    text = "; ".join(dict.fromkeys(str(error) for error in errors))
    retryable = [error for error in errors if isinstance(error, RetryableError)]
    if not retryable:
        return PermanentError(text)
    waits = [error.retry_after for error in retryable if error.retry_after is not None]
    return RetryableError(text, retry_after=min(waits, default=None))
