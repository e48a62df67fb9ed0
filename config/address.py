"""Addresses of servers: how one that is listened on stands in a URL."""


def reachable(host: str) -> str:
    """Return the address as it stands in a URL of this machine, for one that a server listens on."""
    known = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{known}]" if ":" in known else known
