"""The remote work of a batch restart: what every tool of the benchmark does on every host, one step after the other."""

PROGRAM = '"$HOME/ocp_agent/bin/ocp_agentctl"'


def commands(settle_seconds: int) -> tuple[str, ...]:
    """Return the five steps' commands, as Muster's actions run them: prepare, proxy, stop, start, finish.

    After what is started, both wait for the same `settle_seconds`.
    """
    settle = f" && sleep {settle_seconds}" if settle_seconds else ""
    return (
        f"{PROGRAM} status",
        f"{PROGRAM} service stop pos_proxy && {PROGRAM} service start pos_proxy{settle}",
        f"{PROGRAM} stop",
        f"{PROGRAM} start{settle}",
        f"{PROGRAM} status",
    )
