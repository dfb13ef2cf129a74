import { report } from "./platform.js";

type Listener<T> = (value: T) => void;

function tell<T>(listeners: Iterable<Listener<T>>, value: T): void {
  for (const listener of [...listeners]) {
    try {
      listener(value);
    } catch (error) {
      report(error); // and the other listeners are called
    }
  }
}

function add<T>(listeners: Set<Listener<T>>, listener: Listener<T>): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** A source of events. Exceptions of listeners are reported to the console. */
export interface Listenable<Events> {
  /** Add a listener; return a function that removes it. */
  on<E extends keyof Events>(event: E, listener: Listener<Events[E]>): () => void;
}

/** An observable value for React's useSyncExternalStore. Each change is a new object. */
export interface Watchable<T> {
  get(): T;
  /** Call back after each change; return a function that stops that. */
  subscribe(listener: Listener<T>): () => void;
}

export interface Emitter<Events> extends Listenable<Events> {
  emit<E extends keyof Events>(event: E, value: Events[E]): void;
}

export interface Store<T> extends Watchable<T> {
  patch(change: Partial<T>): void;
}

export function emitter<Events>(): Emitter<Events> {
  const listeners = new Map<keyof Events, Set<Listener<any>>>();
  return {
    on(event, listener) {
      if (!listeners.has(event)) listeners.set(event, new Set());
      return add(listeners.get(event)!, listener);
    },
    emit: (event, value) => tell(listeners.get(event) ?? [], value),
  };
}

export function store<T>(value: T): Store<T> {
  const listeners = new Set<Listener<T>>();
  return {
    get: () => value,
    subscribe: (listener) => add(listeners, listener),
    patch(change) {
      value = { ...value, ...change };
      tell(listeners, value);
    },
  };
}
