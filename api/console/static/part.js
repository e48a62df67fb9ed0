// Small parts that many pages have.

import { h } from "./dom.js";

// A sign beside a word that says the same.
export function glyph(sign) {
  return h("span", { class: "glyph", "aria-hidden": "true" }, sign);
}

// A button that does something by itself; `kind` is "", "primary", "danger", "quiet" or "link".
export function button(content, kind, click) {
  return h("button", { type: "button", class: `button ${kind}`, on: { click } }, content);
}

// A table in its frame: `head` are the cells of its first row, or texts, a text with "→" before it for a column of
// numbers; `body` its rows, or a <tbody>.
export function table({ caption, kind = "", head, body }) {
  const cells = head.map((cell) => (typeof cell === "string" ? headCell(cell) : cell));
  const rows = body instanceof HTMLTableSectionElement ? body : h("tbody", {}, body);
  const title = h("caption", { class: "visually-hidden" }, caption);
  return h("div", { class: "table-frame" }, h("table", { class: kind }, title, h("thead", {}, h("tr", {}, cells)), rows));
}

function headCell(text) {
  const isNumber = text.startsWith("→");
  return h("th", { scope: "col", class: isNumber ? "right" : null }, isNumber ? text.slice(1) : text);
}
