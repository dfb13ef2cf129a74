// Who this tab is: login, tokens, refresh, and HTTP calls in their name. Used by main.js, realtime.js and products.js.

const STORED = "dorami.session"; // sessionStorage: one per tab, so two tabs can be two people

/** An answer that is not the one asked for, from a socket or over HTTP. `message` is fit to be shown. */
export class Refusal extends Error {
  constructor({ code, message, retryable = false, retryAfterMs, details }) {
    const fields = Array.isArray(details) ? details.filter(({ field }) => field) : [];
    const problems = fields.map(({ field, problem }) => ` ${field}: ${problem}.`);
    const wait = retryAfterMs ? ` Try again in ${Math.ceil(retryAfterMs / 1000)}\u00a0s.` : "";
    super(`${message.replace(/\.$/, "")}.${problems.join("")}${wait}`);
    this.code = code;
    this.details = details;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The identity of this tab. Dispatches `renewed` when the access token was exchanged, `ended` (detail: why) when it is lost. */
export class Session extends EventTarget {
  #held = JSON.parse(sessionStorage.getItem(STORED) ?? "null");
  #timer;
  #renewing;

  constructor() {
    super();
    if (this.#held) this.#schedule();
  }

  get user() {
    return this.#held?.user ?? null;
  }

  get token() {
    return this.#held?.accessToken ?? null;
  }

  async login(email, password) {
    this.#keep(await this.#call("POST", "/auth/login", { email, password }));
  }

  /** Come in without an account. */
  async enterAsGuest() {
    this.#keep(await this.#call("POST", "/auth/guest", {}));
  }

  /** Forget who this tab is, and have the gateway forget it too. */
  async logout() {
    const { accessToken } = this.#held;
    this.#drop("You signed out.");
    await this.#call("POST", "/auth/logout", undefined, accessToken);
  }

  /** Exchange the tokens. Callers that come while it runs get the same exchange: a refresh token is good for one. */
  renew() {
    this.#renewing ??= this.#exchange().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  /** An HTTP call as this user; answers the parsed body, throws Refusal. Calls with the same `key` are one. */
  call(method, path, body, key) {
    return this.#call(method, path, body, this.token, key);
  }

  async #exchange() {
    const before = this.#held;
    try {
      const fresh = await this.#call("POST", "/auth/refresh", { refreshToken: before.refreshToken });
      if (this.#held !== before) return; // signed out meanwhile
      this.#keep(fresh);
      this.dispatchEvent(new Event("renewed"));
    } catch (error) {
      if (this.#held === before && !error.retryable) this.#drop("Your session has ended, please sign in again.");
      throw error;
    }
  }

  async #call(method, path, body, token, key) {
    const headers = { Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    if (token) headers.Authorization = `Bearer ${token}`;
    let response;
    try {
      // Without cookies: they belong to the whole browser, and each tab is somebody else.
      response = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body), credentials: "omit" });
    } catch {
      throw new Refusal({ code: "NETWORK", message: "The gateway cannot be reached", retryable: true });
    }
    const answer = await response.json().catch(() => null);
    if (response.ok) return answer;
    const seconds = Number(response.headers.get("Retry-After"));
    throw new Refusal({
      code: answer?.errorCode,
      message: answer?.message ?? `The gateway answered ${response.status}`,
      retryable: answer?.retryable ?? response.status >= 500,
      details: answer?.details,
      retryAfterMs: seconds > 0 ? seconds * 1000 : undefined,
    });
  }

  #keep({ accessToken, refreshToken, expiresIn, user }) {
    this.#held = { accessToken, refreshToken, user, expiresAt: Date.now() + expiresIn * 1000 };
    sessionStorage.setItem(STORED, JSON.stringify(this.#held));
    this.#schedule();
  }

  #drop(reason) {
    clearTimeout(this.#timer);
    this.#held = null;
    sessionStorage.removeItem(STORED);
    this.dispatchEvent(new CustomEvent("ended", { detail: reason }));
  }

  /** Renew a minute before the access token runs out, or halfway through a short one. */
  #schedule() {
    const left = this.#held.expiresAt - Date.now();
    const renew = () => this.renew().catch((error) => error.retryable && this.#later(error.retryAfterMs ?? 5000, renew));
    this.#later(Math.max(0, left - 60_000, Math.min(left / 2, 60_000)), renew);
  }

  #later(delay, work) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(work, delay);
  }
}
