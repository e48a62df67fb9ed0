// Asks once more before something that can't be taken back.

import { h } from "./dom.js";

// confirm({title, text, action, dismiss, isDangerous}): true where the user presses `action`, false where `dismiss` is
// pressed or it is closed (Escape). `text` may be a node. The focus starts on `dismiss` where it is dangerous, and goes
// back where it was.
export function confirm({ title, text, action, dismiss = "Cancel", isDangerous = false }) {
  const { promise, resolve } = Promise.withResolvers();
  const cancel = h("button", { type: "submit", value: "cancel", class: "button", autofocus: isDangerous }, dismiss);
  const kind = isDangerous ? "button danger" : "button primary";
  const go = h("button", { type: "submit", value: "go", class: kind, autofocus: !isDangerous }, action);
  const actions = h("div", { class: "actions" }, cancel, go);
  const dialog = openDialog({ title, isAlert: true }, h("div", { class: "prose" }, text), actions);
  dialog.addEventListener("close", () => resolve(dialog.returnValue === "go"));
  return promise;
}

// Closes what is open, as Escape does: whoever leaves a page leaves its questions, too.
export function closeDialogs() {
  document.querySelectorAll("dialog").forEach((dialog) => dialog.close(""));
}

// Opens a modal <dialog> with a heading around a form of these children, and removes it once it is closed. A submit
// button's value is the dialog's returnValue; Escape closes it with "".
export function openDialog({ title, isAlert = false, isWide = false }, ...children) {
  const id = `dialog-${(openDialog.count = (openDialog.count ?? 0) + 1)}`;
  const form = h("form", { method: "dialog" }, h("h2", { id }, title), ...children);
  const role = isAlert ? "alertdialog" : null;
  const dialog = h("dialog", { class: isWide ? "dialog wide" : "dialog", "aria-labelledby": id, role }, form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
