// The list of tasks: how far each is, whose it is, since when; kept up to date while it is looked at.

import { fill, h } from "../dom.js";
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
  const wanted = readQuery(DEFAULTS);
  const table = taskTable({ sort: wanted.sort, onSort: (sort) => choose({ sort }) });
  const pages = pager({ noun: "tasks", onPage: (page) => choose({ page }) });
  const body = h("div", { class: "list" });
  let etag = "";
  let shownPath = "";
  let isAsked = true;
  let turn = 0;
  let stop = () => {};

  function choose(change) {
    Object.assign(wanted, { page: 1 }, change);
    writeQuery(wanted, DEFAULTS);
    isAsked = true;
    turn += 1;
    stop();
    stop = poll(load, EVERY_MS);
  }

  // What nobody asked for does not keep the session alive.
  async function load() {
    const [background, mine] = [!isAsked, turn];
    isAsked = false;
    try {
      const host = await findHost(api, wanted.host);
      const path = pathOf(wanted, host);
      const answer = await api.refresh(path, path === shownPath ? etag : "", { background });
      // Something else has been chosen since.
      if (mine !== turn) return;
      etag = answer.etag;
      shownPath = path;
      if (answer.isNew) show(answer.data);
      else table.tick();
    } catch (error) {
      if (mine !== turn) return;
      if (!error.isAway && error.status !== 401) fill(body, errorBlock(error));
      shownPath = "";
      throw error;
    }
  }

  function show({ contents, page }) {
    if (!contents.length && page.number > 1 && page.totalPages) return choose({ page: page.totalPages });
    if (contents.length) table.show(contents);
    fill(body, contents.length ? table.element : nothing(isFiltered(wanted), session));
    pages.show(page);
  }

  const states = TASK_STATUSES.map((status) => [status, badge(status)]);
  fill(
    element,
    h("div", { class: "bar" }, h("h1", {}, "Tasks"), h("div", { class: "spread" }), pages.element),
    h(
      "div",
      { class: "bar filters", role: "search" },
      toggles({ label: "Status", choices: states, chosen: wanted.status, onChange: (status) => choose({ status }) }),
      searchField({ label: "Name", value: wanted.keyword, onChange: (keyword) => choose({ keyword }) }),
      searchField({ label: "Host’s id or name", value: wanted.host, onChange: (host) => choose({ host }) }),
    ),
    body,
  );
  stop = poll(load, EVERY_MS);
  return () => stop();
}

function pathOf({ page, sort, status, keyword }, hostId) {
  return `/tasks/instances${queryOf({ view: "summary", size: SIZE, page, sort, status, keyword, hostId })}`;
}

function isFiltered({ status, keyword, host }) {
  return Boolean(status || keyword || host);
}

function nothing(filtered, session) {
  if (filtered) return h("div", { class: "empty card" }, h("h2", {}, "No task fits"), h("p", {}, "Take a filter away to see more."));
  const hosts = h("a", { href: "/console/hosts" }, "the list of hosts");
  const how = session.may("HOST_MANAGER")
    ? ["Select hosts on ", hosts, " and restart their agents: that makes a task, which is shown here."]
    : "Once somebody restarts or stops agents, that is shown here.";
  return h("div", { class: "empty card" }, h("h2", {}, "No task yet"), h("p", {}, how));
}
