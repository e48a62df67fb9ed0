"""What the benchmarks compute from what they have measured."""

import argparse
import json

import pytest

from bench.engine.measure import unlocks
from bench.engine.model import Costs, full_at
from bench.option import count
from bench.report import emit, quantile
from dag.definition.batch_restart import BATCH_RESTART
from dag.graph import Graph
from dag.state import NodeStatus, Operation, TaskStatus
from dag.task import Node, Scope, Task


def task(starts: list[list[int]], ends: list[list[int]]) -> Task:
    """A batch restart on two hosts whose nodes began and ended at these ms, by stage."""
    graph, nodes = Graph(BATCH_RESTART.stages, 2), []
    stages = [number for number, stage in enumerate(graph.stages) if stage.scope is Scope.HOST]
    for stage, number, inner, offset in graph.offsets():
        per_host = stage.scope is Scope.HOST
        begun = starts[stages.index(number)][inner] if per_host else 0
        ended = ends[stages.index(number)][inner] if per_host else 0
        host = inner + 1 if per_host else None
        state = NodeStatus.SUCCESSFUL, Operation.EXECUTE, 1, 1, "w"
        nodes.append(Node(offset, stage, inner, host, *state, begun, ended, (), ()))
    times = 0, 0, 0
    return Task(1, "n", "c", "e", Operation.EXECUTE, TaskStatus.SUCCESSFUL, *times, False, (1, 2), "t", nodes=nodes)


def test_an_unlock_takes_from_the_last_completion_of_a_stage_to_each_begin_of_the_next() -> None:
    found = unlocks(
        task([[0, 1], [12, 15], [20, 20], [30, 30], [40, 47]], [[8, 10], [16, 17], [21, 22], [31, 33], [50, 50]])
    )
    assert found == [2, 5, 3, 3, 8, 8, 7, 14]


@pytest.mark.parametrize(("share", "wanted"), [(0.0, 1), (0.5, 3), (0.99, 5), (1.0, 5)])
def test_a_quantile_is_one_of_the_values(share: float, wanted: int) -> None:
    assert quantile([5, 1, 4, 2, 3], share) == wanted


def test_the_median_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="No values"):
        quantile([], 0.5)


def test_figures_are_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"rate": 1234.5678, "by": {"a": 0.00012345}, "all": [1.00001], "n": 100_000})
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"rate": 1235.0, "by": {"a": 0.0001234}, "all": [1.0], "n": 100_000}


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", ""])
def test_an_option_that_is_no_number_says_what_was_given(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"not {text!r}"):
        count(text)


def test_the_part_that_costs_most_is_full_first() -> None:
    used = {"valkey": 0.2, "scheduler-1": 0.1, "worker-1": 0.4, "worker-2": 0.4, "flower": 0.3, "api-1": 0.1}
    costs = Costs.of(used, 1000)
    assert costs == Costs(server=0.2, schedulers=0.1, workers=0.8, flower=0.3, rest=0.1)
    rates = full_at(costs, workers=2, schedulers=1, cores=64)
    assert rates == pytest.approx({"server": 5000, "schedulers": 10_000, "workers": 2500, "machine": 64_000 / 1.5})
    assert full_at(costs, workers=8, schedulers=1, cores=2)["machine"] == pytest.approx(2000 / 1.5)
