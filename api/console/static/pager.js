// Moves between the pages of a list.

import { fill, h } from "./dom.js";

const COUNT = new Intl.NumberFormat();

export const count = (number) => COUNT.format(number);

// An element and show({number, size, totalElements, totalPages}) for it; onPage(number) is told where to go.
export function pager({ noun, onPage }) {
  const text = h("span", { class: "number", role: "status" });
  const back = button("Previous page", "‹", () => onPage(number - 1));
  const on = button("Next page", "›", () => onPage(number + 1));
  back.hidden = on.hidden = true;
  let number = 1;

  function show(page) {
    number = page.number;
    const first = (page.number - 1) * page.size + 1;
    const last = Math.min(page.number * page.size, page.totalElements);
    const all = `${count(page.totalElements)} ${page.totalElements === 1 ? noun.slice(0, -1) : noun}`;
    const says = page.totalPages > 1 ? `${count(first)}–${count(last)} of ${all}` : all;
    // Else it would be read out again and again.
    if (text.textContent !== says) fill(text, says);
    back.disabled = page.number <= 1;
    on.disabled = page.number >= page.totalPages;
    back.hidden = on.hidden = page.totalPages <= 1;
  }

  return { element: h("div", { class: "pager" }, text, back, on), show };
}

function button(label, glyph, click) {
  const inner = h("span", { "aria-hidden": "true" }, glyph);
  return h("button", { type: "button", class: "button icon", "aria-label": label, title: label, on: { click } }, inner);
}
