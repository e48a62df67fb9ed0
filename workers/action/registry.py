"""The actions by the names that definitions, Celery and Flower know them by."""

from collections.abc import Mapping

from workers.action.action import Action
from workers.action.finish import Finish
from workers.action.finish_stop import FinishStop
from workers.action.prepare import Prepare
from workers.action.restart_process import RestartProcess
from workers.action.restart_proxy import RestartProxy
from workers.action.shut_down import ShutDown
from workers.action.start import Start
from workers.action.stop import Stop
from workers.action.stop_process import StopProcess

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
