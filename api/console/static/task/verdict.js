/** How a task stands, in one or two sentences that say what to do. */

import { FAILED, PENDING, READY, RUNNING, SUCCESSFUL } from "./letter.js";
import { counted, number } from "./word.js";

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
  const parts = [`${number(through)} of ${counted(stage.codes.length, "host")} through`, `${number(stage.counts[RUNNING])} at work`];
  if (stage.counts[READY]) parts.push(`${number(stage.counts[READY])} next`);
  const failures = model.counts[FAILED];
  const more = failures ? ` ${counted(failures, "host")} failed: the others go on with their step, then the task ends as failed.` : "";
  return `${verb} ${stage.number} of ${steps}, “${stage.name}”: ${parts.join(", ")}.${more}`;
}
