"""Where requests may go: our own table of addresses, and what each purpose allows.

`ipaddress.is_global` is no guard (it passes 2002:7f00:1::, 64:ff9b::7f00:1 and fec0::1), hence the
table. Everything is refused unless it is known to be public.
"""

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from yarl import URL

_MAX_URL = 8192
_V4_REFUSED = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared (CGNAT)",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "cloud metadata",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "AMT",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "AS112",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
# Only 2000::/3 holds public unicast addresses; these are the parts of it that do not.
_V6_REFUSED = {
    "2001::/23": "protocol assignments (Teredo, ORCHID, benchmarking)",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "AS112",
    "3ffe::/16": "6bone",
    "3fff::/20": "documentation",
}
_V4 = [(ipaddress.IPv4Network(net), why) for net, why in _V4_REFUSED.items()]
_V6 = [(ipaddress.IPv6Network(net), why) for net, why in _V6_REFUSED.items()]
_V6_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

_FORBIDDEN_CHARACTERS = re.compile(r"[\x00-\x20\x7f\\]")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?\Z")
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_CANONICAL_V4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}\Z", re.ASCII)
_AUTHORITY = re.compile(r"https?://((?:\[[^][]*\]|[^]:[/?#@]+)(?::[0-9]{1,5})?)(?=[/?#]|\Z)", re.I)
_LOOKS_NUMERIC = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")


class AddressRefused(OSError):
    """The policy forbids this destination; nothing was sent to it."""


class Purpose(StrEnum):
    """Why a request is made; decides where it may go."""

    PROVIDER_API = "provider_api"
    """Only the declared origins of the account; credentials never go elsewhere."""
    RESULT = "result"
    """A file named by a provider: any public host."""
    USER_URL = "user_url"
    """A file named by a user: public hosts only, whatever the operator allows for providers."""
    WEBHOOK = "webhook"
    """A receiver named by a user: public hosts, or one the operator allows for webhooks."""


@dataclass(frozen=True, slots=True)
class Target:
    """A checked destination. Only what is in here is handed on: the URL is parsed once."""

    url: URL = field(repr=False)
    origin: str
    is_exempt: bool
    """The operator allows this very origin, private or not."""


def refusal(address: str) -> str | None:
    """Why this IP address is not a public one; None when it is."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "not an address"
    if isinstance(ip, ipaddress.IPv4Address):
        return next((why for network, why in _V4 if ip in network), None)
    if ip.scope_id is not None:
        return "link-local"
    if ip in _NAT64:
        return refusal(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    if ip not in _V6_UNICAST:
        return "not public unicast"
    return next((why for network, why in _V6 if ip in network), None)


def origin_of(text: str) -> str:
    """The origin of a configured URL, `scheme://host[:port]`; raises ValueError if it has none."""
    return _origin(_parse(text))


def _origin(url: URL) -> str:
    host = _host(url)
    host = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{host}" + ("" if url.is_default_port() else f":{url.port}")


def _host(url: URL) -> str:
    return (url.raw_host or "").lower()


def _parse(text: str) -> URL:
    if len(text) > _MAX_URL:
        raise ValueError("the URL is too long")
    if _FORBIDDEN_CHARACTERS.search(text):
        raise ValueError("the URL contains blanks, control characters or backslashes")
    # A signed URL must arrive byte for byte; only what is not ASCII needs quoting.
    url = URL(text, encoded=text.isascii())
    if url.scheme not in ("https", "http"):
        raise ValueError("only https URLs are allowed")
    authority = _AUTHORITY.match(text)
    if authority is None or url.raw_user is not None or url.raw_password is not None:
        raise ValueError("the URL must have a host, no user name and a plain port")
    if not url.port:
        raise ValueError("the URL's port is not valid")
    _check_host(_host(url), is_bracketed=authority[1].startswith("["))
    return url.with_fragment(None) if url.raw_fragment else url


def _check_host(host: str, *, is_bracketed: bool) -> None:
    if is_bracketed or ":" in host:
        if "%" in host:
            raise ValueError("the URL's host has a zone")
        ipaddress.IPv6Address(host)
        return
    last = host.rstrip(".").rpartition(".")[2]
    if _LOOKS_NUMERIC.match(last) and not _CANONICAL_V4.match(host):
        raise ValueError("the URL's host is an address in an unusual form")
    if not _HOST_NAME.match(host):
        raise ValueError("the URL's host is not valid")


class AddressPolicy:
    """What may be contacted for which purpose. Immutable."""

    def __init__(
        self,
        *,
        allow_private_origins: Collection[str] = (),
        allow_private_webhooks: Collection[str] = (),
    ) -> None:
        """Both are the operator's word: exact origins that may be http, private, on any port.

        The first serve provider APIs and results (a self-hosted server, the simulator), the
        second webhooks. Users' URLs are never exempt.
        """
        self.allow_private_origins = frozenset(map(origin_of, allow_private_origins))
        self.allow_private_webhooks = frozenset(map(origin_of, allow_private_webhooks))

    def check(
        self, text: str, purpose: Purpose, allowed_origins: Collection[str] | None = None
    ) -> Target:
        """Check a URL before anything is resolved; raises `AddressRefused`.

        `allowed_origins` (as `origin_of` spells them) limits PROVIDER_API, which has to name some.
        """
        try:
            url = _parse(text)
            origin = _origin(url)
        except ValueError as error:
            raise AddressRefused(str(error)) from None
        is_exempt = origin in self._exempt(purpose)
        if purpose is Purpose.PROVIDER_API and origin not in (allowed_origins or ()):
            raise AddressRefused(f"{origin} is not an origin of this account")
        if not is_exempt:
            if url.scheme != "https":
                raise AddressRefused("only https URLs are allowed")
            if url.port != 443:
                raise AddressRefused("only the standard port is allowed")
            host = _host(url)
            if ":" in host or _CANONICAL_V4.match(host):
                check_address(host)
        return Target(url=url, origin=origin, is_exempt=is_exempt)

    def _exempt(self, purpose: Purpose) -> frozenset[str]:
        if purpose in (Purpose.PROVIDER_API, Purpose.RESULT):
            return self.allow_private_origins
        return self.allow_private_webhooks if purpose is Purpose.WEBHOOK else frozenset()


def check_address(address: str) -> None:
    """Raise `AddressRefused` unless the IP address is public."""
    why = refusal(address)
    if why is not None:
        raise AddressRefused(f"the address is not public: {why}")
