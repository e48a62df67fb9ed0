// Which hosts are selected: by their boxes, a range by Shift, a whole page, or all that fit the filters.

export class Selection {
  #ids = new Set();
  #last = null;
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
  }

  get size() {
    return this.#ids.size;
  }

  get ids() {
    return [...this.#ids].sort((one, other) => one - other);
  }

  has(id) {
    return this.#ids.has(id);
  }

  // A box was clicked: with Shift all from the last one to this get its state. `shown` are the ids in their order.
  click(id, isOn, { isRange, shown }) {
    const from = shown.indexOf(this.#last);
    const to = shown.indexOf(id);
    const range = isRange && from >= 0 ? shown.slice(Math.min(from, to), Math.max(from, to) + 1) : [id];
    this.#last = id;
    this.set(range, isOn);
  }

  set(ids, isOn) {
    for (const id of ids) isOn ? this.#ids.add(id) : this.#ids.delete(id);
    this.#onChange();
  }

  clear() {
    this.#ids.clear();
    this.#last = null;
    this.#onChange();
  }
}
