/**
 * A task's events as they come, over connections that may break: tells what came, whether it is live, and goes on
 * behind the last event. A browser's EventSource connects again by itself after a broken connection, but not after an
 * answer that refuses it (503: too many follow; 401: signed out), so that is done here, ever more slowly.
 */

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30000;

/**
 * @typedef {object} Listener
 * @property {(name: string, id: string, data: any) => void} onEvent name is snapshot, changes, reset or end
 * @property {(isLive: boolean, isRefused: boolean) => void} onState
 */

export class TaskStream {
  #listener;
  #path;
  #source = null;
  #timer = 0;
  #lastId = "";
  #waitMs = FIRST_WAIT_MS;

  /**
   * @param {string} path of the events, without a query
   * @param {Listener} listener
   */
  constructor(path, listener) {
    this.#path = path;
    this.#listener = listener;
  }

  /**
   * Follow from behind this event on; a stream that is open already is closed.
   * @param {string} lastId
   */
  open(lastId) {
    this.close();
    this.#lastId = lastId;
    const source = new EventSource(`${this.#path}?lastEventId=${encodeURIComponent(lastId)}`);
    this.#source = source;
    source.addEventListener("open", () => this.#opened());
    source.addEventListener("error", () => this.#failed(source));
    for (const name of ["snapshot", "changes", "reset", "end"]) {
      source.addEventListener(name, (event) => this.#came(name, event));
    }
  }

  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #opened() {
    this.#waitMs = FIRST_WAIT_MS;
    this.#listener.onState(true, false);
  }

  #came(name, event) {
    this.#lastId = event.lastEventId;
    // Else the browser connects again, only to be told that there is no more.
    if (name === "end") this.close();
    this.#listener.onEvent(name, event.lastEventId, JSON.parse(event.data));
  }

  #failed(source) {
    if (source !== this.#source) return;
    const isRefused = source.readyState === EventSource.CLOSED;
    this.#listener.onState(false, isRefused);
    if (!isRefused) return;
    this.#timer = setTimeout(() => this.open(this.#lastId), this.#waitMs);
    this.#waitMs = Math.min(LONGEST_WAIT_MS, this.#waitMs * 2);
  }
}
