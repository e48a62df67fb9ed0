/** What stands above the grid: which hosts to show, how large, and how many that are. */

import { h } from "../dom.js";
import { Legend } from "./legend.js";
import { counted, number } from "./word.js";

export class Toolbar {
  #search = h("input", { type: "search", placeholder: "Host name or id", "aria-label": "Show hosts named" });
  #shown = h("span", { class: "muted small number", role: "status" });
  #all = button("Show all", () => this.#clear());
  #zoom;

  /** @param {{filter: (wanted: any) => void, zoom: (step: number) => void}} grid */
  constructor(grid) {
    this.legend = new Legend((codes) => grid.filter({ codes }));
    this.#zoom = h(
      "div",
      { class: "zoom", role: "group", "aria-label": "Size of the cells" },
      button("−", () => grid.zoom(-1), "Smaller cells"),
      button("Fit", () => grid.zoom(0), "As large as fits"),
      button("+", () => grid.zoom(1), "Larger cells"),
    );
    this.#search.addEventListener("input", () => grid.filter({ word: this.#search.value }));
    this.#all.addEventListener("click", () => grid.filter({ codes: new Set(), word: "" }));
    this.element = h("div", { class: "toolbar" }, this.legend.element, h("div", { class: "bar" }, this.#search, this.#shown, this.#all, this.#zoom));
  }

  /** @param {number} shown how many hosts @param {number} all @param {boolean} canZoom */
  tell(shown, all, canZoom) {
    this.#shown.textContent = shown === all ? counted(all, "host") : `${number(shown)} of ${counted(all, "host")}`;
    this.#all.hidden = shown === all;
    this.#zoom.hidden = !canZoom;
  }

  #clear() {
    this.#search.value = "";
    this.legend.clear();
  }
}

function button(text, act, name = null) {
  return h("button", { type: "button", class: "button", "aria-label": name, title: name, on: { click: act } }, text);
}
