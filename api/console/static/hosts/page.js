// The list of hosts.

import { fill, h } from "../dom.js";

export async function mount(element, { api }) {
  const { contents } = await api.get("/compute/hosts?size=100");
  fill(element, h("h1", {}, "Hosts"), h("ul", {}, contents.map((host) => h("li", {}, host.name))));
  return () => {};
}
