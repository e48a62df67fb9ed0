/**
 * Draws what is to be seen of the grid on a canvas of the size of its window, in batches of one colour; after changes
 * only the cells that have changed.
 */

import { captionBands, captionRows, FONT, write } from "./caption.js";
import { FAILED, STATUSES } from "./letter.js";
import { drawMark, SMALLEST } from "./mark.js";

const WORD_FROM = 96;
/** A failed cell of fewer pixels is drawn larger than it is, as a cross. */
const CROSS = 7;
/** So many changed cells are drawn one by one; of more all is drawn. */
const MOST_SINGLE = 4000;

/** @typedef {import("./rows.js").Cell} Cell */

/**
 * @typedef {object} Scene what is to be drawn
 * @property {import("./model.js").GridModel} model
 * @property {any} layout a RowLayout or a BandLayout
 * @property {number[]} hosts indices of the hosts that are shown
 * @property {Map<number, number>} rowOf the row of each of them
 * @property {Set<number>} codes the states that are asked for; none: all of them
 * @property {Cell | null} cursor
 * @property {boolean} hasFocus
 * @property {Cell | null} hover
 */

export class Painter {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.width = 0;
    this.height = 0;
  }

  /** Make the canvas as large as its window, in pixels of the screen. */
  resize(width, height) {
    const ratio = window.devicePixelRatio || 1;
    this.width = width;
    this.height = height;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  /**
   * Draw all that is to be seen.
   * @param {Scene} scene
   * @param {import("./palette.js").Palette} palette
   * @param {number} top how far the grid is scrolled
   */
  paint(scene, palette, top) {
    const { context } = this;
    context.fillStyle = palette.surface;
    context.fillRect(0, 0, this.width, this.height);
    const seen = this.#seen(scene, top);
    this.#fill(scene, palette, top, seen);
    this.#marks(scene, palette, top, seen);
    this.#finish(scene, palette, top);
  }

  /**
   * Draw what has changed; where that is much, all.
   * @param {Scene} scene
   * @param {import("./palette.js").Palette} palette
   * @param {number} top
   * @param {import("./model.js").Place[]} changed
   */
  repaint(scene, palette, top, changed) {
    const { layout } = scene;
    const crosses = layout.cell < SMALLEST;
    if (changed.length > MOST_SINGLE) return this.paint(scene, palette, top);
    const cells = this.#cellsOf(scene, changed, top);
    // Crosses reach over their neighbours: all of them are drawn anew on top.
    this.#fill(scene, palette, top, cells);
    this.#marks(scene, palette, top, crosses ? this.#seen(scene, top, FAILED) : cells);
    this.#finish(scene, palette, top);
  }

  #finish(scene, palette, top) {
    const caption = scene.layout.hasNames ? captionRows : captionBands;
    caption(this.context, scene, palette, { top, width: this.width, height: this.height });
    this.#outline(scene, palette, top);
  }

  /** The cells by state that are to be seen: those of one state, or of all. */
  #seen({ model, layout, hosts }, top, only = -1) {
    const found = STATUSES.map(() => /** @type {Cell[]} */ ([]));
    model.stages.forEach((stage, index) => {
      if (only >= 0 && !stage.counts[only]) return;
      const [first, behind] = layout.rowsBetween(index, top, top + this.height);
      if (!stage.isPerHost) {
        if (hosts.length) found[stage.codes[0]].push({ stage: index, row: 0 });
        return;
      }
      for (let row = first; row < behind; row += 1) {
        const code = stage.codes[hosts[row]];
        if (only < 0 || code === only) found[code].push({ stage: index, row });
      }
    });
    return found;
  }

  #cellsOf({ model, layout, rowOf }, places, top) {
    const found = STATUSES.map(() => /** @type {Cell[]} */ ([]));
    for (const place of places) {
      const row = model.stages[place.stage].isPerHost ? rowOf.get(place.at) : 0;
      if (row === undefined) continue;
      const cell = { stage: place.stage, row };
      const { y, height } = layout.rectOf(cell);
      if (y + height >= top && y <= top + this.height) found[model.codeAt(place)].push(cell);
    }
    return found;
  }

  #fill({ layout, codes }, palette, top, cells) {
    const { context } = this;
    cells.forEach((some, code) => {
      if (!some.length) return;
      const isDim = codes.size > 0 && !codes.has(code);
      if (isDim) {
        context.fillStyle = palette.surface;
        for (const cell of some) this.#rect(layout.rectOf(cell), top);
        context.globalAlpha = 0.35;
      }
      context.fillStyle = palette.fills[code];
      for (const cell of some) this.#rect(layout.rectOf(cell), top);
      context.globalAlpha = 1;
    });
  }

  #rect({ x, y, width, height }, top) {
    this.context.fillRect(x, y - top, width, height);
  }

  #marks({ layout, codes }, palette, top, cells) {
    const { context } = this;
    const isSmall = layout.cell < SMALLEST;
    cells.forEach((some, code) => {
      if (!some.length || (isSmall && code !== FAILED)) return;
      context.globalAlpha = codes.size > 0 && !codes.has(code) ? 0.4 : 1;
      for (const cell of some) this.#mark(layout.rectOf(cell), top, code, palette, isSmall);
      context.globalAlpha = 1;
    });
  }

  #mark({ x, y, width, height }, top, code, palette, isSmall) {
    const { context } = this;
    const [middleX, middleY] = [x + width / 2, y - top + height / 2];
    if (isSmall) {
      this.#cross(middleX, middleY, palette);
      return;
    }
    context.strokeStyle = context.fillStyle = palette.inks[code];
    if (height < SMALLEST || width < SMALLEST) return;
    const isWord = width >= WORD_FROM && width < 400;
    const radius = Math.min(width, height, 26) * (code === FAILED ? 0.34 : 0.28);
    context.lineWidth = Math.min(code === FAILED ? 2.4 : 1.8, radius * 0.45);
    drawMark(context, code, isWord ? x + 13 : middleX, middleY, radius);
    if (isWord) write(context, STATUSES[code].toLowerCase(), x + 25, middleY, FONT, palette.inks[code], width - 28);
  }

  /** A small failed cell: a dark cross in light edges, or the other way round, larger than its cell. */
  #cross(x, y, palette) {
    const { context } = this;
    context.fillStyle = palette.fills[FAILED];
    context.fillRect(x - CROSS / 2 - 0.5, y - CROSS / 2 - 0.5, CROSS + 1, CROSS + 1);
    context.strokeStyle = palette.inks[FAILED];
    context.lineWidth = 1.5;
    drawMark(context, FAILED, x, y, CROSS / 2.1);
  }

  /** Cursor and pointer; the same host in the other bands, where its cells stand apart. */
  #outline({ model, layout, cursor, hover, hasFocus, hosts }, palette, top) {
    for (const [cell, width] of [[hover, 1.5], [cursor, hasFocus ? 3 : 2]]) {
      if (!cell || !hosts.length) continue;
      this.#frame(layout.rectOf(cell), top, width, palette);
      if (layout.hasNames || !model.stages[cell.stage].isPerHost) continue;
      model.stages.forEach((stage, index) => {
        const isOther = stage.isPerHost && index !== cell.stage;
        if (isOther) this.#frame(layout.rectOf({ stage: index, row: cell.row }), top, 1, palette);
      });
    }
  }

  #frame({ x, y, width: wide, height }, top, width, palette) {
    const { context } = this;
    const edge = width / 2;
    for (const [line, colour] of [[width + 2, palette.surface], [width, palette.text]]) {
      context.lineWidth = line;
      context.strokeStyle = colour;
      context.strokeRect(x - edge, y - top - edge, wide + width, height + width);
    }
  }
}
