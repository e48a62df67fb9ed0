// How far something is, as a bar of parts by state.

import { h } from "./dom.js";
import { count } from "./pager.js";
import { STATUS } from "./status.js";

const SHOWN = ["SUCCESSFUL", "FAILED", "CANCELING", "RUNNING"];

// A bar, and show(statuses, progress) for it: `statuses` are counts by state, `progress` {done, total}, as the API has
// them. What is neither done nor at work is the bar's ground.
export function progressBar() {
  const parts = new Map(SHOWN.map((status) => [status, h("span", { class: `tone-${STATUS[status].tone}` })]));
  const role = { role: "progressbar", "aria-valuemin": 0, "aria-label": "Progress" };
  const element = h("div", { class: "progress", ...role }, [...parts.values()]);

  function show(statuses, progress) {
    for (const [status, part] of parts) part.style.setProperty("width", share(statuses[status], progress.total));
    element.setAttribute("aria-valuemax", progress.total);
    element.setAttribute("aria-valuenow", progress.done);
    element.setAttribute("aria-valuetext", inWords(statuses, progress));
    element.title = inWords(statuses, progress);
  }

  return { element, show };
}

// "12 of 65 subtasks done, 3 running, 1 failed".
export function inWords(statuses, { done, total }) {
  const rest = ["RUNNING", "CANCELING", "FAILED"].filter((status) => statuses[status]);
  const more = rest.map((status) => `, ${count(statuses[status])} ${STATUS[status].word.toLowerCase()}`);
  return `${count(done)} of ${count(total)} subtasks done${more.join("")}`;
}

// The share as whole percents: never 100 % before the end, never 0 % once something is done.
export function percent({ done, total }) {
  if (done === total) return "100 %";
  return `${Math.min(99, Math.max(done ? 1 : 0, Math.round((100 * done) / total)))} %`;
}

function share(part, total) {
  return `${total ? (100 * part) / total : 0}%`;
}

