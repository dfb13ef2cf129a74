// What the package takes from where it runs: timers and a place to report to. Neither DOM nor Node types are needed.

declare const setTimeout: (work: () => void, ms: number) => unknown;
declare const clearTimeout: (timer: unknown) => void;
declare const console: { error(...values: unknown[]): void };

/** Call back once, in `ms` milliseconds; answers what calls it off. */
export function later(ms: number, work: () => void): () => void {
  const timer = setTimeout(work, ms);
  return () => clearTimeout(timer);
}

/** What a promise gives; fails with `late()` when that takes longer than `ms`. */
export function within<T>(ms: number, promise: Promise<T>, late: () => Error): Promise<T> {
  let stop: (() => void) | undefined;
  const timeout = new Promise<never>((_, fail) => {
    stop = later(ms, () => fail(late()));
  });
  return Promise.race([promise, timeout]).finally(stop);
}

/** Report what an application's listener threw. */
export const report = (error: unknown): void => console.error(error);

/**
 * How long to wait after try number `tries` (from 0), in ms: what the gateway asked for, or twice as long each time up to
 * 5 s; each client another time.
 */
export const backoff = (tries: number, asked = 0): number =>
  Math.max(asked * (1 + Math.random() / 4), Math.min(5000, 500 * 2 ** tries) * (0.5 + Math.random()));

/** Wait so long. */
export const pause = (tries: number, error: unknown): Promise<void> =>
  new Promise((done) => void later(backoff(tries, (error as { retryAfterMs?: number }).retryAfterMs), done));

/** localStorage, sessionStorage, AsyncStorage of React Native, or anything like them. */
export interface KeyValueStorage {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): unknown;
  removeItem(key: string): unknown;
}
