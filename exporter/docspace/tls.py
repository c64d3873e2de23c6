"""TLS contexts of portals: one for equal settings, built again when one of its files changes."""

import ssl
import stat
import threading
from pathlib import Path

import certifi

from exporter.config import TLSSettings
from exporter.docspace.errors import TLSFailed
from exporter.yamlfile.stamp import Stamp, stamp

Stamps = tuple[Stamp | None, ...]

_LOCAL_FILE = (
    "a file on this machine is at fault, not the portal: check this portal's `tls` section"
)


class _Shared:
    """The context of equal settings, with a lock of its own: one of its files may hang."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.built: tuple[Stamps, ssl.SSLContext] | None = None


class TLSContexts:
    """Contexts by settings. A context holds all trusted certificates, so portals share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shared: dict[TLSSettings, _Shared] = {}

    def get(self, settings: TLSSettings) -> ssl.SSLContext:
        """The context for these settings: the same object until one of their files changes.

        Raises TLSFailed if a file cannot be read or is not valid.
        """
        with self._lock:
            shared = self._shared.setdefault(settings, _Shared())
        with shared.lock:
            stamps = _stamps(settings)
            if shared.built is None or shared.built[0] != stamps:
                shared.built = stamps, _build(settings)
            return shared.built[1]

    def keep(self, settings: frozenset[TLSSettings]) -> None:
        """Forget the contexts of all other settings."""
        with self._lock:
            self._shared = {each: self._shared[each] for each in self._shared if each in settings}


def _stamps(settings: TLSSettings) -> Stamps:
    """The state of each file of a context, and of the system's certificates if it uses them."""
    own = [path for path in (settings.ca_file, settings.cert_file, settings.key_file) if path]
    for path in own:
        try:
            mode = path.stat().st_mode
        except OSError as exc:
            raise TLSFailed(f"{path}: cannot be read: {exc.strerror}", _LOCAL_FILE) from exc
        if not stat.S_ISREG(mode):  # OpenSSL would wait for ever for a FIFO's writer
            raise TLSFailed(f"{path}: expected a regular file", _LOCAL_FILE)
    return tuple(map(stamp, own if settings.ca_file else [*own, *_system_places()]))


def _system_places() -> list[Path]:
    """Where OpenSSL looks for certificates; SSL_CERT_FILE and SSL_CERT_DIR count."""
    places = ssl.get_default_verify_paths()
    return [Path(place) for place in (places.cafile, places.capath) if place]


def _build(settings: TLSSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
        raise TLSFailed(
            f"{settings.ca_file}: expected certificates in PEM form", _LOCAL_FILE
        ) from exc
    # The same flags on every Python: 3.13 would refuse private CAs that lack an extension, and
    # older versions would not accept an intermediate certificate in `ca_file` as an anchor.
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    if settings.ca_file is None and not _system_has_certificates():
        context.load_verify_locations(certifi.where())
    if settings.cert_file is not None:
        try:
            context.load_cert_chain(settings.cert_file, settings.key_file, password="")
        except (OSError, ValueError) as exc:
            raise TLSFailed(
                f"{settings.cert_file}: expected a certificate in PEM form with the key "
                f"in {settings.key_file} that belongs to it, not encrypted",
                _LOCAL_FILE,
            ) from exc
    if settings.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _system_has_certificates() -> bool:
    return any(
        place.is_file() or (place.is_dir() and any(place.iterdir())) for place in _system_places()
    )
