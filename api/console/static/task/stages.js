/** The stages of a task in their order: a bar and counts for each step, the Wait nodes between them. */

import { fill, h } from "../dom.js";
import { CANCELING, FAILED, READY, RUNNING, STATUSES, SUCCESSFUL } from "./letter.js";
import { swatch } from "./legend.js";
import { number } from "./word.js";

const SHOWN = [SUCCESSFUL, RUNNING, CANCELING, READY, FAILED];
const WORDS = { [RUNNING]: "at work", [CANCELING]: "canceling", [READY]: "next", [FAILED]: "failed" };

export class Stages {
  #rows = [];

  /** @param {import("./model.js").GridModel} model */
  constructor(model) {
    this.element = h("ol", { class: "stages", "aria-label": "Steps" });
    this.update(model);
  }

  /** @param {import("./model.js").GridModel} model */
  update(model) {
    if (this.#rows.length !== model.stages.length) {
      this.#rows = model.stages.map((stage) => (stage.isWait ? waitRow() : stepRow(stage)));
      fill(this.element, this.#rows.map((row) => row.element));
    }
    model.stages.forEach((stage, at) => this.#rows[at].update(stage));
  }
}

function waitRow() {
  const text = h("span", { class: "visually-hidden" });
  const place = h("span", { class: "wait-mark", "aria-hidden": "true" });
  const element = h("li", { class: "wait" }, place, text);
  let shown = -1;
  return {
    element,
    update(stage) {
      if (stage.codes[0] === shown) return;
      shown = stage.codes[0];
      fill(place, swatch(shown));
      const isOver = shown === SUCCESSFUL;
      text.textContent = isOver ? "Wait node: all hosts are through." : "Wait node: the next step begins when all hosts are through.";
      element.title = text.textContent;
    },
  };
}

function stepRow({ number: place, name }) {
  const bar = h("div", { class: "progress", "aria-hidden": "true" });
  const text = h("span", { class: "small muted number" });
  const element = h("li", { class: "step" }, h("p", { class: "step-name" }, h("span", { class: "step-number" }, place), name), bar, text);
  let shown = "";
  return {
    element,
    update({ counts, codes }) {
      const key = counts.join(" ");
      if (key === shown) return;
      shown = key;
      const total = codes.length;
      const width = (code) => ({ width: `max(${(100 * counts[code]) / total}%, 3px)` });
      const part = (code) => h("span", { class: `part cell-${STATUSES[code].toLowerCase()}`, style: width(code) });
      fill(bar, SHOWN.filter((code) => counts[code]).map(part));
      const others = SHOWN.filter((code) => WORDS[code] && counts[code]);
      const count = (code) => h("span", { class: `count-${STATUSES[code].toLowerCase()}` }, `${number(counts[code])} ${WORDS[code]}`);
      fill(text, `${number(counts[SUCCESSFUL])} of ${number(total)} done`, others.map((code) => [", ", count(code)]));
      element.classList.toggle("is-now", counts[RUNNING] + counts[CANCELING] > 0);
    },
  };
}
