"""The credential of a portal: where it comes from and how it is spelled in the header."""

import re
from dataclasses import dataclass
from pathlib import Path

from exporter.config import PortalSettings, Secret
from exporter.docspace.errors import CredentialUnusable

_MAX_BYTES = 64 * 1024
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_API_KEY = re.compile(r"(?:Bearer +)?(sk-\S+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Credential:
    """A value for the Authorization header.

    ``key_postfix`` is the last four characters of an API key, as the key list names it; None for
    a session token or a JWT.
    """

    header: Secret
    key_postfix: str | None

    @classmethod
    def of(cls, token: str) -> "Credential":
        """Spell the header as the server wants it.

        The server takes a header without ``Bearer`` for a session token, so API keys and JWTs get
        one; a value that has a scheme already, and a session token, go as they are.
        """
        bare = token.startswith("sk-") or _JWT.fullmatch(token) is not None
        api_key = _API_KEY.fullmatch(token)
        return cls(
            header=Secret(f"Bearer {token}" if bare else token),
            key_postfix=api_key[1][-4:] if api_key else None,
        )

    def redact(self, text: str) -> str:
        """Return text with the credential masked, with its scheme or without."""
        _, _, token = self.header.reveal().rpartition(" ")
        return Secret(token).redact(self.header.redact(text))


def read(settings: PortalSettings) -> Credential:
    """Read the portal's credential; a file is read anew each time, so a new key needs no reload.

    Raises CredentialUnusable, which names the file or the field but never what it holds.
    """
    if settings.api_key_file is not None:
        token, place = _read_file(settings.api_key_file), str(settings.api_key_file)
    else:
        token, place = settings.api_key.reveal() if settings.api_key else "", "`api_key`"
    token = token.strip()
    if not token:
        raise CredentialUnusable(f"{place}: expected an API key, found nothing")
    if not (token.isascii() and token.isprintable()):
        raise CredentialUnusable(f"{place}: expected an API key of plain letters on one line")
    return Credential.of(token)


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as exc:
        raise CredentialUnusable(f"{path}: cannot be read: {exc.strerror}") from exc
    if len(content) > _MAX_BYTES:
        raise CredentialUnusable(f"{path}: expected an API key, found a large file")
    # Latin-1 cannot fail; what is not ASCII is refused with the rest.
    return content.decode("latin-1").removeprefix("\xef\xbb\xbf")
