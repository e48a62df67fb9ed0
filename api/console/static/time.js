// Times and durations in words.

import { h } from "./dom.js";

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long", hour12: false });

// "14:20:26" of today, "3 Sep 14:20:26" of another day.
export function clock(iso, now = new Date()) {
  const time = new Date(iso);
  const isToday = time.toDateString() === now.toDateString();
  return isToday ? CLOCK.format(time) : `${DAY.format(time)} ${CLOCK.format(time)}`;
}

// The whole of it, with its zone.
export function full(iso) {
  return FULL.format(new Date(iso));
}

// A <time> that shows the clock, and all of it when pointed at; "–" where there is none.
export function moment(iso) {
  return iso ? h("time", { datetime: iso, title: full(iso) }, clock(iso)) : "–";
}

// "0.4 s", "12 s", "3 min 20 s", "2 h 5 min", "3 d 4 h".
export function duration(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return pair(whole, 60, "min", 1, "s");
  if (whole < 86400) return pair(whole, 3600, "h", 60, "min");
  return pair(whole, 86400, "d", 3600, "h");
}

// How far the server's clock is ahead of the browser's, which may be minutes off.
let skewMs = 0;

// Takes over the time at which the server has just answered.
export function tellServerTime(iso) {
  const time = Date.parse(iso);
  if (!Number.isNaN(time)) skewMs = time - Date.now();
}

// Seconds from one of the server's times to another, or until now.
export function secondsBetween(start, end) {
  return Math.max(0, ((end ? Date.parse(end) : Date.now() + skewMs) - Date.parse(start)) / 1000);
}

function pair(seconds, large, largeName, small, smallName) {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}
