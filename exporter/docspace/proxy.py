"""The proxy between the exporter and a portal."""

from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

from exporter.config import PortalSettings

Endpoint = tuple[str, int]

_PORTS = {"http": 80, "https": 443}


def proxies(settings: PortalSettings) -> dict[str, str]:
    """The proxy by scheme: of the settings, else of HTTP_PROXY, HTTPS_PROXY and NO_PROXY."""
    if settings.proxy_url is not None:
        proxy = settings.proxy_url.reveal()
        return {"http": proxy, "https": proxy}
    return dict(get_environ_proxies(settings.url))


def proxy_endpoint(settings: PortalSettings) -> Endpoint | None:
    """Host and port of the HTTP proxy for requests to this portal; None without a proxy.

    Raises ValueError for an invalid proxy of the environment, where ``http://`` may be left out.
    """
    proxy = select_proxy(settings.url, proxies(settings))
    if proxy is None:
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or parts.port == 0:
        raise ValueError("expected an http or https address")
    return endpoint(url)


def endpoint(url: str) -> Endpoint:
    """Host and port of a URL. Raises ValueError if it has no host."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("expected an address with a host")
    return parts.hostname, parts.port or _PORTS.get(parts.scheme, 80)
