// What went wrong, in words, where it happened; and short messages at the edge of the page.

import { h } from "./dom.js";

const SHOWN_MS = 6000;
const MOST_FAULTS = 20;

// An error as a block: what was wrong, each fault, and the trace id for whoever reads the logs.
export function errorBlock(error, { retry } = {}) {
  const faults = (error.subErrors ?? []).slice(0, MOST_FAULTS);
  const more = (error.subErrors ?? []).length - faults.length;
  return h(
    "div",
    { class: "notice tone-failed", role: "alert" },
    h("p", {}, h("span", { class: "glyph", "aria-hidden": "true" }, "✕"), error.message || String(error)),
    faults.length > 1 && h("ul", {}, faults.map((one) => h("li", {}, h("b", {}, one.field), " ", one.message))),
    more > 0 && h("p", { class: "muted" }, `and ${more} more`),
    error.traceId && h("p", { class: "muted small" }, "Trace id ", h("code", {}, error.traceId)),
    retry && h("button", { type: "button", class: "button", on: { click: retry } }, "Try again"),
  );
}

// A message that goes away by itself; errors stay until they are closed.
export function tell(content, { isError = false } = {}) {
  const remove = { click: () => box.remove() };
  const close = h("button", { type: "button", class: "button quiet", "aria-label": "Close", on: remove }, "✕");
  const box = h("div", { class: isError ? "toast tone-failed" : "toast" }, h("div", {}, content), close);
  document.getElementById("notices").append(box);
  if (!isError) setTimeout(() => box.remove(), SHOWN_MS);
  return box;
}

// Tells of an error that belongs to no place on the page.
export function tellError(error) {
  if (error.name === "AbortError" || error.status === 401) return;
  const trace = error.traceId && h("div", { class: "small" }, "Trace id ", h("code", {}, error.traceId));
  tell([error.message, trace], { isError: true });
}
