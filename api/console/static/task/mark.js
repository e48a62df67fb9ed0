/** The shape of each state, by which cells are told apart without colours: the glyphs of `status.js` as lines. */

import { CANCELING, FAILED, READY, RUNNING, SUCCESSFUL } from "./letter.js";

/** From this height of a cell on there is room for a shape in it. */
export const SMALLEST = 10;

/** Paths of SVG in a square from -1 to 1. */
const PATHS = {
  [READY]: "M0.7 0A0.7 0.7 0 1 1 -0.7 0A0.7 0.7 0 1 1 0.7 0",
  [RUNNING]: "M-0.5 -0.8L0.8 0L-0.5 0.8Z",
  [CANCELING]: "M0.7 0A0.7 0.7 0 1 1 -0.7 0A0.7 0.7 0 1 1 0.7 0M0 -0.7L0 0.7M0.3 -0.6L0.3 0.6",
  [FAILED]: "M-0.7 -0.7L0.7 0.7M0.7 -0.7L-0.7 0.7",
  [SUCCESSFUL]: "M-0.8 0.1L-0.2 0.7L0.8 -0.7",
};

/** @type {Map<string, Path2D>} */
const made = new Map();

/**
 * A state's shape as a path of SVG; empty while it is pending.
 * @param {number} code
 * @returns {string}
 */
export function pathOf(code) {
  return PATHS[code] ?? "";
}

/**
 * Draw the shape around a point, in the context's colour and width of lines.
 * @param {CanvasRenderingContext2D} context
 * @param {number} code
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 */
export function drawMark(context, code, x, y, radius) {
  if (!PATHS[code]) return;
  const name = `${code} ${radius}`;
  let path = made.get(name);
  if (!path) {
    path = new Path2D();
    path.addPath(new Path2D(PATHS[code]), new DOMMatrix([radius, 0, 0, radius, 0, 0]));
    made.set(name, path);
  }
  context.translate(x, y);
  context.stroke(path);
  context.translate(-x, -y);
}
