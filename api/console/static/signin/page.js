// Asks for name and password.

import { fill, h } from "../dom.js";
import { errorBlock } from "../notice.js";

// Shows the form in the element, and returns the session once it has begun.
export function askToSignIn(element, api) {
  const { promise, resolve } = Promise.withResolvers();
  const plain = { autocapitalize: "none", spellcheck: "false", required: true };
  const name = h("input", { id: "name", name: "username", autocomplete: "username", ...plain });
  const secret = { type: "password", autocomplete: "current-password" };
  const password = h("input", { id: "password", name: "password", ...secret, ...plain });
  const button = h("button", { type: "submit", class: "button primary" }, "Sign in");
  const fault = h("div", {});
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    fill(fault);
    try {
      resolve(await api.signIn(name.value, password.value));
    } catch (error) {
      fill(fault, errorBlock(error));
      button.disabled = false;
      password.select();
    }
  };
  const form = h(
    "form",
    { class: "signin card", on: { submit } },
    h("h1", {}, "Sign in"),
    h("label", { for: "name" }, "Name"),
    name,
    h("label", { for: "password" }, "Password"),
    password,
    fault,
    button,
  );
  fill(element, form);
  document.title = "Sign in · Muster";
  name.focus();
  return promise;
}
