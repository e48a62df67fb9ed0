"""`python -m deploy.fleet --root DIR --hosts N`: a demo fleet in the foreground, until it is told to stop."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from deploy.fleet.fleet import Fleet, FleetError
from deploy.fleet.install import DEFAULT_PROXY_PORT

PARENT_POLL_SECONDS = 0.5


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; ends the program with 2 when it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m deploy.fleet", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="directory of the fleet, made if missing")
    parser.add_argument("--hosts", type=int, required=True, help="how many hosts")
    parser.add_argument("--port", type=int, default=0, help="SSH port of all hosts; default: a free one")
    parser.add_argument("--user", default="admin", help="who may log in")
    parser.add_argument("--proxy-port", type=int, default=DEFAULT_PROXY_PORT, help="port of pos_proxy; 0: a free one")
    parser.add_argument("--with-parent", action="store_true", help="stop when the parent process has ended")
    return parser.parse_args(arguments)


async def serve(options: argparse.Namespace) -> int:
    """Run the fleet until SIGTERM or SIGINT; returns the exit code, 1 when it could not start."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    tasks: list[asyncio.Task[bool]] = [asyncio.create_task(_wait(stopped))]
    if options.with_parent:
        tasks.append(asyncio.create_task(_parent_ended(os.getppid())))
    fleet = Fleet(options.root, options.hosts, port=options.port, user=options.user, proxy_port=options.proxy_port)
    starting = asyncio.create_task(fleet.start())
    try:
        await asyncio.wait([starting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            print(json.dumps(_ready(fleet)), flush=True)
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await fleet.stop()
    except FleetError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        for task in (starting, *tasks):
            task.cancel()
        await asyncio.gather(starting, *tasks, return_exceptions=True)
    return 0


def _ready(fleet: Fleet) -> dict[str, object]:
    return {
        "hosts": len(fleet.hosts),
        "port": fleet.port,
        "inventory": str(fleet.inventory_path),
        "key": str(fleet.key_path),
        "known_hosts": str(fleet.known_hosts_path),
    }


async def _wait(event: asyncio.Event) -> bool:
    return await event.wait()


async def _parent_ended(parent: int) -> bool:
    # Polled: the kernel's own notice is about the thread that started us, which may end before its process.
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_POLL_SECONDS)
    return True


if __name__ == "__main__":
    sys.exit(asyncio.run(serve(parse(sys.argv[1:]))))
