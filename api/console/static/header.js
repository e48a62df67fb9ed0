// The bar at the top: where one can go, and who one is.

import { fill, h, svg } from "./dom.js";
import { tellError } from "./notice.js";
import { button } from "./part.js";
import { pagesFor, ROOT } from "./router.js";
import { nextTheme, theme } from "./theme.js";

const THEMES = { system: ["◐", "as the system"], light: ["☀", "light"], dark: ["☾", "dark"] };

// Shows the bar for whoever has signed in (null: nobody).
export function showHeader(session, { page, onSignOut }) {
  const brand = h("a", { class: "brand", href: `${ROOT}/` }, mark(), "Muster");
  const spread = h("div", { class: "spread" });
  const parts = session
    ? [brand, navigation(session, page), spread, links(session), themeButton(), account(session, onSignOut)]
    : [brand, spread, themeButton()];
  fill(document.getElementById("header"), parts);
}

function navigation(session, page) {
  const isHere = (one) => one === page || (one.name === "tasks" && page?.name === "task");
  const items = pagesFor(session).map((one) =>
    h("a", { href: `${ROOT}/${one.name}`, "aria-current": isHere(one) ? "page" : null }, one.title),
  );
  return h("nav", { "aria-label": "Main" }, items);
}

function links(session) {
  const out = { target: "_blank", rel: "noreferrer" };
  const flower = session.flowerUrl && h("a", { href: session.flowerUrl, ...out }, "Flower");
  return h("div", { class: "outside" }, flower, h("a", { href: "/api/docs", ...out }, "API"));
}

function themeButton() {
  const control = button("", "quiet icon", () => show(nextTheme()));
  const show = (name) => {
    const [sign, word] = THEMES[name];
    fill(control, h("span", { "aria-hidden": "true" }, sign));
    control.title = `Theme: ${word}`;
    control.setAttribute("aria-label", control.title);
  };
  show(theme());
  return control;
}

function account(session, onSignOut) {
  const leave = button("Sign out", "quiet", () => onSignOut().catch(tellError));
  return h("div", { class: "account" }, h("span", { class: "user" }, session.user.name), leave);
}

function mark() {
  const square = ([x, y]) => svg("rect", { x, y, width: 7.5, height: 7.5, rx: 1.8, fill: "#fff" });
  const round = { fill: "none", stroke: "#fff", "stroke-width": 2.4, "stroke-linecap": "round", "stroke-linejoin": "round" };
  return svg(
    "svg",
    { viewBox: "0 0 32 32", width: "22", height: "22", "aria-hidden": "true" },
    svg("rect", { width: 32, height: 32, rx: 7, fill: "var(--accent-solid)" }),
    [[7, 7], [17.5, 7], [7, 17.5]].map(square),
    svg("path", { d: "M17.8 21.4l2.7 2.8 4.6-5.4", ...round }),
  );
}
