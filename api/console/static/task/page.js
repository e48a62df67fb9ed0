/** A task's page: head, steps, grid, failures, and one subtask beside them; loaded once, then kept up to date. */

import { fill, h } from "../dom.js";
import { STATUS } from "../status.js";
import { Actions } from "./action.js";
import { Card } from "./card.js";
import { Failures } from "./failures.js";
import { Graph, MOST_HOSTS } from "./graph.js";
import { Grid } from "./grid.js";
import { Head } from "./head.js";
import { FAILED } from "./letter.js";
import { Live } from "./live.js";
import { GridModel } from "./model.js";
import { Panel } from "./panel.js";
import { Stages } from "./stages.js";
import { Subtasks } from "./subtask.js";
import { Toolbar } from "./toolbar.js";

const HELP = "Arrow keys move, Home and End go to the first and last host, n and p to the next and previous failed step, Enter opens.";
/** Hosts come and go under a filter by state at this pace. */
const REFILTER_MS = 1000;
/** How long it has been running is told so often. */
const CLOCK_MS = 1000;

/** What is asked for at once: the task's head, and the states of all its subtasks. @param {number} taskId */
export function pathsOf(taskId) {
  const path = `/tasks/instances/${taskId}`;
  return [`${path}?view=summary`, `${path}/grid`];
}

/**
 * Show the task in the element, with one of its subtasks where `subtaskId` is not null.
 * @returns {Promise<{(): void, update: (params: {subtaskId: number | null}) => void}>} what ends it; `update` is called
 *   when another subtask of the same task is gone to
 */
export async function mount(element, { taskId, subtaskId, api, session, go, setTitle }) {
  const page = new TaskPage({ taskId, api, session, go, setTitle });
  await page.load();
  page.show(element);
  page.open(subtaskId);
  return Object.assign(() => page.end(), { update: (params) => page.open(params.subtaskId) });
}

class TaskPage {
  #panel = null;
  #frame = 0;
  #refilter = 0;
  #clock = 0;
  #isPainted = false;
  #parts = {};
  #loads = 0;
  /** What was told while the task was being loaded: what is loaded may be older. */
  #told = [];

  constructor(context) {
    this.context = context;
  }

  async load() {
    const { api } = this.context;
    this.#loads += 1;
    try {
      const [task, grid] = await Promise.all(pathsOf(this.context.taskId).map((path) => api.get(path)));
      const { summary, ...head } = task;
      this.task = head;
      this.progress = summary.progress;
      this.model = new GridModel(grid);
      for (const [id, changes] of this.#told) this.model.apply(id, changes);
    } finally {
      this.#loads -= 1;
      if (!this.#loads) this.#told = [];
    }
  }

  /** Load all of it again, and show it. */
  async reload() {
    await this.load();
    const { grid, live } = this.#parts;
    grid.replace(this.model);
    live.loaded(this.task.status, this.model.eventId);
    this.#later();
  }

  show(element) {
    const { api, taskId, session, go } = this.context;
    const actions = new Actions(api, taskId, () => this.reload().catch(() => {}));
    const shared = {
      api,
      taskId,
      actions,
      model: () => this.model,
      isRunning: () => this.task.status === "RUNNING",
      subtasks: new Subtasks(api, taskId),
      mayManage: session.may("TASK_MANAGER"),
    };
    const card = new Card(shared, false);
    const tip = new Card(shared, true);
    const grid = new Grid(this.model, this.#gridListener(card, tip));
    const live = new Live(api, taskId, this.#liveListener());
    this.#parts = {
      grid, live, card, tip, shared,
      head: new Head(session, actions),
      stages: new Stages(this.model),
      graph: this.model.hostCount <= MOST_HOSTS ? new Graph(this.model, taskId, go) : null,
      toolbar: new Toolbar(grid),
      failures: new Failures(shared),
    };
    this.#arrange(element);
    this.#showAll();
    grid.start();
    live.loaded(this.task.status, this.model.eventId);
    live.start();
    this.#clock = setInterval(() => this.task.status === "RUNNING" && this.#later(), CLOCK_MS);
  }

  /** Show one subtask beside the task, or none. @param {number | null} id */
  open(id) {
    const hadFocus = this.#panel?.element.contains(document.activeElement);
    this.#panel?.end();
    this.#panel?.element.remove();
    this.#panel = id === null ? null : new Panel({ ...this.context, ...this.#parts.shared }, id);
    this.columns.classList.toggle("has-panel", Boolean(this.#panel));
    const { grid } = this.#parts;
    if (this.#panel) {
      grid.point(this.model.placeOf(id));
      this.columns.append(this.#panel.element);
      this.#panel.start();
    } else if (hadFocus) {
      grid.element.focus({ preventScroll: true });
    }
  }

  end() {
    const { grid, live, failures, tip, card } = this.#parts;
    this.#panel?.end();
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#refilter);
    clearInterval(this.#clock);
    for (const part of [grid, live, failures]) part.end();
    tip.show(null);
    card.show(null);
    tip.element.remove();
  }

  #arrange(element) {
    const { head, live, stages, graph, toolbar, grid, card, tip, failures } = this.#parts;
    const help = h("p", { id: "grid-help", class: "visually-hidden" }, HELP);
    const hosts = h("section", { class: "card hosts-grid", "aria-label": "Hosts and steps" }, toolbar.element, help, grid.element, card.element);
    const steps = h("section", { class: "card steps", "aria-label": "Steps" }, stages.element, graph?.element);
    this.columns = h("div", { class: "task-columns" }, h("div", { class: "task-main" }, steps, failures.element, hosts));
    fill(element, head.element, live.element, this.columns, tip.element);
  }

  #gridListener(card, tip) {
    const { taskId, go } = this.context;
    return {
      onCursor: (place) => card.show(place),
      onHover: (place, event) => tip.show(place, event),
      onOpen: (place) => go(`/console/tasks/${taskId}/subtasks/${this.model.idAt(place)}`),
      onShown: (hosts, canZoom) => this.#parts.toolbar.tell(hosts, this.model.hostCount, canZoom),
      onPainted: () => this.#painted(),
    };
  }

  #liveListener() {
    return {
      onChanges: (id, data) => this.#changed(id, data.changes),
      onState: ({ task, progress }) => {
        Object.assign(this.task, task);
        this.progress = progress;
        this.#later();
      },
      onReset: () => this.reload(),
    };
  }

  #changed(id, changes) {
    const { grid, shared } = this.#parts;
    if (this.#loads) this.#told.push([id, changes]);
    grid.changed(this.model.apply(id, changes));
    shared.subtasks.forget(changes.map((change) => change.id));
    if (grid.isFilteredByState && !this.#refilter) {
      this.#refilter = setTimeout(() => {
        this.#refilter = 0;
        grid.refilter();
      }, REFILTER_MS);
    }
  }

  /** Show numbers, bars and texts in the next frame, however much comes before it. */
  #later() {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#showAll());
  }

  #showAll() {
    this.#frame = 0;
    this.context.setTitle(`${STATUS[this.task.status].word}: ${this.task.name} #${this.task.id}`);
    const { head, stages, graph, toolbar, failures, card, tip } = this.#parts;
    head.update(this.task, this.progress, this.model);
    stages.update(this.model);
    graph?.update(this.model);
    toolbar.legend.update(this.model.counts);
    failures.update(this.model.counts[FAILED], this.model.eventId);
    card.refresh();
    tip.refresh();
  }

  #painted() {
    if (this.#isPainted) return;
    this.#isPainted = true;
    requestAnimationFrame(() => performance.mark("muster:task-painted"));
  }
}
