// The line at the top that says that Muster, or its store, is away, and goes away by itself once it is back.

import { fill, h } from "./dom.js";

const ASK_AGAIN_MS = 2000;
let timer = 0;

// Shows why calls fail, or nothing (null). While it is shown, asks whether Muster is back.
export function showBanner(error, api) {
  const banner = document.getElementById("banner");
  clearTimeout(timer);
  if (!error) {
    fill(banner);
    return;
  }
  const text = error.status === 0 ? error.message : "Muster's store does not answer. What runs goes on; what is shown here may be old.";
  fill(banner, h("p", { class: "notice tone-canceling" }, h("span", { class: "glyph", "aria-hidden": "true" }, "◐"), text, " Trying again …"));
  timer = setTimeout(() => api.get("/readyz", { background: true }).catch(() => {}), ASK_AGAIN_MS);
}
