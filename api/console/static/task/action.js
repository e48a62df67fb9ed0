/**
 * What one may do with a task and its subtasks: asks once more where it is destructive, calls, and tells what came of
 * it. Each returns true where it was done.
 */

import { confirm } from "../confirm.js";
import { tell, tellError } from "../notice.js";
import { counted } from "./word.js";

/** So many steps are cancelled by one press; no fleet runs more at once. */
const MOST_CANCELLED = 2000;
/** So many calls at once: a user has a rate of them. */
const LANES = 2;
const ILLEGAL_STATE = 20003;

export class Actions {
  /**
   * @param {any} api
   * @param {number} taskId
   * @param {() => Promise<void>} onDone called after each change, and where another state was met than was shown
   */
  constructor(api, taskId, onDone) {
    this.api = api;
    this.path = `/tasks/instances/${taskId}`;
    this.onDone = onDone;
  }

  /** @param {number} failed how many subtasks */
  retryTask(failed) {
    return this.#do(`${this.path}/retry?view=summary`, `${counted(failed, "step")} will run again.`);
  }

  /** @param {number} hosts */
  async rollBack(hosts) {
    const isSure = await confirm({
      title: "Roll this task back?",
      text: `On ${counted(hosts, "host")} what was done is undone, step by step: each agent is left as the first step found it.`,
      action: "Roll back",
      isDangerous: true,
    });
    return isSure && this.#do(`${this.path}/rollback?view=summary`, "Rolling back.");
  }

  /** @param {number} id @param {string} where */
  retry(id, where) {
    return this.#do(`${this.path}/subtasks/${id}/retry`, `${where} will run again.`);
  }

  /** @param {number} id @param {string} where */
  async skip(id, where) {
    const isSure = await confirm({
      title: "Skip this step?",
      text: `${where}: the step counts as done though it failed, and the task goes on. Its host may be left in a state that nobody has checked.`,
      action: "Skip",
      isDangerous: true,
    });
    return isSure && this.#do(`${this.path}/subtasks/${id}/skip`, `${where} is skipped.`);
  }

  /** @param {number} id @param {string} where */
  async cancel(id, where) {
    const isSure = await confirm({
      title: "Cancel this step?",
      text: `${where}: what runs on the host is ended, and the step counts as failed. It can be retried.`,
      action: "Cancel the step",
      dismiss: "Let it run",
      isDangerous: true,
    });
    return isSure && this.#do(`${this.path}/subtasks/${id}/cancel`, `${where} is being cancelled.`);
  }

  /** @param {number} running how many steps, as far as it is known */
  async cancelRunning(running) {
    const isSure = await confirm({
      title: "Cancel all that runs?",
      text: `What runs just now (${counted(running, "step")}) is ended on its hosts, and counts as failed; it can be retried. Steps that have not begun yet begin all the same.`,
      action: "Cancel what runs",
      dismiss: "Let it run",
      isDangerous: true,
    });
    return isSure && this.#cancelAll();
  }

  async #cancelAll() {
    let [cancelled, ended] = [0, 0];
    try {
      const { contents } = await this.api.get(`${this.path}/subtasks?status=RUNNING&size=${MOST_CANCELLED}`);
      await inLanes(contents, async ({ id }) => ((await this.#isCancelled(id)) ? (cancelled += 1) : (ended += 1)));
    } catch (error) {
      tellError(error);
    }
    const before = ended > 0 && ` ${counted(ended, "step")} had ended before.`;
    tell([cancelled ? `${counted(cancelled, "step")} ${cancelled === 1 ? "is" : "are"} being cancelled.` : "Nothing was cancelled.", before]);
    await this.onDone();
    return cancelled > 0;
  }

  /** False where the step has ended meanwhile. @param {number} id */
  async #isCancelled(id) {
    try {
      await this.api.post(`${this.path}/subtasks/${id}/cancel`);
      return true;
    } catch (error) {
      if (error.code !== ILLEGAL_STATE) throw error;
      return false;
    }
  }

  async downloadDiagnosis() {
    try {
      const { blob, name } = await this.api.file("POST", `${this.path}/downloadDiagnosis`);
      save(blob, name);
    } catch (error) {
      tellError(error);
    }
  }

  async #do(path, words) {
    let isDone = true;
    try {
      await this.api.post(path);
      tell(words);
    } catch (error) {
      isDone = false;
      tellError(error);
    }
    await this.onDone();
    return isDone;
  }
}

/** Do something for each, a few at once; the first that fails ends it. */
async function inLanes(all, act) {
  const left = [...all];
  const lane = async () => {
    while (left.length) await act(left.shift());
  };
  await Promise.all(Array.from({ length: LANES }, lane)).finally(() => left.splice(0));
}

/** Have the browser save a file. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
