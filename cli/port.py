"""TCP ports: whether one is free, and which one to take."""

import errno
import socket

from cli.error import CommandError


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now."""
    try:
        with _listen(host, port):
            return True
    except OSError:
        return False


def free_port(host: str) -> int:
    """Return a port that is free at that address right now."""
    with _listen(host, 0) as listener:
        port: int = listener.getsockname()[1]
        return port


def require_free(host: str, port: int, what: str, option: str) -> int:
    """Return the port (a free one for 0); CommandError names it when it can't be had."""
    if port == 0:
        return free_port(host)
    try:
        with _listen(host, port):
            return port
    except OSError as error:
        # Python adds the address in brackets, which stands here already.
        reason = (error.strerror or str(error)).partition(" (while ")[0]
        remedy = f"choose another with {option}"
        if error.errno == errno.EADDRINUSE:
            remedy = f"stop what uses it, or {remedy}"
        elif error.errno != errno.EACCES:
            remedy = "set api.host (MUSTER_API_HOST) to an address of this machine"
        raise CommandError(f"{what} can't listen on {host} port {port}: {reason}; {remedy}.") from None


def choose(host: str, liked: list[int]) -> int:
    """Return the first of these ports that is free (0 is none), else any free one."""
    return next((port for port in liked if port and is_free(host, port)), 0) or free_port(host)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)
