// The host that somebody typed into the filter: its id, or its name.

const NONE = 0;
const found = new Map();

// The id, "" where nothing was typed. A name that no host has is told as such.
export async function findHost(api, session, text) {
  if (text === "" || /^[0-9]{1,18}$/.test(text)) return text;
  if (!session.may("HOST_VIEWER")) throw new Error("A host is found by its name with the permission HOST_VIEWER only: type its id.");
  if (!found.has(text)) {
    const { contents } = await api.get(`/compute/hosts?size=100&keyword=${encodeURIComponent(text)}`, { background: true });
    found.set(text, contents.find((host) => [host.name, host.innerIpAddress, host.alias].includes(text))?.id ?? NONE);
  }
  const id = found.get(text);
  if (id === NONE) {
    found.delete(text);
    throw Object.assign(new Error(`No host has the name or address “${text}”.`), { status: 404 });
  }
  return id;
}
