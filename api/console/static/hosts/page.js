// The fleet: find hosts, select some, restart or stop their agents, add and forget hosts; kept up to date while it is
// looked at.

import { fill, h, put } from "../dom.js";
import { searchField, toggles } from "../filter.js";
import { errorBlock } from "../notice.js";
import { pager } from "../pager.js";
import { button } from "../part.js";
import { poll } from "../poll.js";
import { queryOf, readQuery, writeQuery } from "../query.js";
import { AGENT_STATUS, badge, HOST_STATUS } from "../status.js";
import { actionBar } from "./actions.js";
import { askToAdd } from "./add.js";
import { showHost } from "./host.js";
import { askToImport } from "./import.js";
import { labelsIn, quoted } from "./label.js";
import { Selection } from "./selection.js";
import { hostTable } from "./table.js";

const ROOT = "/console/hosts";
const SIZE = 50;
const EVERY_MS = 5000;
const MOST_AT_ONCE = 2000;
const DEFAULTS = { status: "", agent: "", keyword: "", label: "", sort: "id,asc", page: 1 };

// With a `hostId` that host is opened at once.
export async function mount(element, { hostId, ...context }) {
  const page = new HostPage(context);
  fill(element, page.elements());
  await page.start();
  if (hostId !== null) page.open(hostId);
  return () => page.close();
}

class HostPage {
  #context;
  #mayChange;
  #wanted = readQuery(DEFAULTS);
  #selection = new Selection(() => this.#showSelection());
  #pages = pager({ noun: "hosts", onPage: (page) => this.#choose({ page }) });
  #labels = this.#search("Label: name=value", "label");
  #body = h("div", { class: "list" });
  #table;
  #actions;
  #asking = new AbortController();
  // What is shown: the path that was asked, and the tag of its answer.
  #shown = { path: "", etag: "" };
  #stop = () => {};
  #isClosed = false;

  constructor(context) {
    this.#context = context;
    this.#mayChange = context.session.may("HOST_MANAGER");
    this.#table = hostTable({
      sort: this.#wanted.sort,
      session: context.session,
      selection: this.#mayChange && this.#selection,
      onSort: (sort) => this.#choose({ sort }),
      onLabel: (label) => this.#chooseLabel(label),
      onOpen: (id) => this.open(id),
    });
    const selectAll = () => this.#selectAll();
    this.#actions = actionBar({ ...context, selection: this.#selection, selectAll, onGone: () => this.load() });
  }

  elements() {
    const add = (ask) => async () => (await ask(this.#context.api)) && this.load();
    const enrol = this.#mayChange && [button("Add hosts", "", add(askToAdd)), button("Import", "", add(askToImport))];
    return [
      h("div", { class: "bar" }, h("h1", {}, "Hosts"), enrol, h("div", { class: "spread" }), this.#pages.element),
      h("div", { class: "bar filters", role: "search" }, this.#filters()),
      this.#mayChange && this.#actions.element,
      this.#body,
    ];
  }

  // Loads the list, and from then on again and again; returns once it is there.
  async start() {
    await this.load();
    if (!this.#isClosed) this.#stop = poll(() => this.#refresh(), EVERY_MS, { isFirstDone: true });
  }

  // Somebody waits for it, and a list that was being asked for is not wanted any more.
  async load() {
    this.#asking.abort();
    this.#asking = new AbortController();
    await this.#refresh({ background: false }).catch(() => {});
  }

  async #refresh({ background = true } = {}) {
    const { signal } = this.#asking;
    const path = pathOf(this.#wanted, this.#wanted.page, SIZE);
    try {
      const known = path === this.#shown.path ? this.#shown.etag : "";
      const { data, etag, isNew } = await this.#context.api.refresh(path, known, { signal, background });
      // Else something else has been chosen since.
      if (signal.aborted) return;
      this.#shown = { path, etag };
      if (isNew) this.#show(data);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#shown = { path: "", etag: "" };
      if (error.status !== 401 && !(background && error.isAway)) {
        fill(this.#body, errorBlock(error, { retry: () => this.load() }));
      }
      throw error;
    }
  }

  // Shows one host above the list, under its own address, until it is closed.
  async open(id) {
    history.replaceState(null, "", `${ROOT}/${id}${location.search}`);
    await showHost(id, { ...this.#context, actions: this.#actions });
    if (this.#isClosed) return;
    if (location.pathname === `${ROOT}/${id}`) history.replaceState(null, "", ROOT + location.search);
    await this.load();
  }

  close() {
    this.#isClosed = true;
    this.#stop();
    this.#asking.abort();
  }

  #filters() {
    return [
      this.#toggles("Status", "status", ["NEW", "ONLINE", "OFFLINE"], HOST_STATUS),
      this.#toggles("Agent", "agent", ["STARTED", "STOPPED", "RESTARTING", "UNKNOWN"], AGENT_STATUS),
      this.#search("Name or address", "keyword"),
      this.#labels,
    ];
  }

  #toggles(label, name, values, of) {
    const choices = values.map((value) => [value, badge(value, of)]);
    return toggles({ label, choices, chosen: this.#wanted[name], onChange: (chosen) => this.#choose({ [name]: chosen }) });
  }

  #search(label, name) {
    return searchField({ label, value: this.#wanted[name], onChange: (text) => this.#choose({ [name]: text }) });
  }

  #choose(change) {
    Object.assign(this.#wanted, { page: 1 }, change);
    writeQuery(this.#wanted, DEFAULTS);
    return this.load();
  }

  #chooseLabel(label) {
    const text = quoted(label);
    this.#labels.set(text);
    this.#choose({ label: text });
  }

  #show({ contents, page }) {
    if (!contents.length && page.number > 1 && page.totalPages) return this.#choose({ page: page.totalPages });
    this.#table.show(contents);
    put(this.#body, contents.length ? this.#table.element : nothing(this.#wanted, this.#mayChange));
    this.#pages.show(page);
    this.#actions.show(page.totalElements, contents.length);
  }

  #showSelection() {
    this.#table.showSelection();
    this.#actions.show();
  }

  // Selects all hosts that fit the filters, on whichever page.
  async #selectAll() {
    const wanted = { ...this.#wanted, sort: "id,asc" };
    for (let number = 1, pages = 1; number <= pages; number += 1) {
      const { contents, page } = await this.#context.api.get(pathOf(wanted, number, MOST_AT_ONCE));
      this.#selection.set(contents.map((host) => host.id), true);
      pages = page.totalPages;
    }
  }
}

function pathOf({ status, agent, keyword, label, sort }, page, size) {
  return `/compute/hosts${queryOf({ size, page, sort, status, agentStatus: agent, keyword, label: labelsIn(label) })}`;
}

function nothing({ status, agent, keyword, label }, mayChange) {
  if (status || agent || keyword || label) {
    return h("div", { class: "empty card" }, h("h2", {}, "No host fits"), h("p", {}, "Take a filter away to see more."));
  }
  const how = mayChange
    ? "Add some by their addresses, or import the inventory that you have: CSV, JSON, YAML or Ansible’s."
    : "Somebody with the permission HOST_MANAGER can add some.";
  return h("div", { class: "empty card" }, h("h2", {}, "No host yet"), h("p", {}, how));
}
