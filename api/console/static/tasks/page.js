// The list of tasks: how far each is, whose it is, since when; kept up to date while it is looked at.

import { fill, h, put } from "../dom.js";
import { searchField, toggles } from "../filter.js";
import { errorBlock } from "../notice.js";
import { pager } from "../pager.js";
import { poll } from "../poll.js";
import { queryOf, readQuery, writeQuery } from "../query.js";
import { badge, TASK_STATUSES } from "../status.js";
import { findHost } from "./host.js";
import { taskTable } from "./table.js";

const EVERY_MS = 2000;
const SIZE = 25;
const DEFAULTS = { status: "", keyword: "", host: "", sort: "id,desc", page: 1 };

export async function mount(element, { api, session }) {
  const page = new TaskPage(api, session);
  fill(element, page.elements());
  return page.start();
}

class TaskPage {
  #api;
  #session;
  #wanted = readQuery(DEFAULTS);
  #table = taskTable({ sort: this.#wanted.sort, onSort: (sort) => this.#choose({ sort }) });
  #pages = pager({ noun: "tasks", onPage: (page) => this.#choose({ page }) });
  #body = h("div", { class: "list" });
  // What is shown: the path that was asked, and the tag of its answer.
  #shown = { path: "", etag: "" };
  // Whether somebody waits for the next answer: what nobody asked for does not keep the session alive.
  #isAsked = true;
  #turn = 0;
  #stop = () => {};

  constructor(api, session) {
    this.#api = api;
    this.#session = session;
  }

  elements() {
    return [
      h("div", { class: "bar" }, h("h1", {}, "Tasks"), h("div", { class: "spread" }), this.#pages.element),
      h("div", { class: "bar filters", role: "search" }, this.#filters()),
      this.#body,
    ];
  }

  // Loads the list again and again; returns what ends that.
  start() {
    this.#stop = poll(() => this.#load(), EVERY_MS);
    return () => this.#stop();
  }

  #filters() {
    const { status, keyword, host } = this.#wanted;
    const choices = TASK_STATUSES.map((one) => [one, badge(one)]);
    const search = (label, name, value) => searchField({ label, value, onChange: (text) => this.#choose({ [name]: text }) });
    return [
      toggles({ label: "Status", choices, chosen: status, onChange: (chosen) => this.#choose({ status: chosen }) }),
      search("Name", "keyword", keyword),
      search(this.#session.may("HOST_VIEWER") ? "Host’s id or name" : "Host’s id", "host", host),
    ];
  }

  #choose(change) {
    Object.assign(this.#wanted, { page: 1 }, change);
    writeQuery(this.#wanted, DEFAULTS);
    this.#isAsked = true;
    this.#turn += 1;
    this.#stop();
    this.start();
  }

  async #load() {
    const turn = this.#turn;
    try {
      const [path, answer] = await this.#ask();
      // Else something else has been chosen since.
      if (turn === this.#turn) this.#take(path, answer);
    } catch (error) {
      if (turn !== this.#turn) return;
      if (!error.isAway && error.status !== 401) fill(this.#body, errorBlock(error));
      this.#shown = { path: "", etag: "" };
      throw error;
    }
  }

  async #ask() {
    const background = !this.#isAsked;
    this.#isAsked = false;
    const path = pathOf(this.#wanted, await findHost(this.#api, this.#session, this.#wanted.host));
    const known = path === this.#shown.path ? this.#shown.etag : "";
    return [path, await this.#api.refresh(path, known, { background })];
  }

  #take(path, { data, etag, isNew }) {
    this.#shown = { path, etag };
    if (isNew) this.#show(data);
    else this.#table.tick();
  }

  #show({ contents, page }) {
    if (!contents.length && page.number > 1 && page.totalPages) return this.#choose({ page: page.totalPages });
    if (contents.length) this.#table.show(contents);
    put(this.#body, contents.length ? this.#table.element : nothing(this.#wanted, this.#session));
    this.#pages.show(page);
  }
}

function pathOf({ page, sort, status, keyword }, hostId) {
  return `/tasks/instances${queryOf({ view: "summary", size: SIZE, page, sort, status, keyword, hostId })}`;
}

function nothing({ status, keyword, host }, session) {
  if (status || keyword || host) {
    return h("div", { class: "empty card" }, h("h2", {}, "No task fits"), h("p", {}, "Take a filter away to see more."));
  }
  const hosts = h("a", { href: "/console/hosts" }, "the list of hosts");
  const how = session.may("HOST_MANAGER")
    ? ["Select hosts on ", hosts, " and restart their agents: that makes a task, which is shown here."]
    : "Once somebody restarts or stops agents, that is shown here.";
  return h("div", { class: "empty card" }, h("h2", {}, "No task yet"), h("p", {}, how));
}
