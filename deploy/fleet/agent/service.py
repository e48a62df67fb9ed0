"""`ocp_mgragent` and `ocp_monagent`: processes that do nothing but live until they are told to stop."""

import os
import signal

from .common import RESIDUAL_VARIABLE, Home, log

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main(name: str, home_path: str, arguments: list[str]) -> int:
    """Live until SIGTERM, then return 0: the guard restarts what exits with anything else."""
    residual = os.environ.get(RESIDUAL_VARIABLE)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    if residual == "term":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    home = Home(home_path)
    if residual is None:
        # After the signals are blocked: who reads the pid may send SIGTERM at once.
        home.write(f"run/{name}.pid", str(os.getpid()))
    log(f"{name} started")
    signal.sigwait(STOP_SIGNALS if residual != "term" else (signal.SIGINT,))
    home.drop_pid(name, os.getpid())
    log(f"{name} stopped")
    return 0
