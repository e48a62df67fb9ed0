// One host: what is known of it, and what runs there now, asked live.

import { openDialog } from "../confirm.js";
import { fill, h } from "../dom.js";
import { errorBlock } from "../notice.js";
import { button, table } from "../part.js";
import { AGENT_STATUS, badge, HOST_STATUS } from "../status.js";
import { duration, full, moment } from "../time.js";
import { RESTART, STOP } from "./actions.js";
import { agentOf } from "./agent.js";

// Shows the host, and returns once it is closed.
export async function showHost(id, { api, session, go, actions }) {
  const { promise, resolve } = Promise.withResolvers();
  const body = h("div", { class: "host" });
  const ending = new AbortController();
  const close = h("button", { type: "submit", class: "button" }, "Close");
  // What may be done with it is shown once it is known that there is such a host.
  const change = h("div", { class: "actions", hidden: true }, session.may("HOST_MANAGER") && changes(id, actions, () => dialog.close()));
  const dialog = openDialog({ title: `Host ${id}`, isWide: true }, body, h("div", { class: "actions" }, change, close));
  dialog.addEventListener("close", () => {
    ending.abort();
    resolve();
  });
  close.focus();

  async function load() {
    try {
      const host = await api.get(`/compute/hosts/${id}`, { signal: ending.signal });
      fill(dialog.querySelector("h2"), host.name, " ", badge(host.status, HOST_STATUS));
      change.hidden = false;
      fill(body, facts(host, session), agentPart(id, api, ending.signal), session.may("TASK_VIEWER") && tasksLink(id, dialog, go));
    } catch (error) {
      if (error.name !== "AbortError") fill(body, errorBlock(error, { retry: load }));
    }
  }

  await load();
  return promise;
}

function changes(id, actions, close) {
  const act = (text, kind, run) => button(text, kind, async () => (await run()) && close());
  return [
    act("Restart agent …", "primary", () => actions.start(RESTART, [id])),
    act("Stop agent …", "", () => actions.start(STOP, [id])),
    act("Forget …", "", () => actions.remove([id])),
  ];
}

function facts(host, session) {
  const system = [host.operatingSystem, host.architecture].filter(Boolean).join(", ");
  const rows = [
    ["Address", `${host.innerIpAddress}:${host.sshPort}`],
    ["Login", host.user || "the workers’ default"],
    ["Agent’s profile", host.profile],
    ["Zone", host.zone],
    ["Alias", host.alias],
    ["Description", host.description],
    ["System", system],
    ["Credential", host.credentialId || ""],
    ["Labels", Object.entries(host.labels).map(([name, value]) => h("span", { class: "label" }, `${name}=${value}`))],
    ["Enrolled", full(host.createTime)],
    ["Agent, as last seen", host.lastSeenTime ? agentOf(host, session) : ""],
  ];
  const known = rows.filter(([, value]) => (Array.isArray(value) ? value.length : value));
  return h("dl", { class: "facts" }, known.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

// What runs on the host, asked at once and whenever somebody wants to know again.
function agentPart(id, api, signal) {
  const found = h("div", { "aria-live": "polite" });
  const again = button("Look again", "", look);

  async function look() {
    again.disabled = true;
    fill(found, h("p", { class: "muted" }, "Looking at the host …"));
    try {
      fill(found, agent(await api.get(`/compute/hosts/${id}/agent`, { signal })));
    } catch (error) {
      if (error.name !== "AbortError") fill(found, errorBlock(error));
    }
    again.disabled = false;
  }

  look();
  const head = h("div", { class: "bar" }, h("h3", {}, "Agent"), h("div", { class: "spread" }), again);
  return h("section", { class: "agent" }, head, found);
}

function agent({ live, status, version, updateTime, processes }) {
  const when = live ? "just now" : ["nobody could look just now; last seen ", moment(updateTime)];
  const seen = h("span", { class: "muted" }, " ", when);
  const head = h("p", {}, badge(status, AGENT_STATUS), version && ` version ${version}`, seen);
  if (!processes.length) return head;
  const columns = ["Process", "Status", "→Pid", "→Runs for"];
  return [head, table({ caption: "Processes", head: columns, body: processes.map(processRow) })];
}

function processRow({ alias, status, pid, elapsedTime }) {
  const number = (text) => h("td", { class: "number right" }, text);
  const times = [number(pid ?? "–"), number(pid ? duration(elapsedTime) : "–")];
  return h("tr", {}, h("td", {}, alias), h("td", {}, badge(status, AGENT_STATUS)), times);
}

function tasksLink(id, dialog, go) {
  const open = (event) => {
    event.preventDefault();
    dialog.close();
    go(`/console/tasks?host=${id}`);
  };
  return h("p", {}, h("a", { href: `/console/tasks?host=${id}`, on: { click: open } }, "Tasks on this host"));
}

