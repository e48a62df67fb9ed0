/** The colours of the grid as the style sheets have them just now: light and dark have theirs. */

import { h } from "../dom.js";
import { STATUSES } from "./letter.js";

/**
 * @typedef {object} Palette
 * @property {string[]} fills by code
 * @property {string[]} inks what is drawn on each fill
 * @property {string} text
 * @property {string} muted
 * @property {string} surface
 */

/**
 * @param {HTMLElement} within where the colours hold
 * @returns {Palette}
 */
export function readPalette(within) {
  const names = [...STATUSES.map((status) => `cell-${status.toLowerCase()}`), "grid-text", "grid-muted"];
  // Variables come out of the style sheets as they are written; only an element's own colours are computed.
  const probes = names.map((name) => h("span", { class: name, hidden: true }));
  within.append(...probes);
  const found = probes.map((probe) => getComputedStyle(probe));
  const palette = {
    fills: STATUSES.map((_, code) => found[code].backgroundColor),
    inks: STATUSES.map((_, code) => found[code].color),
    text: found[STATUSES.length].color,
    surface: found[STATUSES.length].backgroundColor,
    muted: found[STATUSES.length + 1].color,
  };
  for (const probe of probes) probe.remove();
  return palette;
}

/**
 * Call when light becomes dark, or the other way round.
 * @param {() => void} act
 * @returns {() => void} what ends it
 */
export function whenThemeChanges(act) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = new MutationObserver(act);
  system.addEventListener("change", act);
  chosen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return () => {
    system.removeEventListener("change", act);
    chosen.disconnect();
  };
}
