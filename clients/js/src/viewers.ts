import type { DataOfEvents } from "./chat.js";
import type { Connection } from "./connection.js";
import { emitter, store } from "./emitter.js";
import type { StreamingServerToClientEvents, ViewerJoined } from "./protocol.js";
import { follow, type Room, type RoomState } from "./room.js";

export interface ViewersState extends RoomState {
  /** The number of distinct viewers now, and its maximum so far. */
  readonly viewers: number;
  readonly peak: number;
  readonly live: boolean;
}

/** The viewers of a stream. The user is counted while it is retained. */
export interface Viewers extends Room<ViewersState, DataOfEvents<StreamingServerToClientEvents>> {}

/** Return the viewers of a stream, always the same object for a connection. */
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
        else if (event === "stream:started" || event === "stream:ended") state.patch({ live: event === "stream:started" });
        emit(event as keyof StreamingServerToClientEvents, data as never);
      },
    });
    return { state, on, retain };
  });
}
