import type { Connection, NamespaceName } from "./connection.js";
import type { Listenable, Store, Watchable } from "./emitter.js";
import type { DoramiError } from "./errors.js";
import { later, pause } from "./platform.js";
import type { Cursor, Missed } from "./protocol.js";

/** The common fields of the acks of joins. */
interface Joined {
  cursor?: Cursor;
  recovered?: boolean;
  events?: Missed[] | null;
}

/** The common fields of the states of rooms. */
export interface RoomState {
  /** Whether the room is joined; `failed` is permanent, and `error` says why. */
  readonly status: "joining" | "joined" | "failed";
  readonly error?: DoramiError | undefined;
}

/** The common interface of rooms. */
export interface Room<State, Events> extends Listenable<Events> {
  readonly state: Watchable<State>;
  /** Join the room, and stay in it until the returned function is called. Callers are counted. */
  retain(): () => void;
}

/** What differs between kinds of rooms. */
interface Plan<A extends Joined, S extends RoomState> {
  namespace: NamespaceName;
  /** The name of the room in logged events, and the key in others. */
  room: string;
  key: string;
  state: Store<S>;
  /** The cursor of an earlier visit. */
  cursor?: Cursor | undefined;
  /** Whether to join again after a recovery, because events without a place in the log are not replayed. */
  unlogged?: boolean;
  join(since?: Cursor): Promise<A>;
  leave?(): Promise<unknown>;
  /** Prepare to replace the state by the ack of a join without recovery; return a function that does it. */
  snapshot?(answer: A, since?: Cursor): Promise<() => void>;
  /** Return what the ack of a join changes in the state. */
  joined(answer: A): Partial<S>;
  /** Handle an event. */
  apply(event: string, data: any): void;
  /** Called after each join and recovery. */
  entered?(): void;
  failed?(error: DoramiError): void;
}

/** The result of `follow`. */
interface Followed {
  /** The place of the last event that was applied. */
  cursor: Cursor | undefined;
  readonly inside: boolean;
  retain(): () => void;
  /** Join again, because the gateway lost the membership or an event is missing. `anew`: ask for a snapshot. */
  join(anew?: boolean): Promise<void>;
}

const LINGER = 500; // ms until an unused room is left: React may mount it again at once
const HELD = 1000; // the maximum number of events that wait for the ack of a join
const SAMPLED = 5000; // ms after `chat:sampled` in which missing places are expected

/** Keep a room joined while it is retained, and apply its events in order, each once, without gaps. */
export function follow<A extends Joined, S extends RoomState>(connection: Connection, plan: Plan<A, S>): Followed {
  const { namespace, room: name, key, state } = plan;
  const show = (change: RoomState) => state.patch(change as Partial<S>);
  let wanted = 0;
  let listening = false;
  let inside = false;
  let entered = false; // the socket may be in the room
  let stayed = false; // the room was joined when the connection was lost
  let visit = 0; // the number of the current join; acks of earlier ones are ignored
  let held: [event: string, payload: any][] = [];
  let sampled = 0; // until when missing places are expected, in ms since 1970

  const apply = (event: string, payload: any, seq: number) => {
    const { epoch, seq: last } = room.cursor!;
    if (seq <= last) return;
    room.cursor = { epoch, seq };
    plan.apply(event, payload.data ?? payload);
  };

  const hear = (event: string, payload: any) => {
    const { room: of, epoch, seq } = payload;
    const data = payload.data ?? payload;
    const { cursor } = room;
    // An event that names no room is for all rooms.
    if (of ? of !== name : (data.liveId ?? data.streamKey ?? data.streamId ?? key) !== key) return;
    if (!inside) {
      if (held.push([event, payload]) > HELD) held.shift();
    } else if (!of || !cursor) plan.apply(event, data);
    else if (epoch === cursor.epoch && (seq <= cursor.seq + 1 || Date.now() < sampled)) apply(event, payload, seq);
    else void room.join(); // an event is missing, or the log is another one: the ack has all, this one too
    if (event === "chat:sampled") sampled = Date.now() + SAMPLED;
  };

  const enter = (change?: Partial<S>) => {
    inside = true;
    show({ status: "joined", error: undefined, ...change });
    plan.entered?.();
  };

  const leave = () => {
    visit++;
    inside = stayed = false;
    room.cursor = undefined;
    held = [];
    if (entered && connection.use(namespace)) {
      entered = false;
      plan.leave?.().catch(() => {}); // without a connection there is nothing to leave
    }
    show({ status: "joining" });
  };

  const listen = () => {
    listening = true;
    connection.hear(namespace, hear);
    connection.on(`${namespace} up`, (recovered) => {
      entered &&= recovered;
      if (!wanted) {
        if (entered) leave();
      } else if (recovered && stayed && !plan.unlogged) {
        enter(); // the gateway replays missed events as ordinary ones
      } else void room.join();
    });
    connection.on(`${namespace} down`, () => {
      stayed = inside;
      inside = false;
      visit++;
      held = [];
      if (wanted) show({ status: "joining" });
    });
  };

  const room: Followed = {
    cursor: plan.cursor,
    get inside() {
      return inside;
    },
    retain() {
      if (!wanted++) {
        if (!listening) listen();
        if (connection.use(namespace) && !entered) void room.join();
      }
      let retained = 1;
      return () => {
        wanted -= retained;
        if (retained && !wanted) later(LINGER, () => wanted || leave());
        retained = 0;
      };
    },
    async join(anew) {
      const now = ++visit;
      inside = false;
      entered = true;
      for (let tries = 0; now === visit; tries++) {
        try {
          const since = room.cursor;
          const answer = await plan.join(anew ? undefined : since);
          const take = !answer.recovered && (await plan.snapshot?.(answer, since));
          if (now !== visit) return;
          if (take) take();
          for (const { event, payload, seq } of answer.events ?? []) apply(event, payload, seq);
          room.cursor = answer.cursor;
          enter(plan.joined(answer));
          for (const each of held.splice(0)) hear(...each);
          return;
        } catch (error) {
          if (now !== visit) return;
          const refusal = error as DoramiError;
          if (refusal.retryable === false) {
            entered = false;
            show({ status: "failed", error: refusal });
            return plan.failed?.(refusal);
          }
          await pause(tries, error);
        }
      }
    },
  };
  return room;
}
