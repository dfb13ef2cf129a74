import type { Connection, NamespaceName } from "./connection.js";
import type { Listenable, Store, Watchable } from "./emitter.js";
import type { DoramiError } from "./errors.js";
import { later, pause } from "./platform.js";
import type { Cursor, Missed } from "./protocol.js";

/** What the answers to all joins have in common. */
interface Joined {
  cursor?: Cursor;
  recovered?: boolean;
  events?: Missed[] | null;
}

/** What the states of all rooms have in common. */
export interface RoomState {
  /** Whether we are in; `failed` for good, and `error` says why. */
  readonly status: "joining" | "joined" | "failed";
  readonly error?: DoramiError | undefined;
}

/** What can be done with every room. */
export interface Room<State, Events> extends Listenable<Events> {
  readonly state: Watchable<State>;
  /** Be in the room until what this answers is called; many callers are one member. */
  retain(): () => void;
}

/** How a kind of room is joined, and what is done with what happens in it. */
interface Plan<A extends Joined, S extends RoomState> {
  namespace: NamespaceName;
  /** The room's name, as logged events say it; and the key, as others do. */
  room: string;
  key: string;
  state: Store<S>;
  /** Where an earlier visit ended. */
  cursor?: Cursor | undefined;
  /** Whether what has no place in the log matters: a socket that the gateway has recovered does not get it. */
  unlogged?: boolean;
  join(since?: Cursor): Promise<A>;
  leave?(): Promise<unknown>;
  /** Start afresh from an answer; what was seen before ended at `since`. Answers what takes it over. */
  snapshot?(answer: A, since?: Cursor): Promise<() => void>;
  /** What an answer changes. */
  joined(answer: A): Partial<S>;
  /** What an event changes; and whatever else is to be done. */
  apply(event: string, data: any): void;
  /** We are in. */
  entered?(): void;
  failed?(error: DoramiError): void;
}

/** A room that is followed. */
interface Followed {
  /** The last place that was applied. */
  cursor: Cursor | undefined;
  readonly inside: boolean;
  retain(): () => void;
  /** Join again: the gateway does not have us in, or something is missing. `anew`: read all that is there. */
  join(anew?: boolean): Promise<void>;
}

const LINGER = 500; // ms until a room that nobody wants is left: React mounts twice, and pages change
const HELD = 1000; // events that wait for a join to be answered
const SAMPLED = 5000; // ms for which a room that said so is sampled

/** Follow a room for as long as somebody wants it: in order, nothing twice, nothing missed, whatever the connection does. */
export function follow<A extends Joined, S extends RoomState>(connection: Connection, plan: Plan<A, S>): Followed {
  const { namespace, room: name, key, state } = plan;
  const show = (change: RoomState) => state.patch(change as Partial<S>);
  let wanted = 0;
  let listening = false;
  let inside = false;
  let entered = false; // the gateway may have us in
  let stayed = false; // we were in when the connection was lost
  let visit = 0; // numbers joins, so that the answer to an earlier one is known
  let held: [event: string, payload: any][] = [];
  let sampled = 0; // until when missing places are none

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
    // What names no room is of every room.
    if (of ? of !== name : (data.liveId ?? data.streamKey ?? data.streamId ?? key) !== key) return;
    if (!inside) {
      if (held.push([event, payload]) > HELD) held.shift();
    } else if (!of || !cursor) plan.apply(event, data);
    else if (epoch === cursor.epoch && (seq <= cursor.seq + 1 || Date.now() < sampled)) apply(event, payload, seq);
    else void room.join(); // something is missing before this, or the log is another one: the answer has it, and this
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
      plan.leave?.().catch(() => {}); // whoever is not connected is not in
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
        enter(); // the gateway sends what we missed as if it happened now
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
