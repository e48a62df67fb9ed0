/** What colours and shapes mean, how many subtasks are in each state, and the filter by state: one row of buttons. */

import { h, svg } from "../dom.js";
import { STATUS } from "../status.js";
import { STATUSES } from "./letter.js";
import { pathOf } from "./mark.js";
import { number } from "./word.js";

export class Legend {
  #chosen = new Set();

  /** @param {(codes: Set<number>) => void} onChoice */
  constructor(onChoice) {
    this.buttons = STATUSES.map((status, code) => this.#button(status, code, onChoice));
    const attributes = { class: "legend", role: "group", "aria-label": "States: press to show only hosts with it" };
    this.element = h("div", attributes, this.buttons.map((one) => one.element));
  }

  /** @param {number[]} counts by code */
  update(counts) {
    counts.forEach((count, code) => {
      const { element, text } = this.buttons[code];
      const shown = number(count);
      if (text.textContent === shown) return;
      text.textContent = shown;
      element.setAttribute("aria-label", `${STATUS[STATUSES[code]].word} ${shown}`);
      element.classList.toggle("none", count === 0);
    });
  }

  clear() {
    this.#chosen.clear();
    for (const { element } of this.buttons) element.setAttribute("aria-pressed", "false");
  }

  #button(status, code, onChoice) {
    const text = h("span", { class: "count" });
    const choose = () => {
      if (!this.#chosen.delete(code)) this.#chosen.add(code);
      element.setAttribute("aria-pressed", String(this.#chosen.has(code)));
      onChoice(new Set(this.#chosen));
    };
    const attributes = { type: "button", class: "chip", "aria-pressed": "false", data: { status }, on: { click: choose } };
    const element = h("button", attributes, swatch(code), STATUS[status].word, text);
    return { element, text };
  }
}

/** A cell as the grid draws it. @param {number} code */
export function swatch(code) {
  const word = STATUSES[code].toLowerCase();
  return svg(
    "svg",
    { viewBox: "-10 -10 20 20", width: 18, height: 18, class: `swatch cell-${word}`, "aria-hidden": "true" },
    svg("rect", { x: -9.5, y: -9.5, width: 19, height: 19, rx: 3 }),
    svg("path", { d: pathOf(code), transform: "scale(5.5)", "vector-effect": "non-scaling-stroke" }),
  );
}
