"""One backend: its exporter, what became of attempts at it, and its end once nobody uses it any more."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from collector.component import Delivery, Host, Settings
from collector.errors import ComponentError, ConsumeError, RetryableError
from collector.ledger import ExporterAccount
from collector.sending.outage import Outage
from collector.spans import SpanBatch
from collector.telemetry.metrics import Histogram
from collector.telemetry.occasional import Occasional
from exporters.load_balancing.absence import Absence
from exporters.load_balancing.config import FailoverConfig
from exporters.otlp_grpc import OtlpGrpcConfig, OtlpGrpcExporter

LATENCY_BOUNDS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Milliseconds."""

Outcome = Delivery | ConsumeError


class Backend:
    """Sends to one endpoint, which the settings name."""

    def __init__(
        self, config: OtlpGrpcConfig, failover: FailoverConfig | None, settings: Settings[ExporterAccount]
    ) -> None:
        self.endpoint = config.endpoint
        self.absence = Absence(failover)
        self.outcomes: Counter[bool] = Counter()
        """Attempts by their success."""
        self.latency = Histogram(LATENCY_BOUNDS)
        self._logger: logging.Logger = settings.logger
        # The account is that of the whole exporter, which counts what becomes of the spans.
        self._exporter = OtlpGrpcExporter(config, replace(settings, account=ExporterAccount()))
        self._timeout = config.timeout or None
        self._outage = Outage(patience=1)
        self._bugs = Occasional()
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @property
    def is_out(self) -> bool:
        """Whether the last attempt at it failed."""
        return self._outage.present

    async def start(self, host: Host) -> None:
        """Get ready to send. Raises `StartError`."""
        await self._exporter.start(host)

    def enter(self) -> None:
        """Keep it open until `leave`."""
        self._users += 1
        self._unused.clear()

    def leave(self) -> None:
        """Allow its end."""
        self._users -= 1
        if not self._users:
            self._unused.set()

    async def send(self, batch: SpanBatch) -> Outcome:
        """Try once to deliver a batch, and give what it came to."""
        now: Callable[[], float] = asyncio.get_running_loop().time
        began = now()
        outcome = await self._attempt(batch)
        self.latency.observe((now() - began) * 1000)
        self.outcomes[isinstance(outcome, Delivery)] += 1
        if isinstance(outcome, RetryableError):
            if outcome.retry_after is None:
                self.absence.failed(now())
            if self._outage.failed(now()):
                self._logger.warning(f"cannot deliver to {outcome}")
        else:
            self.absence.answered()
            if recovery := self._outage.answered(now()):
                self._logger.info(
                    f"delivers to {self.endpoint} again, after {recovery.failures} failed attempts"
                    f" in {recovery.seconds:.1f} seconds"
                )
        return outcome

    async def _attempt(self, batch: SpanBatch) -> Outcome:
        try:
            async with asyncio.timeout(self._timeout) as attempt:
                return await self._exporter.export(batch)
        except TimeoutError as error:
            if not attempt.expired():
                return self._bug(error)
            return RetryableError(f"{self.endpoint}: no answer within {self._timeout}")
        except RetryableError as error:
            # What is said of it must tell which of many it was.
            return RetryableError(f"{self.endpoint}: {error}", retry_after=error.retry_after)
        except ConsumeError as error:
            return error
        except Exception as error:  # a bug costs this batch, not those of other backends
            return self._bug(error)

    def _bug(self, error: Exception) -> Outcome:
        if (note := self._bugs.note()) is not None:
            self._logger.error(f"a bug in the exporter: {type(error).__name__} escaped{note}", exc_info=error)
        return ComponentError(f"{type(error).__name__}: {error}")

    async def retire(self) -> None:
        """End, once what is under way has come back."""
        await self._unused.wait()
        await self.close()

    async def close(self) -> None:
        """End at once."""
        await self._exporter.shutdown()
