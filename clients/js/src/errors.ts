import type { ErrorCode } from "./protocol.js";

/**
 * A code of the gateway or of the client: OFFLINE (no connection, nothing was sent), NO_ANSWER (the request
 * may have been handled or not), NETWORK (the gateway cannot be reached), CLOSED (`close()` was called).
 */
export type Code = ErrorCode | "OFFLINE" | "NO_ANSWER" | "NETWORK" | "CLOSED";

interface Body {
  code: string;
  message?: string;
  retryable?: boolean;
  retryAfterMs?: number | null | undefined;
  details?: unknown;
  requestId?: string;
}

/** Why a request failed. `message` can be shown to users. */
export class DoramiError extends Error {
  declare readonly code: Code;
  /** Whether the same request may succeed later; `retryAfterMs` says when, if that is known. */
  declare readonly retryable: boolean;
  declare readonly retryAfterMs?: number;
  declare readonly details?: unknown;
  /** Identifies the request in the logs of the gateway. */
  declare readonly requestId?: string;

  constructor(body: Body) {
    super(body.message ?? body.code);
    Object.assign(this, { name: "DoramiError", retryable: false, ...body });
  }

  /** Return whether `error` is a DoramiError, with one of `codes` if any are given. Works across copies of the package. */
  static is(error: unknown, ...codes: Code[]): error is DoramiError {
    return error instanceof Error && error.name === "DoramiError" && (!codes.length || codes.includes((error as DoramiError).code));
  }
}

/** Return an error after which the same request may succeed. */
export const passing = (code: Code, message = "Not connected"): DoramiError =>
  new DoramiError({ code, message, retryable: true });
