// The line at the top that says that Muster, or its store, is away, and goes away by itself once it is back.

import { fill, h } from "./dom.js";
import { glyph } from "./part.js";

const ASK_AGAIN_MS = 2000;
const READY = "/readyz";
const STORE_AWAY = "Muster’s store does not answer. What runs goes on; what is shown here may be old.";
let timer = 0;

// Shows why calls fail, or nothing (null). A call may be refused because something else is busy: whether it is Muster
// itself, /readyz knows. It is asked until it answers well.
export function showBanner(error, api) {
  const banner = document.getElementById("banner");
  clearTimeout(timer);
  if (!error) {
    fill(banner);
    return;
  }
  const isSure = error.status === 0 || error.path === READY;
  if (isSure) {
    const text = error.status === 0 ? error.message : STORE_AWAY;
    fill(banner, h("p", { class: "notice tone-canceling" }, glyph("◐"), text, " Trying again …"));
  }
  timer = setTimeout(() => api.get(READY, { background: true }).catch(() => {}), isSure ? ASK_AGAIN_MS : 0);
}
