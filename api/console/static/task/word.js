/** Numbers and what they count, in words. */

const NUMBER = new Intl.NumberFormat("en");

/** 12345 as "12,345". @param {number} value */
export function number(value) {
  return NUMBER.format(value);
}

/** "1 host", "2,000 hosts". @param {number} value @param {string} noun */
export function counted(value, noun) {
  return `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
}
