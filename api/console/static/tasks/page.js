// The list of tasks.

import { fill, h } from "../dom.js";

export async function mount(element, { api }) {
  const { contents } = await api.get("/tasks/instances?sort=id,desc&size=20");
  fill(element, h("h1", {}, "Tasks"), h("ul", {}, contents.map((task) => h("li", {}, h("a", { href: `/console/tasks/${task.id}` }, `${task.id} ${task.name}`)))));
  return () => {};
}
