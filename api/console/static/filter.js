// Controls that choose what a list shows.

import { h } from "./dom.js";

const WAIT_MS = 250;

// A text field that tells onChange(text) a moment after the last key, or at once on Enter. Its own set(text) writes a
// text that somebody has chosen elsewhere, and tells nobody.
export function searchField({ label, value, onChange }) {
  let timer = 0;
  let told = value;
  const tell = () => {
    clearTimeout(timer);
    const text = field.value.trim();
    if (text !== told) onChange((told = text));
  };
  const input = () => {
    clearTimeout(timer);
    timer = setTimeout(tell, WAIT_MS);
  };
  const keydown = (event) => event.key === "Enter" && tell();
  const looks = { type: "search", class: "search", placeholder: label, "aria-label": label };
  const plain = { autocomplete: "off", spellcheck: "false" };
  const field = h("input", { ...looks, ...plain, value, on: { input, keydown, search: tell } });
  field.set = (text) => (field.value = told = text);
  return field;
}

// Buttons of which any number is pressed; none: all. `choices` are [value, content] pairs, `chosen` a comma list.
export function toggles({ label, choices, chosen, onChange }) {
  const pressed = new Set(chosen.split(",").filter((value) => choices.some(([known]) => known === value)));
  const buttons = choices.map(([value, content]) => {
    const click = () => {
      if (!pressed.delete(value)) pressed.add(value);
      button.setAttribute("aria-pressed", String(pressed.has(value)));
      onChange(choices.map(([known]) => known).filter((known) => pressed.has(known)).join(","));
    };
    const button = h("button", { type: "button", class: "toggle", on: { click } }, content);
    button.setAttribute("aria-pressed", String(pressed.has(value)));
    return button;
  });
  return h("div", { class: "toggles", role: "group", "aria-label": label }, buttons);
}
