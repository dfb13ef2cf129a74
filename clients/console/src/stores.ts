// Values that are read by components and changed from anywhere.

import { useSyncExternalStore } from "react";

export interface Watchable<T> {
  get(): T;
  subscribe(listener: () => void): () => void;
}

export interface Store<T> extends Watchable<T> {
  set(value: T): void;
}

export function store<T>(value: T): Store<T> {
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      value = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

export const useStore = <T>({ get, subscribe }: Watchable<T>): T => useSyncExternalStore(subscribe, get, get);

/** Return a slice of a store: the component renders again only when the slice is another value. */
export function useSlice<T, S>({ get, subscribe }: Watchable<T>, pick: (value: T) => S): S {
  const read = () => pick(get());
  return useSyncExternalStore(subscribe, read, read);
}

const framedStores = new WeakMap<object, Watchable<unknown>>();

/** Return the value, updated at most once per frame: for values that change many times a second. */
export function framed<T>(source: Watchable<T>): Watchable<T> {
  const known = framedStores.get(source) as Watchable<T> | undefined;
  if (known) return known;
  const listeners = new Set<() => void>();
  let value = source.get();
  let frame = 0;
  let stop = () => {};
  const show = () => {
    frame = 0;
    value = source.get();
    for (const listener of [...listeners]) listener();
  };
  const made: Watchable<T> = {
    get: () => (listeners.size ? value : (value = source.get())),
    subscribe(listener) {
      if (!listeners.size) {
        value = source.get();
        stop = source.subscribe(() => void (frame ||= requestAnimationFrame(show)));
      }
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        if (listeners.size) return;
        stop();
        cancelAnimationFrame(frame);
        frame = 0;
      };
    },
  };
  framedStores.set(source, made);
  return made;
}
