/** What is known of one cell of the grid: below the grid for the one at the cursor, beside the pointer for another. */

import { fill, h } from "../dom.js";
import { badge } from "../status.js";
import { clock, duration, secondsBetween } from "../time.js";
import { FAILED } from "./letter.js";
import { possible, whereOf, wordOf } from "./subtask.js";

const PATIENCE_MS = 120;

export class Card {
  #turn = null;
  #timer = 0;
  #place = null;
  #code = -1;

  /**
   * @param {{model: () => import("./model.js").GridModel, subtasks: import("./subtask.js").Subtasks,
   *   actions: import("./action.js").Actions, taskId: number, mayManage: boolean}} context
   * @param {boolean} isTip beside the pointer, without anything to press
   */
  constructor(context, isTip) {
    this.context = context;
    this.isTip = isTip;
    const attributes = isTip ? { class: "tip", "aria-hidden": "true", hidden: true } : { class: "cell-card", role: "status", "aria-live": "polite" };
    this.element = h("div", attributes);
    this.show(null);
  }

  /** @param {import("./model.js").Place | null} place @param {MouseEvent} [event] where the pointer is */
  show(place, event) {
    this.#stop();
    this.#place = place;
    if (this.isTip) this.element.hidden = !place;
    if (!place) {
      this.#code = -1;
      fill(this.element, !this.isTip && h("p", { class: "muted small" }, "Point at a cell, or move with the arrow keys; Enter opens it."));
      return;
    }
    this.#code = this.context.model().codeAt(place);
    this.#fill(null);
    if (event) this.#move(event);
    this.#timer = setTimeout(() => this.#load(), PATIENCE_MS);
  }

  /** The grid has changed: show the cell's state of now. */
  refresh() {
    if (this.#place && this.context.model().codeAt(this.#place) !== this.#code) this.show(this.#place);
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#turn?.abort();
    this.#turn = null;
  }

  async #load() {
    const { model, subtasks } = this.context;
    this.#turn = new AbortController();
    try {
      const found = await subtasks.get(model().idAt(this.#place), this.#code, this.#turn.signal);
      this.#fill(found);
    } catch (error) {
      if (error.name !== "AbortError") this.#fill(null, error.message);
    }
  }

  #fill(subtask, fault = "") {
    const model = this.context.model();
    const place = this.#place;
    const id = model.idAt(place);
    const { host, step } = whereOf(model, place);
    const title = h("p", { class: "cell-title" }, h("b", {}, host), " ", h("span", {}, step), " ", badge(wordOf(this.#code)));
    const facts = h("p", { class: "muted small" }, subtask ? factsOf(subtask).join(" · ") : fault || "…");
    const reason = subtask?.reason && h("p", { class: this.#code === FAILED ? "reason is-failed" : "reason" }, subtask.reason);
    fill(this.element, h("div", { class: "cell-text" }, title, facts, reason), !this.isTip && this.#buttons(id, place, host, step));
  }

  #buttons(id, place, host, step) {
    const { actions, mayManage, taskId, model } = this.context;
    const may = mayManage ? possible(this.#code, model().stages[place.stage].isWait) : {};
    const where = `${host}: ${step}`;
    return h(
      "div",
      { class: "bar" },
      h("a", { class: "button", href: `/console/tasks/${taskId}/subtasks/${id}` }, "Open"),
      may.retry && h("button", { type: "button", class: "button", on: { click: () => actions.retry(id, where) } }, "Retry"),
      may.skip && h("button", { type: "button", class: "button", on: { click: () => actions.skip(id, where) } }, "Skip …"),
      may.cancel && h("button", { type: "button", class: "button", on: { click: () => actions.cancel(id, where) } }, "Cancel …"),
    );
  }

  /** Beside the pointer, inside of the window. */
  #move({ clientX, clientY }) {
    const { style, offsetWidth } = this.element;
    const isRight = clientX + 24 + offsetWidth > window.innerWidth;
    style.left = `${Math.max(4, isRight ? clientX - 16 - offsetWidth : clientX + 16)}px`;
    style.top = `${Math.max(4, Math.min(clientY + 16, window.innerHeight - 130))}px`;
  }
}

/** @param {any} subtask */
function factsOf({ attempt, runTime, startTime, finishTime, executor, operation }) {
  if (!startTime) return [operation === "SKIP" || operation === "ROLLBACK_SKIP" ? "skipped" : "has not begun"];
  const facts = [`attempt ${attempt}${runTime > 1 ? ` (run ${runTime})` : ""}`, `${clock(startTime)}${finishTime ? `–${clock(finishTime)}` : ""}`];
  facts.push(finishTime ? `took ${duration(secondsBetween(startTime, finishTime))}` : `for ${duration(secondsBetween(startTime))}`);
  if (executor) facts.push(`by ${executor}`);
  return facts;
}
