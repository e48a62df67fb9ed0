/**
 * A task as the page knows it: the state of every subtask by stage and host, and what events change in it.
 * Nothing here knows the page.
 */

import { CANCELING, codeOf, codesOf, PENDING, READY, RUNNING, STATUSES, SUCCESSFUL } from "./letter.js";

/**
 * @typedef {object} Stage
 * @property {number} seriesId
 * @property {string} name
 * @property {boolean} isWait whether it only joins all hosts
 * @property {boolean} isPerHost whether it has a subtask for each host
 * @property {number} number from 1 among the stages that do something; 0 for a Wait node
 * @property {number} firstId the id of its first subtask
 * @property {Uint8Array} codes the state of each subtask
 * @property {number[]} counts how many subtasks are in each state
 */

/** @typedef {{stage: number, at: number}} Place a stage's index, and that of the subtask in it */

export class GridModel {
  /** @param {any} grid the answer of `GET /tasks/instances/{id}/grid` */
  constructor(grid) {
    /** @type {string} */
    this.eventId = grid.eventId;
    /** @type {number[]} */
    this.hostIds = grid.hosts.ids;
    /** @type {string[]} */
    this.hostNames = grid.hosts.names.map((name, at) => name || `host ${grid.hosts.ids[at]} (forgotten)`);
    let number = 0;
    /** @type {Stage[]} */
    this.stages = grid.stages.map((stage) => {
      const codes = codesOf(stage.statuses);
      if (!stage.waitNode) number += 1;
      return {
        seriesId: stage.seriesId,
        name: stage.name,
        isWait: stage.waitNode,
        isPerHost: !stage.waitNode && codes.length === grid.hosts.ids.length,
        number: stage.waitNode ? 0 : number,
        firstId: stage.firstId,
        codes,
        counts: countsOf(codes),
      };
    });
  }

  get hostCount() {
    return this.hostIds.length;
  }

  /** When the task changed last, as far as is known: ms of the server's time. */
  get changedMs() {
    return parts(this.eventId)[0];
  }

  /** How many subtasks are in each state. */
  get counts() {
    return STATUSES.map((_, code) => this.stages.reduce((sum, stage) => sum + stage.counts[code], 0));
  }

  /**
   * Where a subtask stands; null where it is none of this task.
   * @param {number} id
   * @returns {Place | null}
   */
  placeOf(id) {
    const stage = this.stages.findLastIndex((one) => one.firstId <= id);
    const at = stage < 0 ? -1 : id - this.stages[stage].firstId;
    return at >= 0 && at < this.stages[stage].codes.length ? { stage, at } : null;
  }

  /**
   * The id of the subtask at a place.
   * @param {Place} place
   */
  idAt(place) {
    return this.stages[place.stage].firstId + place.at;
  }

  /**
   * The state of the subtask at a place.
   * @param {Place} place
   */
  codeAt(place) {
    return this.stages[place.stage].codes[place.at];
  }

  /**
   * Take over what an event tells, unless the grid is newer than the event.
   * @param {string} eventId
   * @param {{id: number, status: string}[]} changes
   * @returns {Place[]} what is another state now
   */
  apply(eventId, changes) {
    if (!isAfter(eventId, this.eventId)) return [];
    this.eventId = eventId;
    const changed = [];
    for (const change of changes) {
      const place = this.placeOf(change.id);
      if (place && this.#set(place, codeOf(change.status))) changed.push(place);
    }
    return changed;
  }

  #set(place, code) {
    const stage = this.stages[place.stage];
    const before = stage.codes[place.at];
    if (before === code) return false;
    stage.codes[place.at] = code;
    stage.counts[before] -= 1;
    stage.counts[code] += 1;
    return true;
  }

  /**
   * The indices of the hosts that fit: with one of the states in some stage (none named: any), and the word in the name.
   * @param {{codes: Set<number>, word: string}} wanted
   * @returns {number[]}
   */
  hostsThatFit({ codes, word }) {
    const lower = word.trim().toLowerCase();
    const stages = this.stages.filter((stage) => stage.isPerHost);
    const found = [];
    for (let at = 0; at < this.hostCount; at += 1) {
      const isNamed = !lower || this.hostNames[at].toLowerCase().includes(lower) || String(this.hostIds[at]) === lower;
      if (isNamed && (!codes.size || stages.some((stage) => codes.has(stage.codes[at])))) found.push(at);
    }
    return found;
  }

  /**
   * The step at which the task is: one at which somebody works, or may; else the next one that is not through.
   * @param {boolean} isBack whether it is rolled back, from the last step to the first
   * @returns {Stage}
   */
  currentStage(isBack) {
    const steps = this.stages.filter((stage) => !stage.isWait);
    if (isBack) steps.reverse();
    const through = isBack ? PENDING : SUCCESSFUL;
    const atWork = steps.find(({ counts }) => counts[RUNNING] + counts[CANCELING] + counts[READY] > 0);
    return atWork ?? steps.find(({ counts, codes }) => counts[through] < codes.length) ?? steps[steps.length - 1];
  }
}

/**
 * Whether the event of this id comes after the other: "<ms>-<number>", with ".end" behind the last.
 * @param {string} eventId
 * @param {string} other
 */
export function isAfter(eventId, other) {
  const [ms, number] = parts(eventId);
  const [otherMs, otherNumber] = parts(other);
  return ms > otherMs || (ms === otherMs && number > otherNumber);
}

function parts(eventId) {
  return eventId.replace(".end", "").split("-").map(Number);
}

function countsOf(codes) {
  const counts = STATUSES.map(() => 0);
  for (const code of codes) counts[code] += 1;
  return counts;
}
