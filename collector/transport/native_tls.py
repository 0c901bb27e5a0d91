"""TLS of servers in the kernel: certificates are read at start, and again where that is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from collector._kernel import OptionError, ServerTls
from collector.transport.kernel_tls import blame, tls_settings
from collector.transport.renewal import Renewal
from collector.transport.tls import ServerTlsConfig

CLIENT_CA_INTERVAL = 10.0
"""Seconds between two looks at `client_ca_file`, with `client_ca_file_reload`."""

Files = tuple[tuple[bytes, bytes] | None, bytes | None]
"""Key and certificate, and the authorities of clients, as PEM."""


class Certificates:
    """What a server shows. Between `start` and `stop`, `show` is called with what has changed in the files."""

    def __init__(self, config: ServerTlsConfig, alpn: Sequence[str], logger: logging.Logger) -> None:
        self._config = config
        self._alpn = alpn
        self._logger = logger
        self._files: Files = (None, None)
        self._renewal: Renewal[Files] | None = None

    def read(self) -> ServerTls:
        """Read all files. Raises `StartError`, with the path of the option that is to blame."""
        self._files = (self._config.read_identity(), self._config.read_client_authorities())
        return self._usable(self._files)

    def start(self, show: Callable[[ServerTls], None]) -> None:
        """Look at the files now and then, if that is asked for."""
        config = self._config
        pauses = [float(config.reload_interval)] if config.reload_interval else []
        if config.client_ca_file and config.client_ca_file_reload:
            pauses.append(CLIENT_CA_INTERVAL)
        if pauses:
            self._renewal = self.renewal(show)
            self._renewal.start(min(pauses))

    def renewal(self, show: Callable[[ServerTls], None]) -> Renewal[Files]:
        """Give what looks at the files, of which `read` has been called."""
        return Renewal(self._files, self._again, lambda files: show(self._usable(files)), self._logger)

    def stop(self) -> None:
        """Look no more."""
        if self._renewal:
            self._renewal.stop()

    def _again(self) -> Files:
        config, (identity, clients) = self._config, self._files
        return (
            config.read_identity() if config.reload_interval else identity,
            config.read_client_authorities() if config.client_ca_file_reload else clients,
        )

    def _usable(self, files: Files) -> ServerTls:
        config, (identity, clients) = self._config, files
        key, cert = identity or (b"", b"")
        settings = tls_settings(config, cert.decode("latin-1"), key.decode("latin-1"), self._alpn)
        try:
            return ServerTls(settings, None if clients is None else clients.decode("latin-1"))
        except OptionError as error:
            raise blame(config, error) from error
