// Forms in a dialog: fields with what they take, and what the API found wrong, where it was.

import { fill, h } from "./dom.js";

// A labelled control with a place for its fault: {element, control, fault}.
export function field(label, control, { hint = "", isWhole = false } = {}) {
  const id = `field-${(field.count = (field.count ?? 0) + 1)}`;
  const fault = h("span", { class: "fault", id: `${id}-fault` });
  control.id = id;
  control.setAttribute("aria-describedby", hint ? `${id}-hint ${id}-fault` : `${id}-fault`);
  const hinted = hint && h("span", { class: "hint", id: `${id}-hint` }, hint);
  const kind = isWhole ? "field whole" : "field";
  const element = h("div", { class: kind }, h("label", { for: id }, label), control, hinted, fault);
  return { element, control, fault };
}

// Shows each fault of an error at its field; returns those that belong to none. `fields` are by the name that a fault's
// own name begins with ("labels" for "labels.env").
export function showFaults(error, fields) {
  for (const { control, fault } of Object.values(fields)) {
    fill(fault);
    control.removeAttribute("aria-invalid");
  }
  const rest = [];
  for (const one of error?.subErrors ?? []) {
    const name = Object.keys(fields).find((known) => one.field === known || one.field.startsWith(`${known}.`));
    if (!name) rest.push(one);
    else {
      fill(fields[name].fault, one.message);
      fields[name].control.setAttribute("aria-invalid", "true");
    }
  }
  return rest;
}

// {name: value} of lines such as "env=test"; a line without "=" has the value "".
export function pairsOf(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return Object.fromEntries(lines.map((line) => [line.split("=")[0].trim(), line.split("=").slice(1).join("=").trim()]));
}
