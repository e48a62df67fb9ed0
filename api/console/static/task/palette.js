/** The colours of the grid, read from the style sheets, so that light and dark have theirs. */

import { STATUSES } from "./letter.js";

/**
 * @typedef {object} Palette
 * @property {string[]} fills by code
 * @property {string[]} inks what is drawn on each fill
 * @property {string} text
 * @property {string} muted
 * @property {string} surface
 * @property {string} cursor
 */

/**
 * @param {Element} element
 * @returns {Palette}
 */
export function readPalette(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(name).trim();
  const words = STATUSES.map((status) => status.toLowerCase());
  return {
    fills: words.map((word) => read(`--cell-${word}`)),
    inks: words.map((word) => read(`--cell-${word}-ink`)),
    text: read("--cell-text"),
    muted: read("--cell-muted"),
    surface: read("--cell-surface"),
    cursor: read("--cell-cursor"),
  };
}
