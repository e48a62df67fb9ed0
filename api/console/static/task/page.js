// A task: its stages, hosts and logs. (A summary only, for now.)

import { fill, h } from "../dom.js";
import { badge } from "../status.js";

// Shows the task in the element, with one of its subtasks where `subtaskId` is not null; returns what ends it. Where
// that function has a property `update`, it is called with {taskId, subtaskId} when another subtask of the same task
// is gone to, in place of mounting the page anew. `go(path)` moves on, `setTitle(text)` names the page.
export async function mount(element, { taskId, subtaskId, api, session, go, setTitle }) {
  const task = await api.get(`/tasks/instances/${taskId}?view=summary`);
  const { done, total } = task.summary.progress;
  setTitle(`Task ${taskId}`);
  fill(element, h("h1", {}, task.name, " ", badge(task.status)), h("p", {}, `${done} of ${total} subtasks are done.`));
  return () => {};
}
