import type { DataOfEvents } from "./chat.js";
import type { Connection } from "./connection.js";
import { emitter, store } from "./emitter.js";
import type { StreamingServerToClientEvents, ViewerJoined } from "./protocol.js";
import { follow, type Room, type RoomState } from "./room.js";

export interface ViewersState extends RoomState {
  /** How many distinct people watch now, and at most so far. */
  readonly viewers: number;
  readonly peak: number;
  readonly live: boolean;
}

/** Who watches a stream: whoever retains this is counted. */
export interface Viewers extends Room<ViewersState, DataOfEvents<StreamingServerToClientEvents>> {}

/** Who watches a stream; the same for all who ask for it. */
export function viewers(connection: Connection, streamKey: string): Viewers {
  return connection.share(`viewers ${streamKey}`, () => {
    const { on, emit } = emitter<DataOfEvents<StreamingServerToClientEvents>>();
    const state = store<ViewersState>({ status: "joining", viewers: 0, peak: 0, live: false });
    const { retain } = follow<ViewerJoined, ViewersState>(connection, {
      namespace: "/streaming",
      room: `stream:${streamKey}`,
      key: streamKey,
      state,
      unlogged: true,
      join: (since) => connection.ask("/streaming", "stream:viewer:join", { streamKey, since }),
      leave: () => connection.ask("/streaming", "stream:viewer:leave", { streamKey }),
      joined: ({ viewerCount, peakViewers, live }) => ({ viewers: viewerCount, peak: peakViewers, live }),
      apply(event, data) {
        if (event === "stream:viewer:update") state.patch({ viewers: data.viewerCount, peak: Math.max(state.get().peak, data.viewerCount) });
        else if (event !== "connection:success") state.patch({ live: event === "stream:started" });
        emit(event as keyof StreamingServerToClientEvents, data as never);
      },
    });
    return { state, on, retain };
  });
}
