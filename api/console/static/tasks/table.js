// The table of tasks. Rows stay the same elements while they are updated, so that the focus stays where it is.

import { fill, h } from "../dom.js";
import { count } from "../pager.js";
import { button, table } from "../part.js";
import { percent, progressBar } from "../progress.js";
import { badge } from "../status.js";
import { duration, moment, secondsBetween } from "../time.js";

const WHAT = { EXECUTE: "", RETRY: "retried", ROLLBACK: "rolled back" };

// An element; show(tasks) fills it, tick() lets the times go on. onSort("id,asc") is told the other order.
export function taskTable({ sort, onSort }) {
  const rows = new Map();
  const body = h("tbody", {});
  const head = [sortHead(sort, onSort), "Status", "Progress", "Started", "→Took"];
  const element = table({ caption: "Tasks", kind: "tasks", head, body });

  function show(tasks) {
    const next = tasks.map((task) => rows.get(task.id) ?? row());
    rows.clear();
    tasks.forEach((task, at) => rows.set(task.id, next[at]));
    tasks.forEach((task, at) => next[at].show(task));
    const elements = next.map((one) => one.element);
    const isSame = body.children.length === elements.length && elements.every((one, at) => body.children[at] === one);
    if (!isSame) fill(body, elements);
  }

  return { element, show, tick: () => rows.forEach((one) => one.tick()) };
}

function sortHead(sort, onSort) {
  let isDown = sort.endsWith("desc");
  const sign = h("span", { "aria-hidden": "true" });
  const control = button(["Task", sign], "link", click);
  const cell = h("th", { scope: "col" }, control);
  function show() {
    cell.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    control.title = isDown ? "Newest first" : "Oldest first";
    fill(sign, isDown ? "↓" : "↑");
  }
  function click() {
    isDown = !isDown;
    show();
    onSort(isDown ? "id,desc" : "id,asc");
  }
  show();
  return cell;
}

function row() {
  const link = h("a", { class: "cover" });
  const about = h("div", { class: "muted small" });
  const status = h("td", { class: "status" });
  const bar = progressBar();
  const text = h("span", { class: "muted small number" });
  const failed = h("span", { class: "failures small number" });
  const since = h("td", { class: "number when" });
  const took = h("td", { class: "number right took" });
  const what = h("td", { class: "what" }, link, about);
  const far = h("td", { class: "far" }, bar.element, h("div", { class: "under" }, text, failed));
  const element = h("tr", {}, what, status, far, since, took);
  let task = null;

  function show(one) {
    const before = task;
    task = one;
    if (before && JSON.stringify(before) === JSON.stringify(one)) return tick();
    link.href = `/console/tasks/${one.id}`;
    fill(link, one.name);
    const hosts = `${count(one.hostCount)} ${one.hostCount === 1 ? "host" : "hosts"}`;
    fill(about, [`#${one.id}`, one.creator.name, hosts, WHAT[one.operation]].filter(Boolean).join(" · "));
    fill(status, badge(one.status));
    bar.show(one.statuses, one.progress);
    fill(text, percent(one.progress));
    fill(failed, one.statuses.FAILED > 0 && `✕ ${count(one.statuses.FAILED)} failed`);
    fill(since, moment(one.startTime));
    tick();
  }

  function tick() {
    fill(took, duration(secondsBetween(task.startTime, task.finishTime)));
  }

  return { element, show, tick };
}
