// Makes elements. Text is always text: nothing here reads HTML, so no name of a host or line of a log becomes markup.

const SVG = "http://www.w3.org/2000/svg";

// h("a", { class: "link", href: "/console/tasks", on: { click } }, "Tasks", icon): an element with its children.
// Properties are attributes, but: on (listeners), data (data-*), style (CSS properties, which the policy allows from
// scripts), value, checked, indeterminate, disabled, hidden (the element's own). null and false leave one out.
// Children are nodes, texts, numbers, or lists of these; null and false are none.
export function h(name, properties = {}, ...children) {
  return build(document.createElement(name), properties, children);
}

// The same for SVG: svg("path", { d: "M0 0" }).
export function svg(name, properties = {}, ...children) {
  return build(document.createElementNS(SVG, name), properties, children);
}

// Replaces all that is in an element.
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

// Lets one child be all that is in an element. Where it is so already nothing is moved: that would take the focus away.
export function put(element, child) {
  if (element.childNodes.length !== 1 || element.firstChild !== child) fill(element, child);
}

const OWN = new Set(["value", "checked", "indeterminate", "disabled", "hidden", "open", "returnValue"]);

function build(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || (value === false && !OWN.has(name))) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (OWN.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "")
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}
