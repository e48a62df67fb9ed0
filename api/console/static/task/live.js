/**
 * Keeps a task's page up to date: by its events while it runs, by asking again where they do not come, and now and then
 * when it has ended, for somebody may retry it.
 */

import { fill, h } from "../dom.js";
import { poll } from "../poll.js";
import { clock } from "../time.js";
import { TaskStream } from "./stream.js";

const ASK_MS = 5000;
/** A connection that is back so soon is not worth a word. */
const PATIENCE_MS = 1500;

export class Live {
  #stream;
  #isLive = false;
  #isOpen = false;
  #isOver = false;
  #timer = 0;
  #stop = () => {};
  #seenAt = new Date().toISOString();
  #etag = "";

  /**
   * @param {any} api
   * @param {number} taskId
   * @param {{onChanges: (id: string, data: any) => void, onState: (data: any) => void, onReset: () => Promise<void>}} tell
   *   onState: the task's status, counts and progress are others; onReset: all is to be loaded again
   */
  constructor(api, taskId, tell) {
    this.api = api;
    this.path = `/tasks/instances/${taskId}`;
    this.tell = tell;
    this.element = h("div", { class: "live", role: "status" });
    this.#stream = new TaskStream(api.url(`${this.path}/events`), {
      onEvent: (name, id, data) => this.#came(name, id, data),
      onState: (isLive, isRefused) => this.#stated(isLive, isRefused),
    });
  }

  start() {
    this.#stop = poll(() => this.#ask(), ASK_MS);
  }

  end() {
    this.#isOver = true;
    this.#stop();
    clearTimeout(this.#timer);
    this.#stream.close();
  }

  /** The task has been loaded: follow it from there while it runs. @param {string} status @param {string} eventId */
  loaded(status, eventId) {
    this.#seenAt = new Date().toISOString();
    // The page may have been left while the task was being loaded.
    if (status === "RUNNING" && !this.#isOpen && !this.#isOver) {
      this.#isOpen = true;
      this.#stream.open(eventId);
    }
  }

  #came(name, id, data) {
    this.#seenAt = new Date().toISOString();
    if (name === "changes") this.tell.onChanges(id, data);
    this.tell.onState(data);
    if (name === "reset") this.tell.onReset().catch(() => {});
    if (name === "end") {
      this.#isOpen = this.#isLive = false;
      this.#hide();
    }
  }

  #stated(isLive, isRefused) {
    this.#isLive = isLive;
    if (isLive) return this.#hide();
    if (isRefused) this.#ask().catch(() => {});
    if (!this.#timer && !this.element.hasChildNodes()) this.#timer = setTimeout(() => this.#warn(), PATIENCE_MS);
  }

  #hide() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    fill(this.element);
  }

  #warn() {
    this.#timer = 0;
    const text = `Live updates are interrupted. Shown is ${clock(this.#seenAt)}; the page connects again by itself and misses nothing.`;
    this.#say(text);
  }

  #say(text) {
    fill(this.element, h("p", { class: "notice tone-canceling" }, h("span", { class: "glyph", "aria-hidden": "true" }, "◐"), text));
  }

  /** A task that ended long ago is forgotten, after `engine.retention_seconds`, even while somebody looks at it. */
  #failed(error) {
    if (error.status === 404) {
      this.end();
      this.#say("Muster has forgotten this task since. What is shown is how it stood last.");
    }
    throw error;
  }

  /** Where no events come: has anything changed? */
  async #ask() {
    if (this.#isLive) return;
    const path = `${this.path}?view=summary&fields=id,status,operation`;
    const { etag, isNew } = await this.api.refresh(path, this.#etag, { background: true }).catch((error) => this.#failed(error));
    const isFirst = !this.#etag;
    this.#etag = etag;
    if (isNew && !isFirst) await this.tell.onReset();
    else this.#seenAt = new Date().toISOString();
  }
}
