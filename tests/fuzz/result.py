"""What Schemathesis has sent and seen."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from schemathesis.engine import Status, events
from schemathesis.engine.recorder import ScenarioRecorder


@dataclass
class Result:
    """`faults` are what the API did otherwise than the document says; `let_in` the operations that did as asked."""

    cases: int = 0
    operations: set[str] = field(default_factory=set)
    let_in: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)

    def note(self, event: events.EngineEvent) -> None:
        """Add what an event tells; raise what ended the whole run."""
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            self.faults[f"{event.label}: {event.value}"] = str(event.info.format())
        if isinstance(event, events.ScenarioFinished):
            self._add(event.recorder)

    def _add(self, recorder: ScenarioRecorder) -> None:
        self.cases += len(recorder.interactions)
        for id, interaction in recorder.interactions.items():
            operation = recorder.cases[id].value.operation.label
            self.operations.add(operation)
            if interaction.response is None:
                continue
            self.statuses[interaction.response.status_code] += 1
            if interaction.response.status_code < 400:
                self.let_in.add(operation)
            for check in recorder.checks.get(id, []):
                if check.status is Status.FAILURE:
                    seen = f"{interaction.response.status_code} {interaction.response.content[:300]!r}"
                    self.faults.setdefault(f"{operation}: {check.name}", f"{_words(check)}\n{seen}")

    def words(self) -> str:
        """The faults, for people."""
        return "\n\n".join(f"{name}\n{text}" for name, text in self.faults.items())

    def line(self, **more: Any) -> str:
        """The counts as one line of JSON."""
        counts = {"cases": self.cases, "operations": len(self.operations), "faults": len(self.faults)}
        statuses = {str(status): self.statuses[status] for status in sorted(self.statuses)}
        return json.dumps({**counts, "statuses": statuses, **more})


def _words(check: Any) -> str:
    found = check.failure_info
    return f"{found.failure.title}: {found.failure.message}\n{found.code_sample}" if found else ""
