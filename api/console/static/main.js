// The console: who has signed in, which page is shown.

import { Api } from "./api.js";
import { showBanner } from "./banner.js";
import { closeDialogs } from "./confirm.js";
import { fill, h } from "./dom.js";
import { showHeader } from "./header.js";
import { errorBlock, tell } from "./notice.js";
import { firstPath, followLinks, match, ROOT } from "./router.js";
import { Session } from "./session.js";
import { askToSignIn } from "./signin/page.js";

const main = document.getElementById("main");
const api = new Api({ onSignedOut, onOther, onAway: (error) => showBanner(error, api) });

let session = null;
let shown = null; // {page, params, unmount}
let turn = 0;
// While somebody is asked to sign in: what takes a session that another tab has begun.
let takeSession = null;

async function start() {
  followLinks(go);
  // Before it is known who has signed in: that takes as long as to ask for the page's own things.
  const found = match(location.pathname);
  found?.page.ahead?.(found.params).forEach((path) => api.ahead(path));
  window.addEventListener("popstate", () => show());
  document.addEventListener("visibilitychange", () => document.hidden || lookAgain());
  try {
    const found = await api.loadSession();
    if (!found) return onSignedOut();
    session = new Session(found);
  } catch (error) {
    if (error.status !== 401) fill(main, errorBlock(error, { retry: () => location.reload() }));
    return;
  }
  await show();
}

// Goes to a path of the console, as a click on a link does.
function go(path) {
  if (path !== location.pathname + location.search) history.pushState(null, "", path);
  return show();
}

async function show() {
  if (!session) return;
  closeDialogs();
  if (location.pathname === "/" || location.pathname.replace(/\/+$/, "") === ROOT) {
    history.replaceState(null, "", firstPath(session));
  }
  const found = match(location.pathname);
  showHeader(session, { page: found?.page, onSignOut: signOut });
  document.title = found ? `${found.page.title} · Muster` : "Muster";
  const isSame = shown && found?.page === shown.page && found.params.taskId === shown.params.taskId && shown.unmount.update;
  if (isSame && found.page.name === "task") return shown.unmount.update(found.params);
  leave();
  const mine = ++turn;
  const element = fill(main, h("div", { class: "page" })).firstElementChild;
  if (!found) return fill(element, nothingThere());
  if (!session.may(found.page.needs)) return fill(element, notPermitted(found.page));
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
  try {
    const unmount = await found.page.mount(element, { ...found.params, api, session, go, setTitle });
    if (mine === turn) shown = { page: found.page, params: found.params, unmount };
    else unmount();
  } catch (error) {
    if (mine === turn && error.name !== "AbortError" && error.status !== 401) {
      // What does not exist will not be there a moment later.
      const isGone = error.status === 404;
      const back = isGone && h("p", {}, h("a", { href: firstPath(session) }, "Back to the list"));
      fill(element, errorBlock(error, isGone ? {} : { retry: () => show() }), back);
    }
  }
}

function setTitle(title) {
  document.title = `${title} · Muster`;
}

function leave() {
  turn += 1;
  shown?.unmount();
  shown = null;
}

// The session has ended, or there was none: sign in, and come back to the same page.
async function onSignedOut() {
  if (main.dataset.signin) return;
  main.dataset.signin = "yes";
  leave();
  const before = session?.user.id;
  session = null;
  showHeader(null, {});
  closeDialogs();
  const found = await new Promise((resolve) => {
    takeSession = resolve;
    askToSignIn(main, api).then(resolve);
  });
  takeSession = null;
  delete main.dataset.signin;
  session = new Session(found);
  if (before !== undefined && before !== session.user.id) history.replaceState(null, "", firstPath(session));
  await show();
}

// Another user has signed in in this browser: from now on it is that one's page.
function onOther(found) {
  leave();
  session = new Session(found);
  tell(`${session.user.name} has signed in in another tab, and goes on in this one.`);
  return show();
}

// Whoever comes back to this tab may have signed in or out in another one.
async function lookAgain() {
  const found = await api.loadSession({ background: true }).catch(() => undefined);
  if (found === undefined || document.hidden) return;
  if (!session) {
    if (found) takeSession?.(found);
  } else if (!found) onSignedOut();
  else if (found.user.id !== session.user.id) onOther(found);
}

async function signOut() {
  try {
    await api.signOut();
  } catch (error) {
    if (error.status !== 401) throw error;
  }
  history.pushState(null, "", `${ROOT}/`);
  await onSignedOut();
}

function nothingThere() {
  const where = h("p", {}, "There is nothing at ", h("code", {}, location.pathname), ".");
  return h("div", { class: "empty" }, h("h1", {}, "No such page"), where);
}

function notPermitted({ title, needs }) {
  const why = `This page needs the permission ${needs}, which ${session.user.name} does not have.`;
  return h("div", { class: "empty" }, h("h1", {}, title), h("p", {}, why));
}

start();
