// What can be done with the hosts that are selected.

import { confirm } from "../confirm.js";
import { fill, h } from "../dom.js";
import { tell, tellError } from "../notice.js";
import { count } from "../pager.js";
import { button } from "../part.js";
import { askToStart } from "./plan.js";

export const RESTART = { path: "batchRestartAgents", title: "Restart agents" };
export const STOP = { path: "batchStopAgents", title: "Stop agents", isDangerous: true };

// An element; show(total, shown) tells how many hosts fit the filters and how many of them stand on this page.
export function actionBar({ api, session, go, selection, selectAll, onGone }) {
  const text = h("span", { class: "number", role: "status" });
  const all = button("", "link", takeAll);
  const none = button("Select none", "quiet", () => selection.clear());
  const restart = button(aboutAgents("Restart"), "primary", () => start(RESTART, selection.ids));
  const stop = button(aboutAgents("Stop"), "", () => start(STOP, selection.ids));
  const drop = button("Forget …", "", () => remove(selection.ids));
  const element = h("div", { class: "bar selected card" }, text, all, none, h("div", { class: "spread" }), restart, stop, drop);
  let total = 0;
  let onPage = 0;

  function show(fitting = total, shown = onPage) {
    [total, onPage] = [fitting, shown];
    const some = selection.size;
    const says = some ? `${count(some)} selected` : "None selected";
    if (text.textContent !== says) fill(text, says);
    element.classList.toggle("some", some > 0);
    fill(all, `Select all ${count(total)}`);
    all.hidden = total <= onPage;
    none.hidden = !some;
    for (const one of [restart, stop, drop]) one.disabled = !some;
  }

  async function takeAll() {
    all.disabled = true;
    await selectAll().catch(tellError);
    all.disabled = false;
  }

  // Shows the plan of the operation on these hosts; once it is started, goes to its task. True where it was.
  async function start(operation, ids) {
    const task = await askToStart(operation, ids, { api });
    if (task && session.may("TASK_VIEWER")) await go(`/console/tasks/${task.id}`);
    else if (task) tell(`Task ${task.id} is started.`);
    return Boolean(task);
  }

  // Forgets these hosts once it is confirmed. True where they are gone.
  async function remove(ids) {
    const many = ids.length === 1 ? "this host" : `these ${count(ids.length)} hosts`;
    const explained = "Their agents are left as they are. Tasks that were about them stay in the list of tasks.";
    const isSure = await confirm({ title: `Forget ${many}?`, text: explained, action: "Forget", isDangerous: true });
    if (!isSure) return false;
    try {
      await api.post("/compute/hosts/batchDelete", { hostIdList: ids });
    } catch (error) {
      tellError(error);
      return false;
    }
    selection.set(ids, false);
    tell(ids.length === 1 ? "The host is forgotten." : `${count(ids.length)} hosts are forgotten.`);
    await onGone();
    return true;
  }

  show();
  return { element, show, start, remove };
}

// A phone has no room for the word.
function aboutAgents(verb) {
  return h("span", {}, verb, h("span", { class: "wide-only" }, " agents"), " …");
}
