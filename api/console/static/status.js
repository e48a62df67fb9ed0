// The states of tasks, subtasks and hosts: each has a word, a glyph and a colour, so that none is told by colour alone.
// The colours are CSS variables: --status-<tone> (solid), --status-<tone>-soft (behind text), --status-<tone>-ink (text).

import { h } from "./dom.js";

export const STATUS = {
  PENDING: { word: "Pending", letter: "P", glyph: "·", tone: "pending" },
  READY: { word: "Ready", letter: "R", glyph: "○", tone: "ready" },
  RUNNING: { word: "Running", letter: "X", glyph: "▶", tone: "running" },
  CANCELING: { word: "Canceling", letter: "C", glyph: "◐", tone: "canceling" },
  FAILED: { word: "Failed", letter: "F", glyph: "✕", tone: "failed" },
  SUCCESSFUL: { word: "Successful", letter: "S", glyph: "✓", tone: "successful" },
};

export const TASK_STATUSES = ["RUNNING", "FAILED", "SUCCESSFUL"];
export const SUBTASK_STATUSES = Object.keys(STATUS);

export const HOST_STATUS = {
  NEW: { word: "New", glyph: "○", tone: "ready", meaning: "nobody has met it yet" },
  AVAILABLE: { word: "Available", glyph: "○", tone: "ready", meaning: "ready to be used" },
  ONLINE: { word: "Online", glyph: "✓", tone: "successful", meaning: "answered when it was last met" },
  OFFLINE: { word: "Offline", glyph: "✕", tone: "failed", meaning: "could not be reached when last tried" },
  DELETING: { word: "Deleting", glyph: "◐", tone: "canceling", meaning: "being forgotten" },
};

export const AGENT_STATUS = {
  STARTED: { word: "Running", glyph: "✓", tone: "successful", meaning: "its processes ran when it was last seen" },
  STOPPED: { word: "Stopped", glyph: "■", tone: "failed", meaning: "none of its processes ran when it was last seen" },
  RESTARTING: { word: "In a task", glyph: "◐", tone: "running", meaning: "a task had begun on it when it was last seen" },
  UNKNOWN: { word: "Not seen", glyph: "○", tone: "pending", meaning: "no step and no look has seen it so far" },
};

// A small label such as "✓ Successful"; `of` is STATUS, HOST_STATUS or AGENT_STATUS. Pointed at, it says what it means.
export function badge(status, of = STATUS) {
  const { word, glyph, tone, meaning } = of[status] ?? { word: status, glyph: "?", tone: "pending" };
  const sign = h("span", { class: "glyph", "aria-hidden": "true" }, glyph);
  return h("span", { class: `badge tone-${tone}`, title: meaning ?? null, data: { status } }, sign, word);
}
