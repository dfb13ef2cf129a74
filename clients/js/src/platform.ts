// The globals that the package uses: timers and the console. Declared here, so that neither DOM nor Node types are needed.

declare const setTimeout: (work: () => void, ms: number) => unknown;
declare const clearTimeout: (timer: unknown) => void;
declare const console: { error(...values: unknown[]): void };

/** Call back once after `ms`; return a function that cancels. */
export function later(ms: number, work: () => void): () => void {
  const timer = setTimeout(work, ms);
  return () => clearTimeout(timer);
}

/** Return the result of a promise, or reject with `late()` after `ms`. */
export function within<T>(ms: number, promise: Promise<T>, late: () => Error): Promise<T> {
  let stop: (() => void) | undefined;
  const timeout = new Promise<never>((_, fail) => {
    stop = later(ms, () => fail(late()));
  });
  return Promise.race([promise, timeout]).finally(stop);
}

/** Report an exception of a listener. */
export const report = (error: unknown): void => console.error(error);

/**
 * Return the delay in ms after attempt number `tries` (from 0): at least what the gateway `asked` for, doubling up to
 * 5 s, with jitter.
 */
export const backoff = (tries: number, asked = 0): number =>
  Math.max(asked * (1 + Math.random() / 4), Math.min(5000, 500 * 2 ** tries) * (0.5 + Math.random()));

/** Wait for that delay. */
export const pause = (tries: number, error: unknown): Promise<void> =>
  new Promise((done) => void later(backoff(tries, (error as { retryAfterMs?: number }).retryAfterMs), done));

/** localStorage, sessionStorage, AsyncStorage of React Native, or the like. */
export interface KeyValueStorage {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): unknown;
  removeItem(key: string): unknown;
}
