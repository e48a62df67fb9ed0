/**
 * The grid of many hosts: a band for each stage, in which the hosts run on from line to line in one order, so that a
 * host stands at the same place of each band. Wait nodes are bars between the bands. Places are in CSS pixels from the
 * top left of the whole grid; `row` counts the hosts that are shown.
 */

const TITLE = 22;
const WAIT = 14;
const BELOW = 8;
/** Sizes of a cell, its gap included, from which the largest that fits is taken. */
export const SIZES = [22, 18, 14, 11, 9, 7, 6, 5, 4, 3];

/** @typedef {{stage: number, row: number}} Cell */

export class BandLayout {
  /**
   * @param {import("./model.js").Stage[]} stages
   * @param {number} hosts how many are shown
   * @param {number} width of the grid
   * @param {number} size of a cell
   */
  constructor(stages, hosts, width, size) {
    this.hasNames = false;
    this.hosts = hosts;
    this.width = width;
    this.size = size;
    this.cell = size - (size > 3 ? 1 : 0);
    this.head = 0;
    this.perLine = Math.max(1, Math.floor(width / size));
    const lines = Math.ceil(hosts / this.perLine);
    let top = 0;
    this.bands = stages.map((stage) => {
      const isWide = !stage.isPerHost;
      const height = stage.isWait ? WAIT : TITLE + (isWide ? size : lines * size) + BELOW;
      const band = { top, height, isWait: stage.isWait, isWide };
      top += height;
      return band;
    });
    this.height = top;
  }

  /** @param {Cell} cell @returns {{x: number, y: number, width: number, height: number}} */
  rectOf({ stage, row }) {
    const band = this.bands[stage];
    if (band.isWait) return { x: 0, y: band.top + 3, width: this.width - 1, height: WAIT - 8 };
    if (band.isWide) return { x: 0, y: band.top + TITLE, width: this.width - 1, height: this.cell };
    const line = Math.floor(row / this.perLine);
    const x = (row - line * this.perLine) * this.size;
    return { x, y: band.top + TITLE + line * this.size, width: this.cell, height: this.cell };
  }

  /** The rows of a stage that are to be seen between two heights, the last one not included. */
  rowsBetween(stage, top, bottom) {
    const band = this.bands[stage];
    if (band.top > bottom || band.top + band.height < top) return [0, 0];
    if (band.isWide) return [0, 1];
    const from = band.top + TITLE;
    const first = Math.max(0, Math.floor((top - from) / this.size)) * this.perLine;
    return [first, Math.min(this.hosts, Math.max(0, Math.ceil((bottom - from) / this.size)) * this.perLine)];
  }

  /** @returns {Cell | null} */
  cellAt(x, y) {
    const stage = this.bands.findIndex((band) => y >= band.top && y < band.top + band.height);
    if (stage < 0) return null;
    const band = this.bands[stage];
    if (band.isWait || band.isWide) return { stage, row: 0 };
    const column = Math.floor(x / this.size);
    const line = Math.floor((y - band.top - TITLE) / this.size);
    const row = line * this.perLine + column;
    return line < 0 || column < 0 || column >= this.perLine || row >= this.hosts ? null : { stage, row };
  }

  /** The cell that an arrow leads to: beyond a band's end into the next band. @returns {Cell} */
  moved({ stage, row }, key) {
    const across = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.perLine, ArrowDown: this.perLine }[key];
    const aim = row + (across ?? 0);
    const isBand = !this.bands[stage].isWide;
    if (across && isBand && aim >= 0 && aim < this.hosts) return { stage, row: aim };
    const step = { ArrowUp: -1, PageUp: -1, ArrowDown: 1, PageDown: 1 }[key] ?? 0;
    const next = stage + step;
    if (!step || next < 0 || next >= this.bands.length) return { stage, row };
    return { stage: next, row };
  }
}

/**
 * The largest cells with which all is to be seen at once, or the smallest ones that can still be hit.
 * @param {import("./model.js").Stage[]} stages
 * @param {number} hosts
 * @param {number} width
 * @param {number} height that there is room for
 */
export function fittingSize(stages, hosts, width, height) {
  const fits = (size) => new BandLayout(stages, hosts, width, size).height <= height;
  return SIZES.find(fits) ?? (width < 600 ? 4 : SIZES[SIZES.length - 1]);
}
