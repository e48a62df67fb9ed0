/** Where the cursor of the grid goes, and which subtask a cell is: a cell is a stage and a row of the hosts shown. */

import { FAILED } from "./letter.js";

const ARROWS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown"]);

/** @typedef {import("./rows.js").Cell} Cell */
/** @typedef {import("./painter.js").Scene} Scene */

/**
 * The cell to which a key leads from the scene's cursor; null where it leads nowhere.
 * @param {string} key
 * @param {Scene} scene with at least one host
 * @returns {Cell | null}
 */
export function cellAfter(key, scene) {
  const cell = scene.cursor ?? { stage: 0, row: 0 };
  if (ARROWS.has(key)) return scene.cursor ? scene.layout.moved(cell, key) : cell;
  if (key === "Home") return { ...cell, row: 0 };
  if (key === "End") return { ...cell, row: scene.hosts.length - 1 };
  if (key === "n") return failedFrom(scene.cursor ?? { stage: 0, row: -1 }, 1, scene);
  if (key === "p") return failedFrom(cell, -1, scene);
  return null;
}

/** The next failed cell, from stage to stage and host to host, round and round. */
function failedFrom({ stage, row }, step, { model, hosts, cursor }) {
  const count = model.stages.length * hosts.length;
  for (let tried = 1, at = stage * hosts.length + row; tried <= count; tried += 1) {
    at = (at + step + count) % count;
    const found = { stage: Math.floor(at / hosts.length), row: at % hosts.length };
    const one = model.stages[found.stage];
    if (one.counts[FAILED] && one.codes[one.isPerHost ? hosts[found.row] : 0] === FAILED) return found;
  }
  return cursor;
}

/**
 * The subtask of a cell.
 * @param {Cell} cell
 * @param {Scene} scene
 * @returns {import("./model.js").Place}
 */
export function placeOf({ stage, row }, { model, hosts }) {
  return { stage, at: model.stages[stage].isPerHost ? hosts[row] : 0 };
}

/**
 * The cell of a subtask; null where its host is not shown.
 * @param {import("./model.js").Place} place
 * @param {Scene} scene
 * @returns {Cell | null}
 */
export function cellOf({ stage, at }, { model, rowOf }) {
  const row = model.stages[stage].isPerHost ? rowOf.get(at) : 0;
  return row === undefined ? null : { stage, row };
}
