"""`pos_proxy`: answers every connection to its port with one line."""

import os
import signal
import socket
import sys

from .common import Home, close_inherited, daemonize, log


def main(name: str, home_path: str, arguments: list[str]) -> int:
    """Serve at the address and port in `conf/pos_proxy.conf` until SIGTERM; 1 when the port is taken."""
    home = Home(home_path)
    address, port = (home.read("conf/pos_proxy.conf") or "127.0.0.1 62888").split()
    close_inherited()
    try:
        listener = socket.create_server((address, int(port)))
    except OSError as error:
        print(f"{name}: {address}:{port}: {error}", file=sys.stderr)
        return 1
    # Only after the port is ours: until then the caller still waits and can be told of the failure.
    daemonize(home, name)
    signal.signal(signal.SIGTERM, _exit)
    home.write(f"run/{name}.pid", str(os.getpid()))
    log(f"{name} listens on {address}:{port}")
    try:
        _serve(listener, f"{name} {home.version()}\n".encode())
    finally:
        home.drop_pid(name, os.getpid())
        log(f"{name} stopped")
    return 0


def _serve(listener: socket.socket, answer: bytes) -> None:
    while True:
        connection, _ = listener.accept()
        with connection:
            try:
                connection.sendall(answer)
            except OSError as error:
                # The caller hung up early; that is no reason to stop serving the others.
                log(str(error))


def _exit(number: int, frame: object) -> None:
    sys.exit(0)
