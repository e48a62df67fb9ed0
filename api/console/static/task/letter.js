/** The states of a subtask, and the numbers and letters that stand for them. */

/** In the order of their codes. */
export const STATUSES = ["PENDING", "READY", "RUNNING", "CANCELING", "FAILED", "SUCCESSFUL"];
const LETTERS = "PRXCFS";

export const PENDING = 0;
export const READY = 1;
export const RUNNING = 2;
export const CANCELING = 3;
export const FAILED = 4;
export const SUCCESSFUL = 5;

const CODE_OF_WORD = new Map(STATUSES.map((word, code) => [word, code]));
const CODE_OF_LETTER = new Map([...LETTERS].map((letter, code) => [letter, code]));

/**
 * The code of a status as events and details name it.
 * @param {string} word
 * @returns {number}
 */
export function codeOf(word) {
  return CODE_OF_WORD.get(word) ?? PENDING;
}

/**
 * The codes of a stage's letters, one for each subtask.
 * @param {string} letters
 * @returns {Uint8Array}
 */
export function codesOf(letters) {
  return Uint8Array.from(letters, (letter) => CODE_OF_LETTER.get(letter) ?? PENDING);
}
