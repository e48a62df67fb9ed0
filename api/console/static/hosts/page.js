// The fleet: find hosts, select some, restart or stop their agents, add and forget hosts.

import { fill, h } from "../dom.js";
import { searchField, toggles } from "../filter.js";
import { errorBlock } from "../notice.js";
import { pager } from "../pager.js";
import { button } from "../part.js";
import { queryOf, readQuery, writeQuery } from "../query.js";
import { badge, HOST_STATUS } from "../status.js";
import { actionBar } from "./actions.js";
import { askToAdd } from "./add.js";
import { showHost } from "./host.js";
import { askToImport } from "./import.js";
import { Selection } from "./selection.js";
import { hostTable } from "./table.js";

const ROOT = "/console/hosts";
const SIZE = 50;
const MOST_AT_ONCE = 2000;
const DEFAULTS = { status: "", keyword: "", label: "", sort: "id,asc", page: 1 };

// With a `hostId` that host is opened at once.
export async function mount(element, { hostId, ...context }) {
  const page = new HostPage(context);
  fill(element, page.elements());
  await page.load();
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
  #isClosed = false;

  constructor(context) {
    this.#context = context;
    this.#mayChange = context.session.may("HOST_MANAGER");
    this.#table = hostTable({
      sort: this.#wanted.sort,
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

  async load() {
    this.#asking.abort();
    this.#asking = new AbortController();
    try {
      this.#show(await this.#ask(this.#wanted, this.#wanted.page, SIZE));
    } catch (error) {
      if (error.name === "AbortError" || error.status === 401) return;
      fill(this.#body, errorBlock(error, { retry: () => this.load() }));
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
    this.#asking.abort();
    document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
  }

  #filters() {
    const choices = ["NEW", "ONLINE", "OFFLINE"].map((status) => [status, badge(status, HOST_STATUS)]);
    const onChange = (status) => this.#choose({ status });
    return [
      toggles({ label: "Status", choices, chosen: this.#wanted.status, onChange }),
      this.#search("Name or address", "keyword"),
      this.#labels,
    ];
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
    this.#labels.set(label);
    this.#choose({ label });
  }

  #ask(wanted, page, size) {
    return this.#context.api.get(`/compute/hosts${pathOf(wanted, page, size)}`, { signal: this.#asking.signal });
  }

  #show({ contents, page }) {
    if (!contents.length && page.number > 1 && page.totalPages) return this.#choose({ page: page.totalPages });
    this.#table.show(contents);
    fill(this.#body, contents.length ? this.#table.element : nothing(this.#wanted, this.#mayChange));
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
      const { contents, page } = await this.#ask(wanted, number, MOST_AT_ONCE);
      this.#selection.set(contents.map((host) => host.id), true);
      pages = page.totalPages;
    }
  }
}

function pathOf({ status, keyword, label, sort }, page, size) {
  // Several labels stand with blanks between them; a value with a blank can't be typed here.
  return queryOf({ size, page, sort, status, keyword, label: label.split(/\s+/).filter(Boolean) });
}

function nothing({ status, keyword, label }, mayChange) {
  if (status || keyword || label) {
    return h("div", { class: "empty card" }, h("h2", {}, "No host fits"), h("p", {}, "Take a filter away to see more."));
  }
  const how = mayChange
    ? "Add some by their addresses, or import the inventory that you have: CSV, JSON, YAML or Ansible’s."
    : "Somebody with the permission HOST_MANAGER can add some.";
  return h("div", { class: "empty card" }, h("h2", {}, "No host yet"), h("p", {}, how));
}
