// The plan of an operation, shown before it is started: what it would do, and what may keep it from doing well.

import { openDialog } from "../confirm.js";
import { fill, h } from "../dom.js";
import { errorBlock } from "../notice.js";
import { count } from "../pager.js";
import { glyph } from "../part.js";

const NAMES_SHOWN = 5;

// Asks for the plan of {path, title, isDangerous} on these hosts and shows it. Returns the task once it is
// started, null where it is not.
export function askToStart(operation, ids, { api }) {
  const { promise, resolve } = Promise.withResolvers();
  // The same for each try: a call whose answer was lost makes no second task.
  const key = newKey();
  const path = `/compute/hosts/${operation.path}?view=summary`;
  const body = h("div", { class: "plan" }, h("p", { class: "muted", role: "status" }, "Making the plan …"));
  const fault = h("div", {});
  const cancel = h("button", { type: "submit", class: "button", value: "" }, "Cancel");
  const kind = operation.isDangerous ? "button danger" : "button primary";
  const go = h("button", { type: "button", class: kind, disabled: true, on: { click: start } }, operation.title);
  const many = `${count(ids.length)} ${ids.length === 1 ? "host" : "hosts"}`;
  const title = `${operation.title} on ${many}`;
  const dialog = openDialog({ title, isWide: true }, body, fault, h("div", { class: "actions" }, cancel, go));
  const ending = new AbortController();
  // Whoever has pressed the button is to see what comes of it.
  dialog.addEventListener("cancel", (event) => cancel.disabled && event.preventDefault());
  dialog.addEventListener("close", () => {
    ending.abort();
    resolve(null);
  });

  async function plan() {
    try {
      const found = await api.post(`${path}&dryRun=true`, { hostIds: ids }, { signal: ending.signal });
      fill(body, stages(found), findings(found));
      go.disabled = false;
      go.focus();
    } catch (error) {
      if (error.name !== "AbortError") fill(body, errorBlock(error, { retry: plan }));
    }
  }

  async function start() {
    go.disabled = cancel.disabled = true;
    fill(fault);
    try {
      const task = await api.post(path, { hostIds: ids }, { headers: { "Idempotency-Key": key } });
      resolve(task);
      dialog.close();
    } catch (error) {
      fill(fault, errorBlock(error));
      fill(go, "Try again");
      go.disabled = cancel.disabled = false;
    }
  }

  plan();
  return promise;
}

// Random, in the form of Idempotency-Key; crypto.randomUUID is there with TLS only.
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function stages({ stages: all, subtaskCount }) {
  const steps = all.filter((stage) => !stage.waitNode);
  const says =
    steps.length < all.length
      ? "Each step begins once the one before has ended on all hosts that are left."
      : "The steps follow each other.";
  const lasting = h("span", { class: "small" }, " can’t be rolled back");
  const items = steps.map((stage) => h("li", {}, stage.name, stage.prohibitRollback && lasting.cloneNode(true)));
  const text = `This makes one task of ${count(subtaskCount)} subtasks in ${steps.length} steps. ${says}`;
  return h("div", {}, h("p", {}, text), h("ol", {}, items));
}

// What may keep the task from doing well, each with the hosts that it is about.
function findings({ hosts, findings: found }) {
  const named = new Map(hosts.map((host) => [host.id, host]));
  const unmet = found.neverSeenHostIds.filter((id) => !found.unreachableHostIds.includes(id));
  const line = (tone, says, ids, detail) => ids.length > 0 && finding(tone, says, ids.map((id) => named.get(id)), detail);
  const lines = [
    line("failed", "Could not be reached when last tried", found.unreachableHostIds, (host) => host.unreachable),
    line("failed", "Have a profile that no worker knows", found.unknownProfileHostIds, (host) => host.profile),
    found.zonesWithoutWorker.length > 0 && notice("failed", unserved(found.zonesWithoutWorker)),
    line("canceling", "Held by other tasks, and come after those", found.lockedHostIds, holder),
    line("canceling", "No agent ran there when last seen", found.stoppedAgentHostIds, () => ""),
    line("ready", "Never met so far: nobody knows whether they answer", unmet, () => ""),
  ].filter(Boolean);
  if (lines.length) return h("div", { class: "findings" }, lines);
  return notice("successful", [glyph("✓"), "Nothing is known that stands in its way."]);
}

function finding(tone, says, hosts, detail) {
  const shown = hosts.slice(0, NAMES_SHOWN);
  const items = shown.map((host) => h("li", {}, h("b", {}, host.name), h("span", { class: "small" }, ` ${detail(host)}`)));
  if (hosts.length > shown.length) items.push(h("li", {}, `and ${count(hosts.length - shown.length)} more`));
  const head = `${says}: ${count(hosts.length)} ${hosts.length === 1 ? "host" : "hosts"}`;
  const isOpen = hosts.length <= NAMES_SHOWN;
  return notice(tone, h("details", { open: isOpen }, h("summary", {}, head), h("ul", {}, items)));
}

function holder({ lockedBy, waitingBefore }) {
  const more = waitingBefore ? `, and ${waitingBefore} more` : "";
  return lockedBy ? `task ${lockedBy.id}, ${lockedBy.name}${more}` : "";
}

function unserved(zones) {
  return `No worker lives in the zone ${zones.join(", ")}: its hosts wait until one does.`;
}

function notice(tone, content) {
  return h("div", { class: `notice tone-${tone}` }, content);
}
