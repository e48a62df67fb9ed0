"""The short run: 20 faults, every role by every signal, with leases of 5 s so that it fits into the suite."""

import json
from pathlib import Path

from tests.chaos.run import Options, run

SEED = 2


def test_nothing_is_lost_doubled_overlapped_or_stuck_by_20_faults(tmp_path: Path) -> None:
    """APIs, schedulers, workers and Valkey are killed, paused and ended while tasks run; counted on store and hosts."""
    options = Options(tmp_path / "chaos", SEED, kills=20, hosts=4, lease_seconds=5)
    found = run(options)
    print(json.dumps(found.line()))
    where = f"data and logs are in {options.data}; the same again: {options.command}"
    assert {kind: texts for kind, texts in found.wrong.items() if texts} == {}, where
    assert found.line()["kills"] == 20
    assert found.line()["tasks"] > 3
