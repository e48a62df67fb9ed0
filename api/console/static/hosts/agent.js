// What is known of a host and its agent: as the last step or look met it, with the time of that.

import { h } from "../dom.js";
import { AGENT_STATUS, badge, HOST_STATUS } from "../status.js";
import { moment } from "../time.js";

// Whether the host answered when it was last met, and why it did not.
export function reachOf({ status, unreachable, unreachableTime }) {
  const why = unreachable && h("div", { class: "why small", title: unreachable }, unreachable);
  const when = unreachableTime && h("div", { class: "muted small number" }, moment(unreachableTime));
  return [badge(status, HOST_STATUS), why, when];
}

// What ran there when somebody last saw it.
export function agentOf({ agentStatus, agentVersion, lastSeenTime, lastTaskId }, session) {
  const isAtWork = agentStatus === "RESTARTING" && lastTaskId > 0;
  const task = isAtWork && session.may("TASK_VIEWER") && h("a", { href: `/console/tasks/${lastTaskId}` }, `task ${lastTaskId}`);
  const facts = [agentVersion, task, lastSeenTime && moment(lastSeenTime)].filter(Boolean);
  const about = facts.map((fact, at) => [at > 0 && " · ", fact]);
  return [badge(agentStatus, AGENT_STATUS), about.length > 0 && h("div", { class: "muted small number" }, about)];
}
