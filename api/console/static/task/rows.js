/**
 * The grid of few hosts: a row for each with its name, a column for each stage, Wait nodes as narrow columns that join
 * all rows. Places are in CSS pixels from the top left of the whole grid; `row` counts the hosts that are shown.
 */

const ROW = 26;
const HEAD = 34;
const WAIT = 18;
const GAP = 3;
const WIDEST_COLUMN = 240;

/** @typedef {{stage: number, row: number}} Cell */

export class RowLayout {
  /**
   * @param {import("./model.js").Stage[]} stages
   * @param {number} hosts how many are shown
   * @param {number} width of the grid
   */
  constructor(stages, hosts, width) {
    this.hasNames = true;
    this.cell = ROW - GAP;
    this.hosts = hosts;
    this.head = HEAD;
    this.nameWidth = Math.round(Math.min(200, Math.max(88, width * 0.22)));
    const waits = stages.filter((stage) => stage.isWait).length;
    const room = width - this.nameWidth - waits * WAIT;
    const column = Math.max(18, Math.min(WIDEST_COLUMN, Math.floor(room / (stages.length - waits))));
    let left = this.nameWidth;
    this.columns = stages.map((stage) => {
      const at = { left, width: stage.isWait ? WAIT : column, isWait: stage.isWait, isPerHost: stage.isPerHost };
      left += at.width;
      return at;
    });
    this.width = left;
    this.height = HEAD + hosts * ROW + GAP;
  }

  /** @param {Cell} cell @returns {{x: number, y: number, width: number, height: number}} */
  rectOf({ stage, row }) {
    const column = this.columns[stage];
    if (!column.isPerHost) {
      const inset = column.isWait ? 5 : GAP;
      return { x: column.left + inset, y: HEAD, width: column.width - 2 * inset, height: this.hosts * ROW - GAP };
    }
    return { x: column.left, y: HEAD + row * ROW, width: column.width - GAP, height: ROW - GAP };
  }

  /** The rows that are to be seen between two heights, the last one not included. */
  rowsBetween(_stage, top, bottom) {
    const first = Math.max(0, Math.floor((top - HEAD) / ROW));
    return [first, Math.min(this.hosts, Math.ceil((bottom - HEAD) / ROW))];
  }

  /** @returns {Cell | null} */
  cellAt(x, y) {
    const stage = this.columns.findIndex((column) => x >= column.left && x < column.left + column.width);
    const row = Math.floor((y - HEAD) / ROW);
    if (stage < 0 || row < 0 || row >= this.hosts) return null;
    return { stage, row: this.columns[stage].isPerHost ? row : 0 };
  }

  /** The cell that an arrow leads to. @param {Cell} cell @param {string} key @returns {Cell} */
  moved({ stage, row }, key) {
    const columns = this.columns.length - 1;
    const step = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10 }[key] ?? 0;
    const across = { ArrowLeft: -1, ArrowRight: 1 }[key] ?? 0;
    return {
      stage: Math.max(0, Math.min(columns, stage + across)),
      row: Math.max(0, Math.min(this.hosts - 1, row + step)),
    };
  }
}
