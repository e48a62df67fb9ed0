/**
 * The grid of stages and hosts: a window on it that scrolls, a cursor that follows keys and pointer, and the painter,
 * which is called once a frame at most, however much changes.
 */

import { h } from "../dom.js";
import { BandLayout, fittingSize, SIZES } from "./bands.js";
import { cellAfter, cellOf, placeOf } from "./cursor.js";
import { Painter } from "./painter.js";
import { readPalette, whenThemeChanges } from "./palette.js";
import { RowLayout } from "./rows.js";

/** So many hosts have a row each with their name. */
const MOST_ROWS = 60;
/** Of the height of the browser's window. */
const SHARE = 0.72;
const LEAST_HEIGHT = 220;
/** A page that nobody sees gets no frames: of so many changes all is drawn anew. */
const MOST_DIRTY = 5000;

/** @typedef {import("./model.js").Place} Place */

export class Grid {
  #canvas = h("canvas", { class: "grid-canvas", "aria-hidden": "true" });
  #spacer = h("div", { class: "grid-spacer" });
  #dirty = /** @type {Place[]} */ ([]);
  #isAllDirty = true;
  #frame = 0;
  #wanted = { codes: new Set(), word: "" };
  #zoom = 0;
  #scene;
  #painter = new Painter(this.#canvas);
  #palette;
  #ends = [];

  /**
   * @param {import("./model.js").GridModel} model
   * @param {{onCursor: (place: Place | null) => void, onHover: (place: Place | null, event?: MouseEvent) => void,
   *   onOpen: (place: Place) => void, onShown: (hosts: number, canZoom: boolean) => void, onPainted: () => void}} tell
   */
  constructor(model, tell) {
    this.model = model;
    this.tell = tell;
    this.element = h(
      "div",
      {
        class: "grid-window",
        tabindex: 0,
        role: "application",
        "aria-roledescription": "grid of subtasks",
        "aria-label": "Stages and hosts",
        "aria-describedby": "grid-help",
      },
      this.#canvas,
      this.#spacer,
    );
    this.#scene = { model, layout: null, hosts: [], rowOf: new Map(), codes: new Set(), cursor: null, hover: null, hasFocus: false };
    /** @type {Place | null} */
    this.place = null;
    this.#listen();
  }

  /** Begin to draw, once the element is in the page. */
  start() {
    const sized = new ResizeObserver(() => this.#layOut());
    sized.observe(this.element);
    const resized = () => this.#layOut();
    window.addEventListener("resize", resized);
    this.#ends = [() => sized.disconnect(), () => window.removeEventListener("resize", resized), whenThemeChanges(() => this.#recolour())];
    this.#recolour();
    this.#layOut();
  }

  end() {
    cancelAnimationFrame(this.#frame);
    for (const end of this.#ends) end();
  }

  /** Show another state of the same task. */
  replace(model) {
    this.model = this.#scene.model = model;
    this.#layOut();
  }

  /** @param {Place[]} places whose state is another one now */
  changed(places) {
    if (this.#dirty.length + places.length > MOST_DIRTY) this.#isAllDirty = true;
    else this.#dirty.push(...places);
    this.#schedule();
  }

  /** @param {{codes?: Set<number>, word?: string}} wanted */
  filter(wanted) {
    this.#wanted = { ...this.#wanted, ...wanted };
    this.#scene.codes = this.#wanted.codes;
    this.element.scrollTop = 0;
    this.#layOut();
  }

  /** Whether what changes may change which hosts are shown. */
  get isFilteredByState() {
    return this.#wanted.codes.size > 0;
  }

  /** Choose the hosts that are shown anew. */
  refilter() {
    this.#layOut();
  }

  /** Larger cells (1), smaller ones (-1), or as large as fits (0). */
  zoom(step) {
    const now = this.#scene.layout.size;
    const at = SIZES.indexOf(now) - step;
    this.#zoom = step ? SIZES[Math.max(0, Math.min(SIZES.length - 1, at))] : 0;
    this.#layOut();
    if (this.#scene.cursor) this.#reveal(this.#scene.cursor);
  }

  /** Put the cursor on a subtask, or nowhere. @param {Place | null} place */
  point(place) {
    this.#setCursor(place && cellOf(place, this.#scene));
  }

  #layOut() {
    const { clientWidth: width } = this.element;
    if (!width) return;
    const { model } = this;
    const hosts = model.hostsThatFit(this.#wanted);
    const room = Math.max(LEAST_HEIGHT, Math.round(window.innerHeight * SHARE));
    const layout = this.#layoutOf(hosts.length, width, room);
    const height = Math.min(layout.height, room);
    const scene = this.#scene;
    Object.assign(scene, { layout, hosts, rowOf: new Map(hosts.map((at, row) => [at, row])), hover: null });
    this.element.style.height = `${height}px`;
    this.#painter.resize(width, height);
    this.#spacer.style.height = `${Math.max(0, layout.height - height)}px`;
    scene.cursor = this.place && cellOf(this.place, scene);
    this.tell.onShown(hosts.length, !layout.hasNames);
    this.#isAllDirty = true;
    this.#schedule();
  }

  #layoutOf(hosts, width, room) {
    const { stages } = this.model;
    if (hosts > 0 && hosts <= MOST_ROWS) return new RowLayout(stages, hosts, width);
    return new BandLayout(stages, hosts, width, this.#zoom || fittingSize(stages, hosts, width, room));
  }

  #recolour() {
    this.#palette = readPalette(this.element);
    this.#isAllDirty = true;
    this.#schedule();
  }

  #schedule() {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    if (!this.#scene.layout) return;
    const top = this.element.scrollTop;
    if (this.#isAllDirty) this.#painter.paint(this.#scene, this.#palette, top);
    else this.#painter.repaint(this.#scene, this.#palette, top, this.#dirty);
    this.#dirty = [];
    this.#isAllDirty = false;
    this.tell.onPainted();
  }

  #listen() {
    const { element } = this;
    const repaint = () => {
      this.#isAllDirty = true;
      this.#schedule();
    };
    element.addEventListener("scroll", repaint, { passive: true });
    element.addEventListener("keydown", (event) => this.#pressed(event));
    // A finger that taps points at nothing afterwards.
    element.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.#hover(this.#cellUnder(event), event));
    element.addEventListener("pointerleave", () => this.#hover(null));
    element.addEventListener("click", (event) => this.#setCursor(this.#cellUnder(event)));
    element.addEventListener("dblclick", () => this.place && this.tell.onOpen(this.place));
    for (const name of ["focus", "blur"]) {
      element.addEventListener(name, () => {
        this.#scene.hasFocus = name === "focus";
        repaint();
      });
    }
  }

  #pressed(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !this.#scene.hosts.length) return;
    if (event.key === "Enter" && this.place) {
      event.preventDefault();
      this.tell.onOpen(this.place);
      return;
    }
    const cell = cellAfter(event.key, this.#scene);
    if (!cell) return;
    event.preventDefault();
    this.#setCursor(cell);
    this.#reveal(cell);
  }

  #cellUnder(event) {
    const box = this.#canvas.getBoundingClientRect();
    return this.#scene.layout?.cellAt(event.clientX - box.left, event.clientY - box.top + this.element.scrollTop) ?? null;
  }

  #hover(cell, event) {
    const before = this.#scene.hover;
    const isSame = before && cell ? before.stage === cell.stage && before.row === cell.row : before === cell;
    if (isSame) return;
    this.#scene.hover = cell;
    this.#isAllDirty = true;
    this.#schedule();
    this.tell.onHover(cell && placeOf(cell, this.#scene), event);
  }

  #setCursor(cell) {
    this.#scene.cursor = cell;
    this.place = cell && placeOf(cell, this.#scene);
    this.#isAllDirty = true;
    this.#schedule();
    this.tell.onCursor(this.place);
  }

  #reveal(cell) {
    const { y, height } = this.#scene.layout.rectOf(cell);
    const { element } = this;
    const head = this.#scene.layout.head + 4;
    if (y - head < element.scrollTop) element.scrollTop = y - head;
    else if (y + height + 4 > element.scrollTop + element.clientHeight) element.scrollTop = y + height + 4 - element.clientHeight;
  }
}
