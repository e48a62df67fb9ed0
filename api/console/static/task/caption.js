/** What is written on the grid: hosts and steps beside rows, steps and their counts above bands. */

import { FAILED, SUCCESSFUL } from "./letter.js";
import { number } from "./word.js";

export const FONT = "13px system-ui, sans-serif";
const BOLD = "600 13px system-ui, sans-serif";
/** From this width of a column on there is room for a step's name. */
const NAMED_FROM = 80;

/** @typedef {{top: number, width: number, height: number}} Seen the part of the grid that is to be seen */

/**
 * Write a text from this point on, in the middle of its line, and dots for what there is no room for.
 * @param {CanvasRenderingContext2D} context
 * @returns {number} its width
 */
export function write(context, text, x, y, font, colour, most) {
  context.font = font;
  context.fillStyle = colour;
  context.textBaseline = "middle";
  const shown = fitting(context, text, most);
  context.fillText(shown, x, y);
  return context.measureText(shown).width;
}

function fitting(context, text, most) {
  if (context.measureText(text).width <= most) return text;
  let length = text.length - 1;
  while (length > 1 && context.measureText(`${text.slice(0, length)}…`).width > most) length -= 1;
  return `${text.slice(0, length)}…`;
}

/**
 * The names of hosts at the left and of steps at the top, which stays there.
 * @param {CanvasRenderingContext2D} context
 * @param {import("./painter.js").Scene} scene
 * @param {import("./palette.js").Palette} palette
 * @param {Seen} seen
 */
export function captionRows(context, { model, layout, hosts }, palette, { top, width, height }) {
  const [first, behind] = layout.rowsBetween(0, top, top + height);
  clear(context, palette, 0, 0, layout.nameWidth - 4, height);
  for (let row = first; row < behind; row += 1) {
    const box = layout.rectOf({ stage: 0, row });
    write(context, model.hostNames[hosts[row]], 2, box.y - top + box.height / 2, FONT, palette.text, layout.nameWidth - 10);
  }
  clear(context, palette, 0, 0, width, layout.head - 2);
  model.stages.forEach((stage, index) => {
    const column = layout.columns[index];
    const name = column.width > NAMED_FROM ? `${stage.number} ${stage.name}` : String(stage.number);
    if (!stage.isWait) write(context, name, column.left, layout.head / 2, BOLD, palette.text, column.width - 8);
  });
}

/**
 * The name of each step above its band, and how many hosts are through.
 * @param {CanvasRenderingContext2D} context
 * @param {import("./painter.js").Scene} scene
 * @param {import("./palette.js").Palette} palette
 * @param {Seen} seen
 */
export function captionBands(context, { model, layout, hosts }, palette, { top, width, height }) {
  if (!hosts.length) {
    write(context, "No host fits.", 0, 9, FONT, palette.muted, width);
    return;
  }
  model.stages.forEach((stage, index) => {
    const y = layout.bands[index].top - top;
    if (stage.isWait || y > height || y < -22) return;
    clear(context, palette, 0, y, width, 18);
    const name = write(context, `${stage.number} ${stage.name}`, 0, y + 9, BOLD, palette.text, width * 0.6);
    const failed = stage.counts[FAILED] ? `, ${number(stage.counts[FAILED])} failed` : "";
    const counts = `${number(stage.counts[SUCCESSFUL])} of ${number(stage.codes.length)}${failed}`;
    write(context, counts, name + 10, y + 9, FONT, palette.muted, width - name - 10);
  });
}

function clear(context, palette, x, y, width, height) {
  context.fillStyle = palette.surface;
  context.fillRect(x, y, width, height);
}
