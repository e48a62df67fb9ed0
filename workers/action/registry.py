"""The actions by the names that definitions, Celery and Flower know them by, and what takes each back in a rollback."""

from collections.abc import Mapping

from workers.action.action import Action
from workers.action.finish import Finish
from workers.action.finish_stop import FinishStop
from workers.action.nothing import NothingToUndo
from workers.action.prepare import Prepare
from workers.action.restart_process import RestartProcess
from workers.action.restart_proxy import RestartProxy
from workers.action.shut_down import ShutDown
from workers.action.start import Start
from workers.action.stop import Stop
from workers.action.stop_process import StopProcess
from workers.action.undo_prepare import UndoPrepare
from workers.action.undo_process import UndoProcess
from workers.action.undo_shut_down import UndoShutDown
from workers.action.undo_start import UndoStart
from workers.action.undo_stop import UndoStop

ACTIONS: Mapping[str, Action] = {
    "agent.prepare": Prepare(),
    "proxy.restart": RestartProxy(),
    "agent.stop": Stop(),
    "agent.start": Start(),
    "agent.finish": Finish(),
    "agent.shutdown": ShutDown(),
    "agent.finish_stop": FinishStop(),
    "process.restart": RestartProcess(),
    "process.stop": StopProcess(),
}

# An action that is missing here can't be undone: a stage that runs it says `prohibit_rollback`.
UNDOS: Mapping[str, Action] = {
    "agent.prepare": UndoPrepare(),
    "proxy.restart": NothingToUndo("the proxy runs, as it did before"),
    "agent.stop": UndoStop(),
    "agent.start": UndoStart(),
    "agent.finish": NothingToUndo("the step only looks"),
    "agent.shutdown": UndoShutDown(),
    "agent.finish_stop": NothingToUndo("the step only looks"),
    "process.restart": UndoProcess(),
    "process.stop": UndoProcess(),
}
