// The part of a page's state that stands in its address: filters, sort and page, so that a link leads to the same list.

// The parameters of the address, with these defaults ({status: "", page: 1}) where it has none. A default's kind is
// the value's: numbers that are none, or less than 1, are the default.
export function readQuery(defaults) {
  const given = new URLSearchParams(location.search);
  const read = ([name, fallback]) => {
    const text = given.get(name);
    if (text === null) return [name, fallback];
    if (typeof fallback !== "number") return [name, text];
    return [name, /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : fallback];
  };
  return Object.fromEntries(Object.entries(defaults).map(read));
}

// Writes what differs from the defaults into the address, in place of what stands there.
export function writeQuery(values, defaults) {
  const wanted = new URLSearchParams(Object.entries(values).filter(([name, value]) => value !== defaults[name]));
  const text = wanted.toString();
  history.replaceState(history.state, "", location.pathname + (text ? `?${text}` : ""));
}

// "?a=1&b=2" of what is not empty; a list gives its name more than once.
export function queryOf(values) {
  const pairs = Object.entries(values).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  const wanted = new URLSearchParams(pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined));
  const text = wanted.toString();
  return text ? `?${text}` : "";
}
