/** Why steps failed, each reason once with how many hosts it is of: many failures mostly have few reasons. */

import { fill, h } from "../dom.js";
import { counted, number } from "./word.js";

/** So many failures are looked at. */
const MOST = 2000;
const SHOWN = 5;

export class Reasons {
  #etag = "";

  /** @param {any} api @param {number} taskId */
  constructor(api, taskId) {
    this.api = api;
    this.path = `/tasks/instances/${taskId}/failures?page=1&size=${MOST}`;
    this.element = h("ul", { class: "reasons", "aria-label": "Reasons" });
  }

  /** Ask again, and show what there is. @param {boolean} isWanted whether there are too many to be read one by one */
  async update(isWanted) {
    this.element.hidden = !isWanted;
    if (!isWanted) return;
    const { data, etag, isNew } = await this.api.refresh(this.path, this.#etag, { background: true });
    this.#etag = etag;
    if (isNew) this.#show(data.contents, data.page.totalElements);
  }

  #show(failures, total) {
    const groups = grouped(failures.map((failure) => failure.reason));
    const row = ([reason, count]) => h("li", {}, h("b", { class: "number" }, number(count)), " ", reason || "no reason was logged");
    const rows = groups.slice(0, SHOWN).map(row);
    const others = groups.length - SHOWN;
    const more = others > 0 && h("li", { class: "muted" }, `and ${counted(others, "other reason")}`);
    const part = total > failures.length && h("li", { class: "muted" }, `of the first ${number(MOST)}`);
    fill(this.element, rows, more, part);
  }
}

/**
 * Reasons and how often each occurs, the most frequent first. Words with digits that differ from host to host (addresses,
 * numbers of processes) are left out.
 * @param {string[]} reasons
 * @returns {[string, number][]}
 */
export function grouped(reasons) {
  const alike = new Map();
  for (const reason of reasons) {
    const words = reason.split(" ");
    const key = words.map((word) => (/\d/.test(word) ? "…" : word)).join(" ");
    const found = alike.get(key) ?? { count: 0, words };
    found.count += 1;
    found.words = found.words.map((word, at) => (word === words[at] ? word : "…"));
    alike.set(key, found);
  }
  return [...alike.values()].map(({ count, words }) => [words.join(" "), count]).sort((one, other) => other[1] - one[1]);
}
