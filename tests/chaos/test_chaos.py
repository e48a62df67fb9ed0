"""The short run: 20 faults, every role by every signal, with leases of 5 s so that it fits into the suite."""

import json
import shutil
import tempfile
from pathlib import Path

from tests.chaos.run import Options, run

SEED = 2


def test_nothing_is_lost_doubled_overlapped_or_stuck_by_20_faults() -> None:
    """APIs, schedulers, workers and Valkey are killed, paused and ended while tasks run; counted on store and hosts."""
    # Not pytest's own folder, which later runs clear away: what failed is to be looked at.
    options = Options(Path(tempfile.mkdtemp(prefix="muster-chaos-")), SEED, kills=20, hosts=4, lease_seconds=5)
    where = f"data and logs are kept in {options.data}; the same again: {options.command}"
    print(where)
    found = run(options)
    line = json.dumps(found.line())
    assert {kind: texts for kind, texts in found.wrong.items() if texts} == {}, f"{where}\n{line}"
    assert found.line()["kills"] == 20, line
    assert found.line()["tasks"] > 3, line
    shutil.rmtree(options.data)
