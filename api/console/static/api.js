// Calls the API in the browser's session. Paths are the contract's ("/tasks/instances/7"), without the prefix.

import { tellServerTime } from "./time.js";

const PREFIX = "/api/v2";

// Why a call failed: HTTP status (0: no answer came), the contract's code, words, and the trace id that finds it in the
// logs. `subErrors` are {object, field, rejectedValue, message}.
export class ApiError extends Error {
  constructor({ path, status, code = 0, message, target = "", subErrors = [], traceId = "" }) {
    super(message);
    this.name = "ApiError";
    Object.assign(this, { path, status, code, target, subErrors, traceId });
  }

  // Whether Muster can't be reached, or its store can't: it may be back in a moment.
  get isAway() {
    return this.status === 0 || this.status >= 502;
  }
}

// onSignedOut() is told when the session has ended, onOther(session) when another user has signed in in another tab,
// onAway(error | null) when calls begin to fail because something is away, and with null once they work again.
export class Api {
  #token = "";
  #userId = 0;
  #onSignedOut;
  #onOther;
  #onAway;
  #isAway = false;
  // Answers that were asked for ahead, by path.
  #ahead = new Map();

  constructor({ onSignedOut = () => {}, onOther = () => {}, onAway = () => {} } = {}) {
    this.#onSignedOut = onSignedOut;
    this.#onOther = onOther;
    this.#onAway = onAway;
  }

  // The URL of a path, for EventSource and links.
  url(path) {
    return path.startsWith("/console/") || path.startsWith("/healthz") || path.startsWith("/readyz") ? path : PREFIX + path;
  }

  // What each answer's `data` is. Options: signal (AbortSignal), background (true where nobody did anything: such calls
  // do not keep the session alive), headers.
  async get(path, options = {}) {
    const found = this.#ahead.get(path);
    this.#ahead.delete(path);
    return (await (found ?? this.#json("GET", path, undefined, options))).data;
  }

  // Asks for what will be wanted in a moment: get() of the same path then waits for this answer. One that fails is
  // forgotten, and get() asks again.
  ahead(path) {
    const asked = this.#json("GET", path, undefined, { isAhead: true });
    this.#ahead.set(path, asked);
    asked.catch(() => this.#ahead.get(path) === asked && this.#ahead.delete(path));
  }

  async post(path, body, options = {}) {
    return (await this.#json("POST", path, body, options)).data;
  }

  async patch(path, body, options = {}) {
    return (await this.#json("PATCH", path, body, options)).data;
  }

  async delete(path, options = {}) {
    return (await this.#json("DELETE", path, undefined, options)).data;
  }

  // {data, etag, isNew}: asks again, and gets no body where nothing has changed since `etag` (then data is undefined).
  async refresh(path, etag = "", options = {}) {
    const headers = etag ? { "If-None-Match": etag } : {};
    // Browsers would hide the 304 and give what they have kept; the tag is ours to hold.
    const response = await this.#fetch("GET", path, undefined, { ...options, headers, cache: "no-store" });
    if (response.status === 304) return { data: undefined, etag, isNew: false };
    return { data: (await read(response)).data, etag: response.headers.get("ETag") ?? "", isNew: true };
  }

  // A file that a call answers with, as {blob, name}.
  async file(method, path, body, options = {}) {
    const response = await this.#fetch(method, path, body, options);
    const named = /filename="?([^";]+)/.exec(response.headers.get("Content-Disposition") ?? "");
    return { blob: await response.blob(), name: named ? named[1] : "download" };
  }

  // Takes over who has signed in: {user, permissions, csrfToken, expireTime, flowerUrl}, or null: nobody has.
  async loadSession(options = {}) {
    const response = await this.#fetch("GET", "/console/session", undefined, options);
    return response.status === 204 ? null : this.#keep((await read(response)).data);
  }

  async signIn(name, password) {
    return this.#keep((await this.#json("POST", "/console/session", { name, password }, { isSignIn: true })).data);
  }

  async signOut() {
    await this.delete("/console/session");
    this.#token = "";
  }

  #keep(session) {
    this.#token = session.csrfToken ?? "";
    this.#userId = session.user.id;
    return session;
  }

  async #json(method, path, body, options) {
    const response = await this.#fetch(method, path, body, options);
    return read(response);
  }

  async #fetch(method, path, body, options) {
    let response = await this.#send(method, path, body, options);
    if (response.status === 403 && method !== "GET" && !options.isSignIn && (await this.#hasNewToken(response))) {
      response = await this.#send(method, path, body, options);
    }
    if (response.ok || response.status === 304) {
      this.#tellAway(null);
      return response;
    }
    const error = await errorOf(response, path);
    this.#tellAway(error.isAway ? error : null);
    if (error.status === 401 && !options.isSignIn && !options.isAhead) this.#onSignedOut();
    throw error;
  }

  // Whether the same user has signed in anew in another tab since: then the call is worth a second try. Where it was
  // another user, nothing is done in that one's name that somebody asked for in this one's.
  async #hasNewToken(response) {
    const { error } = await response.clone().json().catch(() => ({}));
    if (error?.target !== "X-Muster-CSRF") return false;
    const [before, userId] = [this.#token, this.#userId];
    const answer = await this.#send("GET", "/console/session", undefined, {});
    if (answer.status !== 200) return false;
    const session = this.#keep((await answer.json()).data);
    if (session.user.id === userId) return this.#token !== before;
    this.#onOther(session);
    throw new DOMException("Another user has signed in.", "AbortError");
  }

  async #send(method, path, body, { signal, background = false, headers = {}, cache }) {
    const sent = { Accept: "application/json", "X-Muster-Console": background ? "background" : "user", ...headers };
    if (method !== "GET" && this.#token) sent["X-Muster-CSRF"] = this.#token;
    if (body !== undefined) sent["Content-Type"] = "application/json";
    const init = { method, headers: sent, signal, cache, credentials: "same-origin", redirect: "error" };
    try {
      return await fetch(this.url(path), { ...init, body: body === undefined ? undefined : JSON.stringify(body) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      const away = new ApiError({ path, status: 0, message: "Muster does not answer. Is it running, and the network there?" });
      this.#tellAway(away);
      throw away;
    }
  }

  #tellAway(error) {
    if (!error && !this.#isAway) return;
    this.#isAway = Boolean(error);
    this.#onAway(error);
  }
}

// The envelope of an answer, which also tells the server's time.
async function read(response) {
  const envelope = await response.json();
  tellServerTime(envelope.timestamp);
  return envelope;
}

async function errorOf(response, path) {
  const { error, traceId } = await response.json().catch(() => ({}));
  const text = `Muster answered ${response.status} ${response.statusText}.`;
  return new ApiError({ path, status: response.status, message: text, ...error, traceId });
}
