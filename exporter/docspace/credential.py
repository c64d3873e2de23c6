"""The credential of a portal: where it comes from and how it is spelled in the header."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from exporter.config import PortalSettings, Secret
from exporter.docspace.errors import CredentialUnusable
from exporter.docspace.masking import SecretMask, mask_api_keys

_MAX_BYTES = 64 * 1024
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_BEARER = re.compile(r"bearer +(\S+)", re.ASCII | re.IGNORECASE)
_API_KEY = re.compile(r"sk-\S+", re.ASCII)
#: An API key that is not alone, not as DocSpace showed it, or without its beginning.
_API_KEY_WITHIN = re.compile(
    r"(?<![\w-])sk-|sk-[0-9a-f]{16}|\A[0-9a-f]{64}\Z", re.ASCII | re.IGNORECASE
)
#: What of a header is no secret.
_SCHEME = re.compile(r"(?:Bearer|Basic) +")

_IN_FIELD = "write the key as DocSpace showed it (sk-…), or the variable that holds it: ${VARIABLE}"
_KEY_ALONE = (
    "write the key alone, as DocSpace showed it (sk-…): with another scheme than Bearer the portal "
    "takes it for a session token, refuses it, and writes it in full into its own log"
)


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
        one, in exactly this spelling; a value that has a scheme already, and a session token, go as
        they are.
        """
        bearer = _BEARER.fullmatch(token)
        bare = bearer[1] if bearer else token
        is_key = _API_KEY.fullmatch(bare) is not None
        needs_scheme = is_key or bearer or _JWT.fullmatch(bare)
        return cls(
            header=Secret(f"Bearer {bare}" if needs_scheme else token),
            key_postfix=bare[-4:] if is_key else None,
        )

    def mask(self) -> SecretMask:
        """What hides the credential and parts of it; for many texts make it once."""
        header = self.header.reveal()
        scheme = _SCHEME.match(header)
        return SecretMask(Secret(header[scheme.end() :] if scheme else header))

    def redact(self, text: str) -> str:
        """Return text with the credential, parts of it, and any other API key masked."""
        return mask_api_keys(self.mask().apply(text))


def read(settings: PortalSettings) -> Credential:
    """Read the portal's credential; a file is read anew each time, so a new key needs no reload.

    Raises CredentialUnusable, which names the file or the field but never what it holds.
    """
    if settings.api_key_file is not None:
        token, place = _read_file(settings.api_key_file), str(settings.api_key_file)
    else:
        token, place = settings.api_key.reveal() if settings.api_key else "", "`api_key`"
    token = token.strip()
    hint = _IN_FIELD if settings.api_key_file is None else None
    if not token:
        raise CredentialUnusable(f"{place}: expected an API key, found nothing", hint)
    if not (token.isascii() and token.isprintable()):
        raise CredentialUnusable(f"{place}: expected an API key of plain letters on one line", hint)
    credential = Credential.of(token)
    bearer = _BEARER.fullmatch(credential.header.reveal())
    if bearer is None and _API_KEY_WITHIN.search(token):
        raise CredentialUnusable(
            f"{place}: expected an API key alone, as DocSpace showed it", _KEY_ALONE
        )
    return credential


def _at_once(path: str, flags: int) -> int:
    """Open without waiting: a FIFO would wait for a writer, some devices for ever."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _read_file(path: Path) -> str:
    try:
        with open(path, "rb", opener=_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise CredentialUnusable(f"{path}: expected a regular file")
            content = file.read(_MAX_BYTES + 1)
    except OSError as exc:
        raise CredentialUnusable(f"{path}: cannot be read: {exc.strerror}") from exc
    if len(content) > _MAX_BYTES:
        raise CredentialUnusable(f"{path}: expected an API key, found a large file")
    # Latin-1 cannot fail; what is not ASCII is refused with the rest.
    return content.decode("latin-1").removeprefix("\xef\xbb\xbf")
