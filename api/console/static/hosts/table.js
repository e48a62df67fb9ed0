// The table of hosts, with a box for each where hosts can be selected. Rows stay the same elements while they are brought
// up to date, so that the focus stays where it is.

import { fill, h } from "../dom.js";
import { button, table } from "../part.js";
import { agentOf, reachOf } from "./agent.js";

const COLUMNS = [
  ["name", "Host"],
  ["status", "Status"],
  ["", "Agent, as last seen"],
  ["", "Zone"],
  ["", "Agent's profile"],
  ["", "Labels"],
];

// An element; show(hosts) fills it, showSelection() sets the boxes. `selection` false: nothing can be selected.
export function hostTable({ sort, session, selection, onSort, onLabel, onOpen }) {
  const [by, order] = sort.split(",");
  const sorted = { by, isDown: order === "desc" };
  const showHeads = () => heads.forEach((one) => one.show());
  const heads = COLUMNS.map(([name, text]) => headCell(name, text, sorted, onSort, showHeads));
  const whole = h("input", { type: "checkbox", "aria-label": "Select all hosts of this page", on: { change } });
  const body = h("tbody", {});
  const pick = h("th", { scope: "col", class: "pick" }, h("label", { class: "box" }, whole));
  const head = [...(selection ? [pick] : []), ...heads.map((one) => one.cell)];
  const element = table({ caption: "Hosts", kind: "hosts", head, body });
  let shown = [];
  let rows = new Map();

  function change() {
    selection.set(shown, whole.checked);
  }

  function show(hosts) {
    shown = hosts.map((host) => host.id);
    rows = new Map(hosts.map((host) => [host.id, rows.get(host.id) ?? row(host)]));
    hosts.forEach((host) => rows.get(host.id).show(host));
    const elements = [...rows.values()].map((one) => one.element);
    const isSame = body.children.length === elements.length && elements.every((one, at) => body.children[at] === one);
    if (!isSame) fill(body, elements);
    showSelection();
  }

  function row(host) {
    return hostRow(host, { session, box: selection && boxOf(host), onLabel, onOpen });
  }

  function boxOf(host) {
    // A click tells of Shift, a change does not.
    const click = (event) => selection.click(host.id, box.checked, { isRange: event.shiftKey, shown });
    const box = h("input", { type: "checkbox", "aria-label": `Select ${host.name}`, on: { click } });
    return box;
  }

  function showSelection() {
    if (!selection) return;
    for (const [id, { element: line, box }] of rows) {
      box.checked = selection.has(id);
      line.classList.toggle("chosen", box.checked);
    }
    const some = shown.filter((id) => selection.has(id)).length;
    whole.checked = some > 0 && some === shown.length;
    whole.indeterminate = some > 0 && some < shown.length;
  }

  return { element, show, showSelection };
}

function headCell(name, text, sorted, onSort, showAll) {
  if (!name) return { cell: h("th", { scope: "col", class: "wide-only" }, text), show: () => {} };
  const sign = h("span", { "aria-hidden": "true" });
  const click = () => {
    sorted.isDown = sorted.by === name && !sorted.isDown;
    sorted.by = name;
    showAll();
    onSort(`${name},${sorted.isDown ? "desc" : "asc"}`);
  };
  const cell = h("th", { scope: "col" }, button([text, sign], "link", click));
  function show() {
    const isMine = sorted.by === name;
    if (isMine) cell.setAttribute("aria-sort", sorted.isDown ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
    fill(sign, isMine ? (sorted.isDown ? "↓" : "↑") : "");
  }
  show();
  return { cell, show };
}

// A host's record never changes; what was seen of it does.
function hostRow(host, { session, box, onLabel, onOpen }) {
  const open = (event) => {
    event.preventDefault();
    onOpen(host.id);
  };
  const about = [`#${host.id}`, `${host.innerIpAddress}:${host.sshPort}`, host.alias].filter(Boolean).join(" · ");
  const name = h("a", { href: `/console/hosts/${host.id}`, on: { click: open } }, host.name);
  const labels = (kind) => h("div", { class: `labels ${kind}` }, labelsOf(host, onLabel));
  const reach = h("div", { class: "seen" });
  const narrow = h("div", { class: "seen narrow-only" });
  const wide = h("td", { class: "agent-seen wide-only" });
  const element = h(
    "tr",
    {},
    box && h("td", { class: "pick" }, h("label", { class: "box" }, box)),
    h("td", { class: "name" }, name, h("div", { class: "muted small" }, about), labels("narrow-only")),
    h("td", { class: "status" }, reach, narrow),
    wide,
    h("td", { class: "wide-only" }, host.zone),
    h("td", { class: "wide-only" }, host.profile),
    h("td", { class: "wide-only" }, labels("")),
  );
  let before = "";

  function show(one) {
    const now = JSON.stringify(one);
    if (now === before) return;
    before = now;
    fill(reach, reachOf(one));
    fill(wide, agentOf(one, session));
    fill(narrow, h("span", { class: "visually-hidden" }, "Agent: "), agentOf(one, session));
  }

  return { element, box, show };
}

function labelsOf(host, onLabel) {
  return Object.entries(host.labels).map(([name, value]) => {
    const text = `${name}=${value}`;
    const title = `Only hosts with ${text}`;
    return h("button", { type: "button", class: "label", title, on: { click: () => onLabel(text) } }, text);
  });
}
