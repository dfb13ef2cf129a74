import type { Token } from "./connection.js";
import { DoramiError, passing } from "./errors.js";
import { within, type KeyValueStorage } from "./platform.js";
import type { HttpError, Session, UserView } from "./protocol.js";

declare const fetch: (url: string, init: object) => Promise<{
  ok: boolean;
  status: number;
  headers: { get(name: string): string | null };
  json(): Promise<unknown>;
}>;

interface Kept {
  accessToken: string;
  refreshToken: string;
  renewAt: number; // by the local clock
  user: UserView;
}

const KEY = "dorami.session";
const SPARE = 30_000; // ms before its expiry at which a token is renewed; short-lived ones are renewed halfway
const ANSWER = 10_000; // the timeout of requests in ms

/**
 * The HTTP session of one user: logs in, stores and renews the tokens, sends requests.
 * Its `token` is a token provider: `new Dorami({ url, token: session.token })`.
 */
export class HttpSession {
  #url: string;
  #storage: KeyValueStorage | undefined;
  #kept: Kept | undefined;
  #refreshing: Promise<void> | undefined;

  /** `storage` saves the session for the next run: sessionStorage, localStorage, AsyncStorage. */
  constructor(url: string, storage?: KeyValueStorage) {
    this.#url = url;
    this.#storage = storage;
  }

  /** The logged-in user. */
  get user(): UserView | undefined {
    return this.#kept?.user;
  }

  /** Continue the saved session, if there is one. */
  async restore(): Promise<UserView | undefined> {
    const kept = await this.#storage?.getItem(KEY);
    if (kept) this.#kept = JSON.parse(kept);
    return this.user;
  }

  register(email: string, username: string, password: string): Promise<UserView> {
    return this.#enter("/auth/register", { email, username, password });
  }

  login(email: string, password: string): Promise<UserView> {
    return this.#enter("/auth/login", { email, password });
  }

  /** Log in as a guest, or continue as the same guest. `deviceId`: an id that the app stores. */
  guest(deviceId?: string): Promise<UserView> {
    const { refreshToken, user } = this.#kept ?? {};
    return this.#enter("/auth/guest", { ...(deviceId && { deviceId }), ...(user?.role === "GUEST" && { refreshToken }) });
  }

  /** End the session, here and at the gateway. */
  async logout(): Promise<void> {
    const refreshToken = this.#kept?.refreshToken;
    this.#keep();
    if (refreshToken) await this.#ask("POST", "/auth/logout", { refreshToken });
  }

  /** Return the access token, renewed if `fresh` or if it expires soon. Concurrent calls renew once. */
  token = async ({ fresh = false } = {}): Promise<Required<Token>> => {
    if (!this.#kept) throw new DoramiError({ code: "AUTH_REQUIRED", message: "Nobody is logged in" });
    if (fresh || this.#kept.renewAt < Date.now()) {
      await (this.#refreshing ??= this.#refresh(this.#kept).finally(() => (this.#refreshing = undefined)));
    }
    return { token: this.#kept.accessToken };
  };

  /** Send a request below `/api/v1` and return its answer. Rejects with a DoramiError. */
  async call<T = unknown>(method: string, path: string, body?: unknown, { idempotencyKey }: { idempotencyKey?: string } = {}): Promise<T> {
    const ask = async (fresh: boolean) => {
      const { token } = await this.token({ fresh });
      return this.#ask<T>(method, path, body, { Authorization: `Bearer ${token}`, ...(idempotencyKey && { "Idempotency-Key": idempotencyKey }) });
    };
    try {
      return await ask(false);
    } catch (error) {
      if (DoramiError.is(error, "TOKEN_EXPIRED")) return ask(true);
      throw error;
    }
  }

  async #enter(path: string, body: unknown): Promise<UserView> {
    return this.#keep(await this.#ask<Session>("POST", path, body))!.user;
  }

  async #refresh(before: Kept): Promise<void> {
    const stored = await this.#storage?.getItem(KEY); // another tab may have renewed the tokens
    const other: Kept | undefined = stored ? JSON.parse(stored) : undefined;
    if (other && other.accessToken !== before.accessToken && other.user.id === before.user.id && other.renewAt > Date.now()) {
      this.#kept = other;
      return;
    }
    try {
      const fresh = await this.#ask<Session>("POST", "/auth/refresh", { refreshToken: before.refreshToken });
      if (this.#kept === before) this.#keep(fresh);
    } catch (error) {
      if (this.#kept === before && DoramiError.is(error) && !error.retryable) this.#keep();
      throw error;
    }
    if (!this.#kept) throw new DoramiError({ code: "AUTH_REQUIRED", message: "Nobody is logged in" });
  }

  #keep(session?: Session): Kept | undefined {
    const lives = session && session.expiresIn * 1000;
    this.#kept = session && { ...session, renewAt: Date.now() + Math.max(lives! - SPARE, lives! / 2) };
    if (this.#kept) this.#storage?.setItem(KEY, JSON.stringify(this.#kept));
    else this.#storage?.removeItem(KEY);
    return this.#kept;
  }

  async #ask<T>(method: string, path: string, body?: unknown, headers: object = {}): Promise<T> {
    const away = () => passing("NETWORK");
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    const type = body === undefined ? {} : { "Content-Type": "application/json" };
    const request = fetch(`${this.#url}/api/v1${path}`, { method, headers: { ...type, ...headers }, credentials: "omit", ...json });
    const answer = await within(ANSWER, request, away).catch(() => {
      throw away();
    });
    const data = await within(ANSWER, answer.json(), away).catch(() => undefined);
    if (answer.ok) return data as T;
    const { errorCode, ...said } = (data ?? { errorCode: "SERVICE_UNAVAILABLE", retryable: answer.status >= 500 }) as HttpError;
    const seconds = Number(answer.headers.get("Retry-After"));
    throw new DoramiError({ ...(seconds && { retryAfterMs: seconds * 1000 }), ...said, code: errorCode });
  }
}
