"""`make bench-api`: how long calls of the API take, when nothing else happens and while a large task runs.

The API, the scheduler, the workers and Flower are the shipped ones; only the workers' actions do nothing, and the rate
of calls of one user is not limited (MUSTER_API_RATE_PER_SECOND=0). One caller in a process of its own calls in a closed
loop on a kept connection. A route that does nothing, served in the same way in the same run, tells what a machine can.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any

import httpx
import typer

from bench.api.plan import RESTART, Call, Caller, calling, restart_of
from bench.report import emit, tell
from bench.stack import USER, BenchStack, Layout, running_stack
from cli.embedded import HOST
from cli.port import free_port
from cli.supervisor import Program
from dag.catalogue import Catalogue, TaskFilter
from dag.state import TaskStatus

MIDDLE = 1000
SINGLES = 200
QUIET_SECONDS = 180
LIMITS = {"MUSTER_API_RATE_PER_SECOND": "0"}


class Hosts:
    """The hosts of one half of the benchmark: for large tasks, for middle ones, for those on one host."""

    def __init__(self, ids: Sequence[int], size: int) -> None:
        self.large, self.middle, self.single = ids[:size], ids[size : size + MIDDLE], ids[size + MIDDLE :]


def measure(
    hosts: Annotated[int, typer.Option(help="of the large task")] = 10_000,
    calls: Annotated[int, typer.Option(help="of each quick kind")] = 300,
) -> None:
    """Measure the latencies of the API; the last line of stdout is one line of JSON."""
    port = free_port(HOST)
    with running_stack(Layout(settings=LIMITS)) as stack, calling((USER, stack.password)) as caller:
        stack.supervisor.start(Program("trivial", (sys.executable, "-m", "bench.api.trivial", str(port)), {}))
        url = f"http://{HOST}:{port}/"
        stack.supervisor.wait_for("trivial", lambda: _answers(url), 30)
        tell(f"enrolling {2 * (hosts + MIDDLE + SINGLES)} hosts")
        ids = stack.enrol(2 * (hosts + MIDDLE + SINGLES))
        idle, busy = (Hosts(half, hosts) for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]))
        trivial = caller.make(Call("trivial", url, calls))
        figures: dict[str, Any] = {"hosts": hosts, "trivial": trivial, "idle": {}, "busy": {}}
        _each(caller, _small(stack, idle, calls), figures["idle"], rest=lambda: _await_quiet(stack))
        task = _submit_large(stack, caller, idle, figures["idle"])
        _each(caller, _of_large(stack, task, calls), figures["busy"])
        _each(caller, _small(stack, busy, calls), figures["busy"])
        figures["busy"]["trivial"] = caller.make(Call("trivial", url, calls))
        if stack.store.read(task).head.status != "RUNNING":
            tell("the large task has ended before all was measured: take more hosts, or fewer calls")
            figures["is_busy_to_the_end"] = False
        _submit_large(stack, caller, busy, figures["busy"])
    # Who calls, whether they may and not too often; GET /iam/me does little else.
    figures["authentication_p50_ms"] = figures["idle"]["get_me"]["whole_p50_ms"] - trivial["whole_p50_ms"]
    figures["ratio_get_summary"] = figures["idle"]["get_summary"]["whole_p50_ms"] / trivial["whole_p50_ms"]
    figures["ratio_post_1"] = figures["idle"]["post_1"]["whole_p50_ms"] / trivial["whole_p50_ms"]
    emit(figures)


def _small(stack: BenchStack, hosts: Hosts, calls: int) -> Iterator[Call]:
    url = stack.urls[0]
    singles = [restart_of([host]) for host in hosts.single]
    yield Call("get_me", f"{url}/iam/me", calls)
    yield Call("post_1", url + RESTART, calls, "POST", singles)
    yield Call("post_1_summary", f"{url}{RESTART}?view=summary", calls, "POST", singles)
    yield Call("post_1000_summary", f"{url}{RESTART}?view=summary", 3, "POST", restart_of(hosts.middle))
    yield Call("post_1000", url + RESTART, 3, "POST", restart_of(hosts.middle))
    newest = _newest(stack)
    yield Call("get_summary", f"{url}/tasks/{newest}?view=summary", calls)
    yield Call("get_list", f"{url}/tasks/instances?size=10&hostId={hosts.single[0]}", calls)


def _of_large(stack: BenchStack, task: int, calls: int) -> Iterator[Call]:
    url = f"{stack.urls[0]}/tasks/instances/{task}"
    yield Call("get_large_summary", f"{url}?view=summary", calls)
    yield Call("get_large_fields", f"{url}?fields=id,status", calls)
    yield Call("get_large_subtasks", f"{url}/subtasks?status=READY,RUNNING&size=100", calls)
    yield Call("get_large_304", url, calls, headers={"If-None-Match": "*"})
    yield Call("get_large", url, 3)
    yield Call("get_large_gzip", url, 3, headers={"Accept-Encoding": "gzip"})


def _submit_large(stack: BenchStack, caller: Caller, hosts: Hosts, figures: dict[str, Any]) -> int:
    url = f"{stack.urls[0]}{RESTART}?view=summary"
    call = Call(f"post_{len(hosts.large)}_summary", url, 1, "POST", restart_of(hosts.large))
    _each(caller, [call], figures)
    return _newest(stack)


def _each(
    caller: Caller, calls: Iterable[Call], figures: dict[str, Any], rest: Callable[[], None] = lambda: None
) -> None:
    for call in calls:
        rest()
        found = figures[call.name] = caller.make(call)
        tell(
            f"{call.name}: {found['first_p50_ms']:.1f} ms to the first byte, {found['whole_p50_ms']:.1f} ms "
            f"(p99 {found['whole_p99_ms']:.1f} ms), {found['bytes']} bytes"
        )


def _await_quiet(stack: BenchStack) -> None:
    """Return when no task runs: what a call began is not to be in the way of the next."""
    deadline = time.monotonic() + QUIET_SECONDS
    while Catalogue(stack.store).page(TaskFilter(statuses=[TaskStatus.RUNNING]), page=1, size=1)[1]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Tasks still run after {QUIET_SECONDS} s.")
        # A task's end is an event of that task only; of how many still run nothing tells but the list.
        time.sleep(0.2)


def _newest(stack: BenchStack) -> int:
    [task] = stack.store.redis.zrange(stack.store.keys.index, -1, -1)
    return int(task)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    typer.run(measure)
