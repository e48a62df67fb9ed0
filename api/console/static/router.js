// Which page a path names, and moving between pages without loading the document again.

import { mount as mountHosts } from "./hosts/page.js";
import { mount as mountTask, pathsOf } from "./task/page.js";
import { mount as mountTasks } from "./tasks/page.js";

export const ROOT = "/console";

// A page: its mount(element, context) returns a function that unmounts it. `needs` is the permission to see it, ahead(params)
// the paths of the API that it asks for at once.
const PAGES = [
  { name: "tasks", title: "Tasks", needs: "TASK_VIEWER", mount: mountTasks, pattern: /^\/tasks$/ },
  {
    name: "task",
    title: "Task",
    needs: "TASK_VIEWER",
    mount: mountTask,
    ahead: ({ taskId }) => pathsOf(taskId),
    pattern: /^\/tasks\/(?<taskId>[0-9]{1,19})(?:\/subtasks\/(?<subtaskId>[0-9]{1,19}))?$/,
  },
  {
    name: "hosts",
    title: "Hosts",
    needs: "HOST_VIEWER",
    mount: mountHosts,
    pattern: /^\/hosts(?:\/(?<hostId>[0-9]{1,19}))?$/,
  },
];

// {page, params} of a path; null where there is no such page. Ids are numbers, null where the path has none.
export function match(path) {
  const own = path.replace(/\/+$/, "").slice(ROOT.length);
  for (const page of PAGES) {
    const found = path.startsWith(`${ROOT}/`) && page.pattern.exec(own);
    if (found) return { page, params: idsOf(found.groups ?? {}) };
  }
  return null;
}

// The page to begin with: the first that the user may see.
export function firstPath(session) {
  const page = PAGES.find((one) => one.name !== "task" && session.may(one.needs));
  return page ? `${ROOT}/${page.name}` : `${ROOT}/`;
}

export function pagesFor(session) {
  return PAGES.filter((page) => page.name !== "task" && session.may(page.needs));
}

// Calls go(path) for a click on a link of the console that the browser would follow in this tab.
export function followLinks(go) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!link || !isPlain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || !url.pathname.startsWith(`${ROOT}/`) || url.hash) return;
    event.preventDefault();
    go(url.pathname + url.search);
  });
}

function idsOf(groups) {
  return Object.fromEntries(Object.entries(groups).map(([name, text]) => [name, text === undefined ? null : Number(text)]));
}
