/** The log of a subtask: its end while it grows, a search in it, and all of it as a file. */

import { fill, h } from "../dom.js";
import { save } from "./action.js";
import { counted, number } from "./word.js";

/** Of a longer log the end is shown; the file has all of it. */
const MOST_SHOWN = 400_000;
const MOST_FOUND = 1000;
const AT_END_PX = 8;

export class LogView {
  #text = "";
  #word = "";
  #marks = [];
  #at = -1;
  #top = 0;
  #follow = h("input", { type: "checkbox", checked: true });
  #search = h("input", { type: "search", "aria-label": "Search the log", placeholder: "Search the log" });
  #found = h("span", { class: "muted small number", role: "status" });
  #pre = h("pre", { class: "log", tabindex: 0, role: "log", "aria-live": "off", "aria-label": "Log" });

  /** @param {string} fileName of the download */
  constructor(fileName) {
    const file = () => save(new Blob([this.#text], { type: "text/plain" }), fileName);
    const tools = h(
      "div",
      { class: "bar log-tools" },
      this.#search,
      this.#found,
      button("Previous match", "↑", () => this.#step(-1)),
      button("Next match", "↓", () => this.#step(1)),
      h("label", { class: "bar" }, this.#follow, "Follow"),
      h("button", { type: "button", class: "button", on: { click: file } }, "Download"),
    );
    this.element = h("section", { class: "log-view", "aria-label": "Log of the step" }, tools, this.#pre);
    this.#search.addEventListener("input", () => this.#seek());
    this.#search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.#step(event.shiftKey ? -1 : 1);
    });
    this.#follow.addEventListener("change", () => this.#scroll());
    this.#pre.addEventListener("scroll", () => this.#scrolled());
  }

  /** @param {string} more of the log, behind what is there @param {string} none what to say where there is nothing */
  add(more, none) {
    if (this.#text && !more) return;
    const isFirst = !this.#text;
    this.#text += more;
    if (isFirst || this.#word || this.#text.length > MOST_SHOWN) this.#render(none);
    else this.#pre.append(more);
    this.#scroll();
  }

  /** Begin again: it is another log. */
  clear() {
    this.#text = "";
  }

  get #shown() {
    return this.#text.slice(-MOST_SHOWN);
  }

  #render(none = "") {
    const isCut = this.#text.length > MOST_SHOWN;
    const words = `… the last ${number(MOST_SHOWN)} of ${counted(this.#text.length, "letter")}; Download has all.\n`;
    const note = isCut && h("span", { class: "muted" }, words);
    this.#marks = [];
    fill(this.#pre, note, this.#text ? this.#parts() : h("span", { class: "muted" }, none));
    this.#marks[this.#at]?.classList.add("is-here");
    this.#tell();
  }

  /** The text with each place where the word is found as a mark. */
  #parts() {
    const text = this.#shown;
    if (!this.#word) return [text];
    const parts = [];
    let from = 0;
    // Not by lower case: some letters get longer by it, and all behind them would be marked beside the word.
    for (const { 0: found, index } of text.matchAll(new RegExp(escaped(this.#word), "giu"))) {
      if (this.#marks.length === MOST_FOUND) break;
      const mark = h("mark", {}, found);
      this.#marks.push(mark);
      parts.push(text.slice(from, index), mark);
      from = index + found.length;
    }
    return [...parts, text.slice(from)];
  }

  #seek() {
    this.#word = this.#search.value;
    this.#at = -1;
    this.#render();
    if (this.#marks.length) this.#step(1);
  }

  #step(by) {
    if (!this.#marks.length) return;
    this.#marks[this.#at]?.classList.remove("is-here");
    this.#at = (this.#at + by + this.#marks.length) % this.#marks.length;
    const mark = this.#marks[this.#at];
    mark.classList.add("is-here");
    this.#pre.scrollTop = mark.offsetTop - this.#pre.clientHeight / 2;
    this.#tell();
  }

  #tell() {
    const sum = this.#marks.length;
    const most = sum === MOST_FOUND ? "+" : "";
    this.#found.textContent = this.#word ? (sum ? `${this.#at + 1} of ${number(sum)}${most}` : "not found") : "";
  }

  #scroll() {
    if (this.#follow.checked && !this.#word) this.#pre.scrollTop = this.#pre.scrollHeight;
  }

  /** Whoever scrolls up wants to read, and whoever comes back to the end wants to follow. */
  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#pre;
    if (scrollHeight - scrollTop - clientHeight < AT_END_PX) this.#follow.checked = true;
    else if (scrollTop < this.#top) this.#follow.checked = false;
    this.#top = scrollTop;
  }
}

/** The text as a regular expression that finds just that. @param {string} text */
function escaped(text) {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function button(name, glyph, act) {
  return h("button", { type: "button", class: "button icon", "aria-label": name, title: name, on: { click: act } }, glyph);
}
