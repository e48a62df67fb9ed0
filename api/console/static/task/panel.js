/** One subtask: all that is known of it, what to press, and its log, both kept up to date while it is shown. */

import { fill, h } from "../dom.js";
import { errorBlock } from "../notice.js";
import { poll } from "../poll.js";
import { badge } from "../status.js";
import { duration, moment, secondsBetween } from "../time.js";
import { codeOf } from "./letter.js";
import { LogView } from "./log.js";
import { possible } from "./subtask.js";
import { counted, number } from "./word.js";

const PACE_MS = 1000;
const MOST_LINKS = 6;
const OPERATIONS = {
  EXECUTE: "Execute",
  RETRY: "Retry",
  ROLLBACK: "Roll back",
  SKIP: "Skipped",
  ROLLBACK_SKIP: "Skipped in the rollback",
  CANCEL: "Cancel",
};

export class Panel {
  #etag = "";
  #ran = "";
  #place = 0;
  #logTag = "";
  #isWhole = false;
  #shownButtons = "";
  #stop = () => {};
  #title = h("h2", { tabindex: -1 });
  #where = h("p", { class: "muted" });
  #reason = h("p", { class: "reason", hidden: true });
  #buttons = h("div", { class: "bar" });
  #facts = h("dl", { class: "task-facts" });
  #more = h("dl", { class: "task-facts" });
  #fault = h("div", {});

  /**
   * @param {{api: any, taskId: number, session: any, go: (path: string) => void, actions: import("./action.js").Actions,
   *   model: () => import("./model.js").GridModel}} context
   * @param {number} id of the subtask
   */
  constructor(context, id) {
    this.context = context;
    this.id = id;
    this.back = `/console/tasks/${context.taskId}`;
    this.path = `/tasks/instances/${context.taskId}/subtasks/${id}`;
    this.log = new LogView(`task-${context.taskId}-subtask-${id}.log`);
    const close = h("a", { class: "button quiet", href: this.back, "aria-label": "Close this step" }, "✕");
    const head = h("div", { class: "panel-head" }, h("div", {}, this.#title, this.#where), close);
    const more = h("details", {}, h("summary", {}, "More about this step"), this.#more);
    const parts = [head, this.#fault, this.#reason, this.#buttons, this.#facts, this.log.element, more];
    this.element = h("aside", { class: "panel card", "aria-label": "Step" }, parts);
    this.element.addEventListener("keydown", (event) => event.key === "Escape" && !event.defaultPrevented && context.go(this.back));
  }

  /** Show it, and keep it up to date until `end`. */
  start() {
    this.#title.focus({ preventScroll: true });
    this.#stop = poll(() => this.refresh(), PACE_MS);
  }

  end() {
    this.#stop();
  }

  async refresh() {
    try {
      const { data, etag, isNew } = await this.context.api.refresh(this.path, this.#etag, { background: true });
      if (isNew) this.#show(data);
      if (!this.#isWhole) await this.#followLog();
      this.#etag = etag;
      fill(this.#fault);
    } catch (error) {
      if (error.status !== 401) fill(this.#fault, errorBlock(error));
      throw error;
    }
  }

  #show(subtask) {
    const code = codeOf(subtask.status);
    fill(this.#title, subtask.name, " ", badge(subtask.status));
    const host = subtask.hostName || (subtask.hostId === null ? "all hosts" : `host ${subtask.hostId} (forgotten)`);
    const mayLook = subtask.hostName && this.context.session.may("HOST_VIEWER");
    fill(this.#where, mayLook ? h("a", { href: `/console/hosts/${subtask.hostId}` }, host) : host);
    this.#reason.hidden = !subtask.reason;
    this.#reason.textContent = subtask.reason;
    this.#reason.classList.toggle("is-failed", subtask.status === "FAILED");
    this.#showButtons(subtask, code, host);
    fill(this.#facts, rows(this.#factsOf(subtask)));
    fill(this.#more, rows(this.#detailsOf(subtask)));
    const ran = `${subtask.status} ${subtask.attempt} ${subtask.finishTime}`;
    if (ran !== this.#ran) this.#isWhole = false;
    this.#ran = ran;
  }

  #showButtons(subtask, code, host) {
    const { actions, session } = this.context;
    const may = session.may("TASK_MANAGER") ? possible(code, subtask.hostId === null) : {};
    const flower = this.#flower(subtask);
    const key = `${code} ${flower}`;
    if (key === this.#shownButtons) return;
    this.#shownButtons = key;
    const where = `${host}: ${subtask.name}`;
    const button = (text, act, kind = "") => h("button", { type: "button", class: `button ${kind}`, on: { click: act } }, text);
    fill(
      this.#buttons,
      may.retry && button("Retry", () => actions.retry(this.id, where), "primary"),
      may.skip && button("Skip …", () => actions.skip(this.id, where)),
      may.cancel && button("Cancel …", () => actions.cancel(this.id, where), "danger"),
      flower && h("a", { class: "button", href: flower, target: "_blank", rel: "noreferrer" }, "In Flower"),
    );
  }

  #flower({ messageId }) {
    const { flowerUrl } = this.context.session;
    return flowerUrl && messageId ? `${flowerUrl.replace(/\/$/, "")}/task/${encodeURIComponent(messageId)}` : "";
  }

  #factsOf(subtask) {
    const { startTime, finishTime } = subtask;
    const took = startTime && finishTime ? duration(secondsBetween(startTime, finishTime)) : "–";
    return [
      ["Last asked", OPERATIONS[subtask.operation] ?? subtask.operation],
      ["Attempt", `${number(subtask.attempt)}${subtask.runTime > 1 ? `, run ${number(subtask.runTime)}` : ""}`],
      ["Began", moment(startTime)],
      ["Ended", moment(finishTime)],
      ["Took", took],
      ["Worker", subtask.executor || "–"],
    ];
  }

  #detailsOf(subtask) {
    return [
      ["May take", duration(subtask.timeout)],
      ["Host", subtask.hostId === null ? "–" : `#${subtask.hostId}`],
      ["Subtask", `#${subtask.id}`],
      ["Waits for", this.#links(subtask.upstreams)],
      ["Then", this.#links(subtask.downstreams)],
      ["Can be undone", subtask.prohibitRollback ? "no" : "yes"],
      ["Class", h("span", { class: "mono small" }, subtask.className)],
    ];
  }

  #links(ids) {
    if (!ids.length) return "–";
    const model = this.context.model();
    const link = (id) => h("a", { href: `/console/tasks/${this.context.taskId}/subtasks/${id}` }, nameOf(model, id));
    if (ids.length > MOST_LINKS) return counted(ids.length, "step");
    return ids.map((id, at) => [at > 0 && ", ", link(id)]);
  }

  /** What a run logs comes while it runs; each time what is new is asked for, until nothing can come any more. */
  async #followLog() {
    const path = `${this.path}/log?from=${this.#place}`;
    const { data, etag, isNew } = await this.context.api.refresh(path, this.#logTag, { background: true });
    if (!isNew) return;
    this.#logTag = etag;
    if (data.begin < this.#place) {
      // Another log than the one that was shown: the store has lost data.
      [this.#place, this.#logTag] = [0, ""];
      this.log.clear();
      await this.#followLog();
      return;
    }
    this.#place = data.next;
    this.log.add(data.log, data.ended ? "Nothing was logged." : "What the step logs will appear here.");
    this.#isWhole = data.ended;
  }
}

function rows(facts) {
  return facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
}

function nameOf(model, id) {
  const place = model.placeOf(id);
  const stage = place && model.stages[place.stage];
  return stage ? (stage.isWait ? "wait node" : stage.name) : `#${id}`;
}
