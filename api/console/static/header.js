// The bar at the top: where one can go, and who one is.

import { fill, h, svg } from "./dom.js";
import { tellError } from "./notice.js";
import { pagesFor, ROOT } from "./router.js";
import { nextTheme, theme } from "./theme.js";

const THEMES = { system: ["◐", "as the system"], light: ["☀", "light"], dark: ["☾", "dark"] };

// Shows the bar for whoever has signed in (null: nobody).
export function showHeader(session, { page, onSignOut }) {
  const brand = h("a", { class: "brand", href: `${ROOT}/` }, mark(), "Muster");
  fill(document.getElementById("header"), brand, session && navigation(session, page), h("div", { class: "spread" }), session && links(session), themeButton(), session && account(session, onSignOut));
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
  return h("div", { class: "outside" }, session.flowerUrl && h("a", { href: session.flowerUrl, ...out }, "Flower"), h("a", { href: "/api/docs", ...out }, "API"));
}

function themeButton() {
  const button = h("button", { type: "button", class: "button quiet icon" });
  const show = (name) => {
    const [glyph, word] = THEMES[name];
    fill(button, h("span", { "aria-hidden": "true" }, glyph));
    button.title = `Theme: ${word}`;
    button.setAttribute("aria-label", button.title);
  };
  button.addEventListener("click", () => show(nextTheme()));
  show(theme());
  return button;
}

function account(session, onSignOut) {
  const leave = () => onSignOut().catch(tellError);
  return h("div", { class: "account" }, h("span", { class: "user" }, session.user.name), h("button", { type: "button", class: "button quiet", on: { click: leave } }, "Sign out"));
}

function mark() {
  return svg(
    "svg",
    { viewBox: "0 0 32 32", width: "22", height: "22", "aria-hidden": "true" },
    svg("rect", { width: 32, height: 32, rx: 7, fill: "var(--accent-solid)" }),
    ...[[7, 7], [17.5, 7], [7, 17.5]].map(([x, y]) => svg("rect", { x, y, width: 7.5, height: 7.5, rx: 1.8, fill: "#fff" })),
    svg("path", { d: "M17.8 21.4l2.7 2.8 4.6-5.4", fill: "none", stroke: "#fff", "stroke-width": 2.4, "stroke-linecap": "round", "stroke-linejoin": "round" }),
  );
}
