/** The hosts that failed, with the step, the reason, and what to press: a page of them. */

import { fill, h } from "../dom.js";
import { errorBlock } from "../notice.js";
import { Reasons } from "./reasons.js";
import { counted, number } from "./word.js";

const SIZE = 5;
const PACE_MS = 1000;
/** Reasons are counted less often: that takes all failures. */
const TURNS_A_COUNT = 4;

export class Failures {
  #page = 1;
  #etag = "";
  #timer = 0;
  #total = 0;
  #key = "";
  #turns = 0;
  #body = h("div", {});
  #title = h("h2", { id: "failures-title" });

  /**
   * @param {{api: any, taskId: number, model: () => import("./model.js").GridModel,
   *   actions: import("./action.js").Actions, mayManage: boolean, isRunning: () => boolean}} context
   */
  constructor(context) {
    this.context = context;
    this.reasons = new Reasons(context.api, context.taskId);
    const attributes = { class: "failed-steps", "aria-labelledby": "failures-title", hidden: true };
    this.element = h("section", attributes, this.#title, this.reasons.element, this.#body);
  }

  /**
   * How many there are now: the page is asked for again, once a second at most.
   * @param {number} failed
   * @param {string} eventId of the last change
   */
  update(failed, eventId) {
    if (eventId === this.#key) return;
    this.#key = eventId;
    if (failed) fill(this.#title, counted(failed, "failed step"));
    this.element.hidden = !failed;
    this.#total = failed;
    this.#schedule();
  }

  end() {
    clearTimeout(this.#timer);
    this.#timer = -1;
  }

  #schedule() {
    if (!this.#timer) this.#timer = setTimeout(() => this.#load(), this.#etag ? PACE_MS : 0);
  }

  async #load() {
    const key = this.#key;
    try {
      if (this.#total) await this.#ask();
    } catch (error) {
      if (error.status !== 401) fill(this.#body, errorBlock(error, { retry: () => this.#go(this.#page) }));
    }
    if (this.#timer === -1) return;
    this.#timer = 0;
    // What has changed while this page was on its way is asked for as well.
    if (key !== this.#key) this.#schedule();
  }

  async #ask() {
    const { api, taskId, isRunning } = this.context;
    if (this.#turns % TURNS_A_COUNT === 0 || !isRunning()) await this.reasons.update(this.#total > SIZE);
    this.#turns += 1;
    const path = `/tasks/instances/${taskId}/failures?page=${this.#page}&size=${SIZE}`;
    const { data, etag, isNew } = await api.refresh(path, this.#etag, { background: true });
    this.#etag = etag;
    if (!isNew) return;
    const { totalPages } = data.page;
    if (!data.contents.length && this.#page > 1) return this.#go(Math.max(1, totalPages));
    this.#show(data);
  }

  #go(page) {
    this.#page = page;
    this.#etag = "";
    return this.#ask().catch((error) => fill(this.#body, errorBlock(error)));
  }

  #show({ contents, page }) {
    const focused = this.#body.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const heads = ["Host", "Step", "Reason"].map((name) => h("th", { scope: "col" }, name));
    const actions = h("th", { scope: "col" }, h("span", { class: "visually-hidden" }, "What to do"));
    const rows = contents.map((failure) => this.#row(failure));
    const table = h("table", { "aria-labelledby": "failures-title" }, h("thead", {}, h("tr", {}, heads, actions)), h("tbody", {}, rows));
    fill(this.#body, h("div", { class: "table-frame" }, table), page.totalPages > 1 && this.#pager(page));
    // Where the row is gone, the focus goes to the first that is left.
    if (focused) (this.#body.querySelector(`[data-key="${focused}"]`) ?? this.#body.querySelector("a"))?.focus();
  }

  #row({ id, name, reason }) {
    const { model, mayManage, actions, taskId } = this.context;
    const place = model().placeOf(id);
    const host = place ? model().hostNames[place.at] : "–";
    const where = `${host}: ${name}`;
    const button = (text, act) => pressed(text, `${text}${id}`, act, { "aria-label": `${text} ${where}` });
    const link = h("a", { href: `/console/tasks/${taskId}/subtasks/${id}`, data: { key: `host${id}` } }, host);
    const may = mayManage && [button("Retry", () => actions.retry(id, where)), button("Skip …", () => actions.skip(id, where))];
    const cells = { "at-host": link, step: name, reason: reason || "–", do: h("div", { class: "bar" }, may) };
    return h("tr", {}, Object.entries(cells).map(([kind, content]) => h("td", { class: kind }, content)));
  }

  #pager({ number: at, totalPages, totalElements }) {
    const button = (text, page) => pressed(text, text, () => this.#go(page), { disabled: page < 1 || page > totalPages });
    const first = (at - 1) * SIZE + 1;
    const range = `${number(first)} to ${number(Math.min(at * SIZE, totalElements))} of ${number(totalElements)}`;
    return h("nav", { class: "pager", "aria-label": "Pages of failures" }, button("Previous", at - 1), h("span", {}, range), button("Next", at + 1));
  }
}

/** A button that has the focus again, by its key, when the page is made anew. */
function pressed(text, key, act, properties) {
  return h("button", { type: "button", class: "button", data: { key }, on: { click: act }, ...properties }, text);
}
