/** The DAG of a task on few hosts: a row for each host, its steps as nodes, Wait nodes where all rows meet. */

import { fill, h, svg } from "../dom.js";
import { STATUS } from "../status.js";
import { FAILED, STATUSES } from "./letter.js";
import { pathOf } from "./mark.js";
import { whereOf } from "./subtask.js";

/** With more hosts the grid says more. */
export const MOST_HOSTS = 12;

const NAME = 130;
const STEP = 150;
const WAIT = 70;
const ROW = 44;
const HEAD = 30;
const BOX = { width: 116, height: 28 };

export class Graph {
  #nodes = [];

  /** @param {import("./model.js").GridModel} model @param {number} taskId @param {(path: string) => void} go */
  constructor(model, taskId, go) {
    this.taskId = taskId;
    this.go = go;
    this.element = h("div", { class: "graph-frame", tabindex: 0, role: "group", "aria-label": "Graph of the steps" });
    this.#build(model);
  }

  /** @param {import("./model.js").GridModel} model */
  update(model) {
    for (const node of this.#nodes) node.show(model.codeAt(node.place));
  }

  #build(model) {
    const places = columns(model);
    const height = HEAD + model.hostCount * ROW;
    const width = places[places.length - 1].left + places[places.length - 1].width;
    const titleOf = ({ number, name }, at) => text(places[at].left + BOX.width / 2, 14, `${number} ${name}`, BOX.width + 26);
    const head = model.stages.map((stage, at) => !stage.isWait && titleOf(stage, at));
    const names = model.hostNames.map((name, at) => text(0, HEAD + at * ROW + ROW / 2, name, NAME - 14, "start"));
    this.#nodes = model.stages.flatMap(({ codes }, stage) =>
      Array.from(codes, (code, at) => this.#node(model, places, { stage, at }, code, height)),
    );
    const image = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "Steps of each host" });
    image.append(...[edges(model, places), ...head, ...names, ...this.#nodes.map((node) => node.element)].filter(Boolean));
    fill(this.element, image);
  }

  #node(model, places, place, code, height) {
    const stage = model.stages[place.stage];
    const { host, step } = whereOf(model, place);
    const left = places[place.stage].left;
    const isBar = !stage.isPerHost && stage.isWait;
    const y = isBar ? HEAD + 6 : HEAD + place.at * ROW + (ROW - BOX.height) / 2;
    const box = isBar ? { x: left + 16, y, width: 22, height: height - HEAD - 12, rx: 11 } : { x: left, y, ...BOX, rx: 6 };
    const mark = svg("path", { "vector-effect": "non-scaling-stroke" });
    const word = svg("text", { x: box.x + 28, y: box.y + BOX.height / 2, class: "node-word" });
    const parts = [svg("rect", box), mark, !isBar && word].filter(Boolean);
    const path = `/console/tasks/${this.taskId}/subtasks/${model.idAt(place)}`;
    const link = svg("a", { href: path, class: "node" }, ...parts);
    link.addEventListener("click", (event) => {
      if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.go(path);
    });
    const center = isBar ? [box.x + 11, box.y + box.height / 2] : [box.x + 15, box.y + BOX.height / 2];
    const show = (now) => {
      const { word: name } = STATUS[STATUSES[now]];
      link.setAttribute("class", `node cell-${STATUSES[now].toLowerCase()}${now === FAILED ? " is-failed" : ""}`);
      link.setAttribute("aria-label", `${host}: ${step}: ${name}`);
      mark.setAttribute("d", pathOf(now));
      mark.setAttribute("transform", `translate(${center.join(" ")}) scale(6)`);
      word.textContent = name.toLowerCase();
    };
    show(code);
    return { element: link, place, show };
  }
}

function columns(model) {
  let left = NAME;
  return model.stages.map((stage) => {
    const place = { left, width: stage.isWait ? WAIT : STEP };
    left += place.width;
    return place;
  });
}

/** Lines between neighbours: host by host, or from each host to the Wait node that joins them. */
function edges(model, places) {
  const lines = [];
  for (let at = 0; at + 1 < model.stages.length; at += 1) {
    const from = right(model.stages[at], places[at]);
    const to = model.stages[at + 1].isWait ? places[at + 1].left + 16 : places[at + 1].left;
    for (let host = 0; host < model.hostCount; host += 1) lines.push(`M${from} ${HEAD + host * ROW + ROW / 2}H${to}`);
  }
  return svg("path", { d: lines.join(""), class: "edge" });
}

function right(stage, place) {
  return stage.isWait ? place.left + 38 : place.left + BOX.width;
}

function text(x, y, content, width, anchor = "middle") {
  // About 6.5 pixels a letter; all of it is in the title.
  const most = Math.floor(width / 6.5);
  const shown = content.length > most ? `${content.slice(0, most - 1)}…` : content;
  return svg("text", { x, y, class: anchor === "middle" ? "head" : "name", "text-anchor": anchor }, svg("title", {}, content), shown);
}
