/** The top of a task's page: what it is, how it stands, how far it is, and what to press. */

import { fill, h } from "../dom.js";
import { badge } from "../status.js";
import { duration, moment, secondsBetween } from "../time.js";
import { CANCELING, FAILED, RUNNING, STATUSES, SUCCESSFUL } from "./letter.js";
import { verdict } from "./verdict.js";
import { counted, number } from "./word.js";

const OPERATIONS = { EXECUTE: "Execute", RETRY: "Retry", ROLLBACK: "Roll back" };

export class Head {
  #facts = h("dl", { class: "task-facts" });
  #title = h("h1", {});
  #verdict = h("p", { class: "verdict" });
  /** What is read out: not each number that changes. */
  #spoken = h("p", { class: "visually-hidden", role: "status" });
  #buttons = h("div", { class: "actions task-actions" });
  #bar = h("div", { class: "progress", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0 });
  #far = h("p", { class: "far" });
  #shown = "";
  #running = 0;
  #cancel = null;

  /**
   * @param {any} session
   * @param {import("./action.js").Actions} actions
   */
  constructor(session, actions) {
    this.mayManage = session.may("TASK_MANAGER");
    this.actions = actions;
    const crumbs = h("nav", { class: "crumbs", "aria-label": "Breadcrumb" }, h("a", { href: "/console/tasks" }, "Tasks"));
    const told = [this.#spoken, this.#verdict, this.#facts, this.#far, this.#bar];
    this.element = h("header", { class: "task-head" }, crumbs, this.#title, this.#buttons, told);
  }

  /**
   * @param {any} task as the detail shows it, without subtasks
   * @param {any} progress
   * @param {import("./model.js").GridModel} model
   */
  update(task, progress, model) {
    this.#say(this.#verdict, verdict(task, model));
    this.#say(this.#spoken, `Task ${task.id}: ${OPERATIONS[task.operation]}, ${task.status.toLowerCase()}`);
    this.#verdict.className = `verdict tone-${task.status.toLowerCase()}`;
    this.#running = model.counts[RUNNING];
    this.#showTitle(task, model);
    if (this.#cancel) this.#cancel.disabled = !this.#running;
    this.#showFacts(task, model);
    this.#showProgress(progress, model, task);
  }

  #say(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  /** Title and buttons, made anew only where they change: the focus stays on a button. */
  #showTitle(task, model) {
    const failed = model.counts[FAILED];
    const key = `${task.status} ${task.operation} ${failed}`;
    if (key === this.#shown) return;
    this.#shown = key;
    fill(this.#title, task.name, " ", h("span", { class: "muted" }, `#${task.id}`), " ", badge(task.status));
    const had = this.#buttons.contains(document.activeElement);
    fill(this.#buttons, this.#made(task, failed, model.hostCount));
    if (had) this.#buttons.querySelector("button")?.focus();
  }

  #made(task, failed, hosts) {
    const isBack = task.operation === "ROLLBACK";
    const isOver = task.status === "FAILED" && this.mayManage;
    const isCancellable = task.status === "RUNNING" && this.mayManage;
    this.#cancel = isCancellable ? button("Cancel running …", "danger", () => this.actions.cancelRunning(this.#running)) : null;
    return [
      isOver && !isBack && button("Retry failed", "primary", () => this.actions.retryTask(failed), number(failed)),
      isOver && !task.prohibitRollback && button(isBack ? "Roll back again …" : "Roll back …", "danger", () => this.actions.rollBack(hosts)),
      this.#cancel,
      button("Download diagnosis", "", () => this.actions.downloadDiagnosis()),
    ];
  }

  #showFacts(task, model) {
    const took = task.startTime ? duration(secondsBetween(task.startTime, task.finishTime)) : "–";
    const facts = [
      ["Operation", OPERATIONS[task.operation] ?? task.operation],
      ["Hosts", number(model.hostCount)],
      ["Submitted by", task.creator.name],
      ["Started", moment(task.startTime)],
      ["Ended", moment(task.finishTime)],
      [task.finishTime ? "Took" : "Running for", took],
    ];
    fill(this.#facts, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  }

  #showProgress({ done, total, perSecond, secondsLeft }, model, task) {
    const counts = model.counts;
    const share = total ? (100 * done) / total : 0;
    const order = [SUCCESSFUL, RUNNING, CANCELING, FAILED];
    const parts = order.filter((code) => counts[code]);
    const width = (code) => ({ width: `max(${(100 * counts[code]) / total}%, 3px)` });
    fill(this.#bar, parts.map((code) => h("span", { class: `part cell-${STATUSES[code].toLowerCase()}`, style: width(code) })));
    this.#bar.setAttribute("aria-valuemax", String(total));
    this.#bar.setAttribute("aria-valuenow", String(done));
    const isBack = task.operation === "ROLLBACK";
    const words = [`${number(done)} of ${counted(total, "step")} ${isBack ? "undone" : "done"} (${rounded(share)} %)`];
    if (task.status === "RUNNING" && perSecond) words.push(`${rounded(perSecond)} a second`);
    if (secondsLeft >= 1 && task.status === "RUNNING") words.push(`about ${duration(secondsLeft)} left`);
    this.#say(this.#far, words.join(" · "));
    this.#bar.setAttribute("aria-valuetext", words.join(", "));
  }
}

/** 99.97 is not 100 yet. */
function rounded(value) {
  const digits = value < 10 ? 1 : 0;
  return number(Math.floor(value * 10 ** digits) / 10 ** digits);
}

function button(text, kind, act, count = "") {
  const name = count ? `${text} ${count}` : null;
  const element = h("button", { type: "button", class: `button ${kind}`, "aria-label": name }, text, count && h("span", { class: "count" }, count));
  // Not disabled meanwhile: that would take the focus away from who works by keyboard.
  let isActing = false;
  element.addEventListener("click", async () => {
    if (isActing) return;
    isActing = true;
    await act();
    isActing = false;
  });
  return element;
}
