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

const SIZE = 50;
const MOST_AT_ONCE = 2000;
const DEFAULTS = { status: "", keyword: "", label: "", sort: "id,asc", page: 1 };

export async function mount(element, { api, session, go, hostId }) {
  const wanted = readQuery(DEFAULTS);
  const mayChange = session.may("HOST_MANAGER");
  const selection = new Selection(onSelect);
  const table = hostTable({
    sort: wanted.sort,
    selection: mayChange && selection,
    onSort: (sort) => choose({ sort }),
    onLabel: (label) => choose({ label }, true),
    onOpen: open,
  });
  const pages = pager({ noun: "hosts", onPage: (page) => choose({ page }) });
  const actions = actionBar({ api, session, go, selection, selectAll, onGone: () => load() });
  const labels = searchField({ label: "Label: name=value", value: wanted.label, onChange: (label) => choose({ label }) });
  const body = h("div", { class: "list" });
  let turn = new AbortController();
  let isGone = false;

  function onSelect() {
    table.showSelection();
    actions.show();
  }

  function choose(change, isTyped = false) {
    Object.assign(wanted, { page: 1 }, change);
    if (isTyped) labels.value = wanted.label;
    writeQuery(wanted, DEFAULTS);
    return load();
  }

  async function load() {
    turn.abort();
    turn = new AbortController();
    try {
      show(await api.get(`/compute/hosts${pathOf(wanted, wanted.page, SIZE)}`, { signal: turn.signal }));
    } catch (error) {
      if (error.name !== "AbortError" && error.status !== 401) fill(body, errorBlock(error, { retry: load }));
    }
  }

  function show({ contents, page }) {
    if (!contents.length && page.number > 1 && page.totalPages) return choose({ page: page.totalPages });
    table.show(contents);
    fill(body, contents.length ? table.element : nothing(wanted, mayChange));
    pages.show(page);
    actions.show(page.totalElements, contents.length);
  }

  // Selects all hosts that fit the filters, on whichever page.
  async function selectAll() {
    for (let page = 1, pagesLeft = 1; pagesLeft > 0; page += 1) {
      const found = await api.get(`/compute/hosts${pathOf({ ...wanted, sort: "id,asc" }, page, MOST_AT_ONCE)}`, { signal: turn.signal });
      selection.set(found.contents.map((host) => host.id), true);
      pagesLeft = found.page.totalPages - page;
    }
  }

  async function open(id) {
    history.replaceState(null, "", `/console/hosts/${id}${location.search}`);
    await showHost(id, { api, session, go, actions });
    if (isGone) return;
    if (location.pathname === `/console/hosts/${id}`) history.replaceState(null, "", `/console/hosts${location.search}`);
    await load();
  }

  const states = ["NEW", "ONLINE", "OFFLINE"].map((status) => [status, badge(status, HOST_STATUS)]);
  const add = (ask) => async () => (await ask(api)) && load();
  fill(
    element,
    h(
      "div",
      { class: "bar" },
      h("h1", {}, "Hosts"),
      mayChange && [button("Add hosts", "", add(askToAdd)), button("Import", "", add(askToImport))],
      h("div", { class: "spread" }),
      pages.element,
    ),
    h(
      "div",
      { class: "bar filters", role: "search" },
      toggles({ label: "Status", choices: states, chosen: wanted.status, onChange: (status) => choose({ status }) }),
      searchField({ label: "Name or address", value: wanted.keyword, onChange: (keyword) => choose({ keyword }) }),
      labels,
    ),
    mayChange && actions.element,
    body,
  );
  await load();
  if (hostId !== null) open(hostId);
  return () => {
    isGone = true;
    turn.abort();
    document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
  };
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
    ? h("p", {}, "Add some by their addresses, or import the inventory that you have: CSV, JSON, YAML or Ansible's.")
    : h("p", {}, "Somebody with the permission HOST_MANAGER can add some.");
  return h("div", { class: "empty card" }, h("h2", {}, "No host yet"), how);
}

