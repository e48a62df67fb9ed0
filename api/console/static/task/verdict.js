/** How a task stands, in one or two sentences that say what to do. */

import { duration, secondsBetween } from "../time.js";
import { CANCELING, FAILED, PENDING, READY, RUNNING, SUCCESSFUL } from "./letter.js";
import { counted, number } from "./word.js";

/** Steps are taken within a second or two; those of a worker that was lost, once that is noticed. */
const IDLE_SECONDS = 20;

/**
 * @param {{status: string, operation: string, prohibitRollback: boolean}} task
 * @param {import("./model.js").GridModel} model
 * @returns {string}
 */
export function verdict(task, model) {
  if (task.status === "SUCCESSFUL") return succeeded(task, model);
  return task.status === "FAILED" ? failed(task, model) : running(task, model);
}

function succeeded(task, model) {
  const hosts = counted(model.hostCount, "host");
  if (task.operation === "ROLLBACK") return `Rolled back: ${hosts} left as found before.`;
  return `Done on ${model.hostCount === 1 ? "the host" : `all ${hosts}`}.`;
}

function failed(task, model) {
  const where = model.stages.filter((stage) => stage.counts[FAILED] > 0);
  const sum = where.reduce((total, stage) => total + stage.counts[FAILED], 0);
  const steps = where.map((stage) => `“${stage.name}”`).join(", ");
  const what = `${number(sum)} of ${counted(model.hostCount, "host")} failed at ${steps}.`;
  if (task.operation === "ROLLBACK") return `Rolling back: ${what} Mend what is wrong and roll back again, or skip what can't be undone.`;
  const back = task.prohibitRollback ? "" : ", or roll back to leave all hosts as they were";
  return `${what} Mend what is wrong and retry, or skip the step there${back}.`;
}

function running(task, model) {
  const isBack = task.operation === "ROLLBACK";
  const stage = model.currentStage(isBack);
  const steps = Math.max(...model.stages.map((one) => one.number));
  const through = stage.counts[isBack ? PENDING : SUCCESSFUL];
  const verb = isBack ? "Rolling back step" : "Step";
  const idle = idleness(model);
  const parts = [`${number(through)} of ${counted(stage.codes.length, "host")} through`, `${number(stage.counts[RUNNING])} at work`];
  if (stage.counts[READY]) parts.push(`${number(stage.counts[READY])} next`);
  const failures = model.counts[FAILED];
  const more = failures ? ` ${counted(failures, "host")} failed: the others go on with their step, then the task ends as failed.` : "";
  return `${verb} ${stage.number} of ${steps}, “${stage.name}”: ${parts.join(", ")}.${idle}${more}`;
}

/** Why nothing happens, where nothing has for a while: a worker, or the task's hosts, may be missing. */
function idleness(model) {
  const seconds = secondsBetween(new Date(model.changedMs).toISOString());
  if (model.counts[RUNNING] + model.counts[CANCELING] > 0 || seconds < IDLE_SECONDS || !model.changedMs) return "";
  if (!model.counts[READY]) return " It waits for hosts that other tasks have.";
  return ` No worker has taken a step for ${duration(seconds)}: “muster doctor” tells what is missing.`;
}
