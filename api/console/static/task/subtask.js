/** Subtasks in detail, asked for when somebody wants to know, and not again while nothing has changed. */

import { codeOf, FAILED, RUNNING, STATUSES } from "./letter.js";

/** So many are remembered. */
const MOST = 500;

export class Subtasks {
  #known = new Map();

  /** @param {any} api @param {number} taskId */
  constructor(api, taskId) {
    this.api = api;
    this.path = `/tasks/instances/${taskId}/subtasks`;
  }

  /**
   * The subtask, which is in this state as far as the grid knows.
   * @param {number} id
   * @param {number} code
   * @param {AbortSignal} signal
   */
  async get(id, code, signal) {
    const known = this.#known.get(id);
    if (known && codeOf(known.status) === code) return known;
    const found = await this.api.get(`${this.path}/${id}`, { signal, background: true });
    if (this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value);
    this.#known.set(id, found);
    return found;
  }

  /** @param {number[]} ids of what has changed */
  forget(ids) {
    for (const id of ids) this.#known.delete(id);
  }
}

/**
 * What a subtask's host and step are called.
 * @param {import("./model.js").GridModel} model
 * @param {import("./model.js").Place} place
 */
export function whereOf(model, place) {
  const stage = model.stages[place.stage];
  const isOne = stage.isPerHost || model.hostCount === 1;
  const host = isOne ? model.hostNames[stage.isPerHost ? place.at : 0] : "All hosts";
  return { host, step: stage.isWait ? "wait for the step before" : stage.name };
}

/** What may be asked of a subtask in this state. @param {number} code @param {boolean} isWait */
export function possible(code, isWait) {
  return { retry: code === FAILED, skip: code === FAILED, cancel: code === RUNNING && !isWait };
}

/** The state's word, as the API has it. @param {number} code */
export function wordOf(code) {
  return STATUSES[code];
}
