"""How a URL is reached: proxies and certificates from the environment, and why a connection fails.

`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` mean what they mean elsewhere. aiohttp's own
`trust_env` asks two threads about them at every request, and adds passwords from ~/.netrc.
"""

import os
import ssl
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from ..errors import ConfigError

if TYPE_CHECKING:
    import aiohttp

# OpenSSL's own variables: authorities to trust in place of the system's.
CA_FILE, CA_FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"
PROXY_FIX = "see HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment"


class Route(NamedTuple):
    """What aiohttp is told beside the URL."""

    options: dict[str, Any]
    # The proxy's password.
    secrets: tuple[str, ...] = ()


class ConnectionProblem(NamedTuple):
    """Why no connection stood, and what to do about it."""

    what: str
    fix: str
    # Another try would end in the same way.
    is_permanent: bool = False


def find_route(url: str, *, uses_proxy: bool = True) -> Route:
    """Raises ConfigError for a proxy or certificates in the environment that can't be used."""
    parts = urlsplit(url)
    options: dict[str, Any] = {}
    if parts.scheme == "https" and (
        os.environ.get(CA_FILE) or os.environ.get(CA_FOLDER)
    ):
        options["ssl"] = make_tls_context()
    proxy = find_proxy(parts.scheme, parts.netloc) if uses_proxy else None
    return (
        Route({**options, **proxy.options}, proxy.secrets) if proxy else Route(options)
    )


def find_proxy(scheme: str, host: str) -> Route | None:
    """host: with its port, if the URL has one. None: the host is reached directly."""
    proxies = getproxies_environment()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(host):
        return None
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        is_http = parts.scheme in ("http", "https") and bool(parts.hostname)
        works = is_http and parts.port != 0
    except ValueError:  # a port that is no number
        works = False
    if not works:
        # Without its value: it may hold a password.
        raise ConfigError(
            f"the proxy in the environment for {scheme} can't be used",
            allowed="http://host:port, with user:password@ before the host if it needs them",
            fix=f"{PROXY_FIX}; SOCKS is not supported",
        )
    if parts.username is None:
        return Route({"proxy": address})
    password = unquote(parts.password or "")
    login = f"{unquote(parts.username)}:{password}".encode()
    header = {"Proxy-Authorization": f"Basic {b64encode(login).decode()}"}
    # A proxy of plain HTTP is sent the request itself, and one of HTTPS a CONNECT before it.
    field = "headers" if scheme == "http" else "proxy_headers"
    return Route({"proxy": address, field: header}, (password,))


def make_tls_context() -> ssl.SSLContext:
    """Trusts what SSL_CERT_FILE and SSL_CERT_DIR name."""
    ca_file = os.environ.get(CA_FILE)
    context = ssl.create_default_context()
    if ca_file:
        try:
            # OpenSSL itself is silent about a file that it can't read.
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise ConfigError(
                f"{CA_FILE} names no file of certificates",
                got=f"{Path(ca_file)}: {error}",
                allowed="a PEM file",
            ) from None
    return context


def explain_connection_error(error: Exception) -> ConnectionProblem:
    """From an error of aiohttp's before the request was sent."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return ConnectionProblem(
            f"no such host: {error.host}",
            "check the host in `base_url`, and that this machine can look up names "
            f"(behind a proxy: {PROXY_FIX})",
        )
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ConnectionProblem(
            f"the proxy refuses: HTTP {error.status}",
            f"{PROXY_FIX}; a proxy's login is written http://user:password@host:port",
        )
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return ConnectionProblem(
            f"no connection to the proxy {error.host}:{error.port}", PROXY_FIX
        )
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _explain_certificate_error(error)
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return ConnectionProblem(
            f"no TLS with {error.host}:{error.port}: {error.os_error}",
            "does it speak plain HTTP? then `base_url` begins with http://",
            is_permanent=True,
        )
    return ConnectionProblem(f"no connection: {error}", "")


def _explain_certificate_error(
    error: "aiohttp.ClientConnectorCertificateError",
) -> ConnectionProblem:
    cause = error.certificate_error
    reason = getattr(cause, "verify_message", "") or str(cause)
    fix = (
        f"set {CA_FILE} to a PEM file with the authority that signed it; "
        "certificates are always checked"
    )
    if "mismatch" in reason:
        fix = "write the host in `base_url` as its certificate names it"
    elif "expired" in reason or "not yet valid" in reason:
        fix = "see the clock of this machine, and the certificate's dates"
    return ConnectionProblem(
        f"bad certificate of {error.host}:{error.port}: {reason}",
        fix,
        is_permanent=True,
    )
