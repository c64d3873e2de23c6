"""The credential of a portal: where it is read from, and its form in the header."""

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
#: An API key with other text, in another spelling, or without its beginning.
_API_KEY_WITHIN = re.compile(
    r"(?<![\w-])sk-|sk-[0-9a-f]{16}|\A[0-9a-f]{64}\Z", re.ASCII | re.IGNORECASE
)
#: The part of a header that is not secret.
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
        """The credential with the header that the server expects.

        The server takes a value without ``Bearer`` for a session token, so API keys and JWTs get
        it, in exactly this spelling. Session tokens and values with a scheme are not changed.
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
        """A mask for the credential and parts of it; make it once for many texts."""
        header = self.header.reveal()
        scheme = _SCHEME.match(header)
        return SecretMask(Secret(header[scheme.end() :] if scheme else header))

    def redact(self, text: str) -> str:
        """Return text with the credential, parts of it, and any other API key masked."""
        return mask_api_keys(self.mask().apply(text))


def read(settings: PortalSettings) -> Credential:
    """Read the portal's credential. A file is read each time, so a new key needs no reload.

    Raises CredentialUnusable, which names the file or the field, but not its content.
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
    """Open without waiting for a FIFO's writer or a device."""
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
    # Latin-1 cannot fail; `read` refuses what is not ASCII.
    return content.decode("latin-1").removeprefix("\xef\xbb\xbf")
