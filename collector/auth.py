"""Who may send to us, and as whom we send: what extensions for authentication offer to receivers and exporters."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from collector._kernel import Guard
from collector.component import Extension, Reference
from collector.config.types import Config, FieldError
from collector.errors import StartError

if TYPE_CHECKING:
    from collector.component import Host


_OPTION = "auth::authenticator"


class AuthConfig(Config):
    """Which extension knows who may send, or as whom we send."""

    authenticator: str = ""
    """The id of an extension, which `service::extensions` has to name as well."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if not self.authenticator:
            raise FieldError("authenticator", "is required: the id of an extension such as bearertokenauth")


class ServerAuthenticator(Extension):
    """Knows who may send to us."""

    @property
    @abstractmethod
    def guard(self) -> Guard | None:
        """What servers of the kernel ask for each request. `None` if it is for clients only."""


class ClientAuthenticator(Extension):
    """Knows as whom we send."""

    @property
    @abstractmethod
    def header(self) -> tuple[str, str] | None:
        """The name of a header, in small letters, and its value as of now. `None` if it is for servers only."""


def reference(auth: AuthConfig | None, kind: type[Extension], *path: str) -> list[Reference]:
    """Say that a section `auth`, which stands below `path`, needs its extension."""
    if auth is None:
        return []
    return [Reference("::".join((*path, _OPTION)), auth.authenticator, kind)]


def guard(host: Host, auth: AuthConfig | None) -> Guard | None:
    """Give what a server asks for each request. `None` only if nobody is to be asked. Raises `StartError`."""
    if auth is None:
        return None
    extension = host.extension(auth.authenticator)
    found = extension.guard if isinstance(extension, ServerAuthenticator) else None
    if found is None:
        raise StartError(f"{auth.authenticator!r} does not know who may send", path=_OPTION)
    return found


def client(host: Host, auth: AuthConfig | None) -> ClientAuthenticator | None:
    """Give who knows as whom to send. `None` only if nothing is to be said. Raises `StartError`."""
    if auth is None:
        return None
    extension = host.extension(auth.authenticator)
    if not isinstance(extension, ClientAuthenticator) or extension.header is None:
        raise StartError(f"{auth.authenticator!r} does not know as whom to send", path=_OPTION)
    return extension
