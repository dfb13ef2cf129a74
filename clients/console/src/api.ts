// Requests to the gateway's HTTP API, with the cookies of the session. Errors are DoramiErrors.

import { DoramiError, type HttpError, type Session } from "@dorami/client";

const ROOT = "/api/v1";
const ANSWER = 15_000; // the timeout of requests in ms
const CSRF = ["CSRF_TOKEN_MISSING", "CSRF_TOKEN_INVALID"] as const;
const RENEWABLE = ["AUTH_REQUIRED", "TOKEN_EXPIRED"] as const; // the access cookie has expired, or is gone

export interface Options {
  idempotencyKey?: string;
  signal?: AbortSignal;
}

/** Parameters of a query; those that are undefined, null or empty are left out. */
export type Query = Record<string, string | number | boolean | null | undefined>;

let ended = () => {};
/** Set the function that is called when the session has ended. */
export const onSessionEnd = (listener: () => void) => void (ended = listener);

/** Send a request below `/api/v1` and return its answer. An expired session is renewed once. Throws a DoramiError. */
export async function api<T = void>(method: string, path: string, body?: unknown, options: Options = {}): Promise<T> {
  try {
    return await again<T>(method, path, body, options);
  } catch (error) {
    if (!DoramiError.is(error, ...RENEWABLE) || path.startsWith("/auth/")) throw error;
  }
  try {
    await renew();
    return await send<T>(method, path, body, options);
  } catch (error) {
    if (DoramiError.is(error) && /^(AUTH|TOKEN|BANNED)/.test(error.code)) ended();
    throw error;
  }
}

export const get = <T>(path: string, query: Query = {}, signal?: AbortSignal) => api<T>("GET", path + search(query), undefined, { signal });

/** Return `?a=1&b=2`, or "" without parameters. */
export function search(query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

let renewing: Promise<Session> | undefined;

/** Renew the session by its refresh cookie: once for concurrent callers, and in one tab at a time. */
export function renew(): Promise<Session> {
  const refresh = () => again<Session>("POST", "/auth/refresh", {}, {});
  // A refresh token can be used once: two tabs at the same time would end the session.
  renewing ??= (navigator.locks ? navigator.locks.request("dorami.renew", refresh) : refresh()).finally(() => (renewing = undefined));
  return renewing;
}

/** Send a request; repeat it if the CSRF token was of an earlier session, which another tab may have renewed. */
const again = <T>(...request: Parameters<typeof send>): Promise<T> =>
  send<T>(...request).catch((error) => {
    if (DoramiError.is(error, ...CSRF)) return send<T>(...request);
    throw error;
  });

async function send<T>(method: string, path: string, body: unknown, { idempotencyKey, signal }: Options): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
  if (method !== "GET") headers["X-CSRF-Token"] = await csrf();
  const limit = AbortSignal.timeout(ANSWER);
  let answer: Response;
  let data: unknown;
  try {
    answer = await fetch(ROOT + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    data = answer.status === 204 ? undefined : await answer.json().catch(() => undefined);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new DoramiError({ code: "NETWORK", message: "The gateway cannot be reached", retryable: true });
  }
  const token = (data as Session | undefined)?.csrfToken;
  if (answer.ok && token) csrfToken = token;
  if (answer.ok) return data as T;
  const error = problem(answer, data);
  if (DoramiError.is(error, ...CSRF)) csrfToken = undefined; // ask for the current one
  throw error;
}

/** Return the error of an answer. */
function problem(answer: Response, data: unknown): DoramiError {
  const said = (data ?? {}) as Partial<HttpError>;
  const seconds = Number(answer.headers.get("Retry-After"));
  return new DoramiError({
    code: said.errorCode ?? (answer.status >= 500 ? "SERVICE_UNAVAILABLE" : "NOT_FOUND"),
    message: said.message ?? answer.statusText,
    retryable: said.retryable ?? answer.status >= 500,
    retryAfterMs: said.retryAfterMs ?? (seconds ? seconds * 1000 : undefined),
    details: said.details,
    requestId: said.requestId ?? answer.headers.get("X-Request-ID") ?? undefined,
  });
}

/** Read a whole list through the gateway's export. */
export async function exported(path: string, query: Query): Promise<Record<string, unknown>[]> {
  const ask = () => fetch(ROOT + path + search({ ...query, format: "jsonl" }));
  let answer = await ask();
  if (answer.status === 401) {
    await renew();
    answer = await ask();
  }
  if (!answer.ok) throw problem(answer, await answer.json().catch(() => undefined));
  const lines = (await answer.text()).split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Record<string, unknown>);
}

let csrfToken: string | undefined;

async function csrf(): Promise<string> {
  csrfToken ??= (await send<{ csrfToken: string }>("GET", "/auth/csrf", undefined, {})).csrfToken;
  return csrfToken;
}
