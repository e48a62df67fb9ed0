"""Which addresses messages may go to: checked at the connection itself, whatever a name resolves to by then."""

import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpcore

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a text such as "169.254.0.0/16,fe80::/10"; ValueError where one is none."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def is_denied(address: Address, denied: Sequence[Network]) -> bool:
    """Tell whether the address, or the IPv4 one that it stands for, is in one of the networks."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any(one in network for one in (address, mapped or address) for network in denied)


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to addresses that are not denied only, and ends whatever is said over them at one moment."""

    def __init__(self, denied: Sequence[Network], seconds: float) -> None:
        self._denied, self._until = denied, time.monotonic() + seconds
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that is not denied; ConnectError where there is none."""
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except OSError:
            raise httpcore.ConnectError("its name can't be resolved") from None
        addresses = [ip_address(str(row[4][0]).partition("%")[0]) for row in found]
        allowed = [address for address in addresses if not is_denied(address, self._denied)]
        if not allowed:
            raise httpcore.ConnectError("its address is denied (webhook.denied_networks)")
        left = self.left(timeout)
        return TimedStream(self._plain.connect_tcp(str(allowed[0]), port, left, local_address, socket_options), self)

    def left(self, timeout: float | None) -> float:
        """Return the seconds that a step may take; ReadTimeout where the time is over."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time is over")
        return left if timeout is None else min(left, timeout)


class TimedStream(httpcore.NetworkStream):
    """A connection that is over at its backend's moment, however slowly the other side sends."""

    def __init__(self, inner: httpcore.NetworkStream, backend: GuardedBackend) -> None:
        self._inner, self._backend = inner, backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come; see httpcore."""
        return self._inner.read(max_bytes, self._backend.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send; see httpcore."""
        self._inner.write(buffer, self._backend.left(timeout))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Go on over TLS; see httpcore."""
        inner = self._inner.start_tls(ssl_context, server_hostname, self._backend.left(timeout))
        return TimedStream(inner, self._backend)

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows; see httpcore."""
        return self._inner.get_extra_info(info)
