"""The actions by the names that definitions, Celery and Flower know them by."""

from collections.abc import Mapping

from workers.action.action import Action
from workers.action.finish import Finish
from workers.action.prepare import Prepare
from workers.action.restart_proxy import RestartProxy
from workers.action.start import Start
from workers.action.stop import Stop

ACTIONS: Mapping[str, Action] = {
    "agent.prepare": Prepare(),
    "proxy.restart": RestartProxy(),
    "agent.stop": Stop(),
    "agent.start": Start(),
    "agent.finish": Finish(),
}
