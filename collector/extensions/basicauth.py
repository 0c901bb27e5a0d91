"""`basicauth`: let requests in that bring a name and its password, or send them with each.

Names and passwords of clients stand as htpasswd writes them: bcrypt (`htpasswd -B`), SHA-1, Apache's MD5, or as they
are. Which password was right is remembered, for digests take long on purpose. Files are read again when they change.

    extensions:
      basicauth/server:
        htpasswd:
          file: /etc/spanmill/users
      basicauth/backend:
        client_auth:
          username: spanmill
          password: ${env:BACKEND_PASSWORD}
    service:
      extensions: [basicauth/server, basicauth/backend]
"""

from __future__ import annotations

import base64

from collector._kernel import Guard, OptionError
from collector.auth import ClientAuthenticator, ServerAuthenticator
from collector.component import Host, Settings
from collector.config.types import Config, FieldError, Section
from collector.errors import StartError
from collector.extensions.credentials import Watched
from collector.ledger import Account


class HtpasswdConfig(Config):
    """Who may send."""

    file: str = ""
    """A file with a name, a colon and what htpasswd wrote in each line."""
    inline: str = ""
    """The same as text; of equal names these win. A secret: take it from the environment."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if not self.file and not self.inline:
            raise FieldError("file", "is required, or inline")
        users(self.inline, "inline")


class ClientAuthConfig(Config):
    """As whom to send."""

    username: str = ""
    """The name."""
    password: str = ""
    """The password. A secret: take it from the environment."""
    username_file: str = ""
    """A file with the name, which wins over `username`."""
    password_file: str = ""
    """A file with the password, which wins over `password`."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if not self.username and not self.username_file:
            raise FieldError("username", "is required, or username_file")


class BasicAuthConfig(Config):
    """Settings of the `basicauth` extension: for one of both sides."""

    htpasswd: Section[HtpasswdConfig] = None
    """Who may send, for receivers."""
    client_auth: Section[ClientAuthConfig] = None
    """As whom to send, for exporters."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if (self.htpasswd is None) == (self.client_auth is None):
            raise FieldError("htpasswd", "give either htpasswd, for receivers, or client_auth, for exporters")


class BasicAuthExtension(ServerAuthenticator, ClientAuthenticator):
    """Knows names and passwords."""

    config_type = BasicAuthConfig
    config: BasicAuthConfig

    def __init__(self, config: BasicAuthConfig, settings: Settings[Account]) -> None:
        super().__init__(config, settings)
        self._header: tuple[str, str] | None = None
        self._guard: Guard | None = None
        files: dict[str, str] = {}
        if config.htpasswd:
            self._guard = Guard({"basic": {"users": users(config.htpasswd.inline, "inline")}})
            files = {"htpasswd::file": config.htpasswd.file}
        elif config.client_auth:
            client = config.client_auth
            files = {
                "client_auth::username_file": client.username_file,
                "client_auth::password_file": client.password_file,
            }
        self._watched = Watched({option: name for option, name in files.items() if name}, self._use, settings.logger)

    async def start(self, host: Host) -> None:
        """Read the files. Raises `StartError`."""
        self._watched.start()

    async def shutdown(self) -> None:
        """Read them no more."""
        self._watched.stop()

    @property
    def guard(self) -> Guard | None:
        """Asks for a name and its password."""
        return self._guard

    @property
    def header(self) -> tuple[str, str] | None:
        """Name and password."""
        return self._header

    def _use(self, texts: dict[str, str]) -> None:
        config = self.config
        if config.htpasswd and self._guard:
            listed = users(texts.get("htpasswd::file", ""), "file", StartError)
            try:
                self._guard.replace({"basic": {"users": [*listed, *users(config.htpasswd.inline, "inline")]}})
            except OptionError as error:
                raise StartError(str(error.args[1]), path="htpasswd") from error
        elif config.client_auth:
            client = config.client_auth
            name = texts.get("client_auth::username_file", client.username).strip("\r\n")
            password = texts.get("client_auth::password_file", client.password).strip("\r\n")
            if ":" in name:
                raise StartError("a name cannot hold a colon", path="client_auth::username")
            encoded = base64.b64encode(f"{name}:{password}".encode()).decode()
            self._header = ("authorization", f"Basic {encoded}")


def users(text: str, option: str, error: type[FieldError] | type[StartError] = FieldError) -> list[tuple[str, str]]:
    """Read names and what stands behind them. Raises `error` for a line without a colon."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, secret = line.strip().partition(":")
        if not colon or not name:
            message = f"line {number} is not a name, a colon and a password"
            if error is FieldError:
                raise FieldError(option, message)
            raise StartError(message, path=f"htpasswd::{option}")
        found.append((name, secret))
    return found
