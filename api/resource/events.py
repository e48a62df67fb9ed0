"""A task as it changes: a stream of events, for browsers (EventSource) and `curl -N`."""

from typing import Any

from flask import Blueprint, Response, request

from api.auth import require
from api.declaration import answers_file, knows_header, takes_query
from api.schema.view import EVENT_ID, LastEvent
from api.service import services
from api.user import Permission
from dag.error import TooManyFollowing, UnknownTask

events = Blueprint("events", __name__)


@events.get("/tasks/instances/<id:task_id>/events")
@require(Permission.TASK_VIEWER)
@answers_file("text/event-stream", raises=(UnknownTask, TooManyFollowing), empty="The last event was the task's end.")
@knows_header("Last-Event-ID", "The last event seen, as a browser sends it that connects again.", f"({EVENT_ID})?")
@takes_query(LastEvent)
def follow_task(query: dict[str, Any], task_id: int) -> Response:
    """Answer with the changes of a task's subtasks as they come, until the task has ended.

    A browser that connects again after the last event is told by 204 that there is no more.
    """
    resumed = request.headers.get("Last-Event-ID")
    last_id = (LastEvent().load({"lastEventId": resumed}) if resumed else query)["lastEventId"]
    follower = services().followers.join(task_id, last_id)
    if follower.has_seen_the_end:
        follower.leave()
        return Response(status=204)
    response = Response(follower.stream(), mimetype="text/event-stream")
    # Also where nothing of the stream is ever asked for (HEAD).
    response.call_on_close(follower.leave)
    # nginx would keep events back.
    response.headers["X-Accel-Buffering"] = "no"
    return response
