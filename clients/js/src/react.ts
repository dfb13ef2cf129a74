import { createContext, createElement, type FunctionComponent, type ReactNode, useContext, useEffect, useMemo, useSyncExternalStore } from "react";
import type { Chat, ChatState, Dorami, Notifications, NotificationsState, Orders, OrdersState, ProductsState, Status, ViewersState } from "./index.js";

const Context = createContext<Dorami | undefined>(undefined);

/** Give a client to the components below, and connect it. It stays yours: `client.close()` ends it. */
export const DoramiProvider: FunctionComponent<{ client: Dorami; children?: ReactNode }> = ({ client, children }) => {
  useEffect(() => void client.connect(), [client]);
  return createElement(Context.Provider, { value: client }, children);
};

/** The client. */
export function useDorami(): Dorami {
  const client = useContext(Context);
  if (!client) throw new Error("There is no <DoramiProvider>");
  return client;
}

interface Watched<S> {
  get(): S;
  subscribe(listener: () => void): () => void;
}

const useStore = <S>({ get, subscribe }: Watched<S>): S => useSyncExternalStore(subscribe, get, get);

function useRetained<S>(room: { state: Watched<S>; retain(): () => void }): S {
  useEffect(() => room.retain(), [room]);
  return useStore(room.state);
}

/** The state of the connection. */
export const useStatus = (): Status => useStore(useDorami().status);

/** The chat of a stream, joined for as long as a component uses it. */
export function useChat(liveId: string): ChatState & Pick<Chat, "send" | "history"> {
  const chat = useDorami().chat(liveId);
  const state = useRetained(chat);
  return useMemo(() => ({ ...state, send: chat.send, history: chat.history }), [state, chat]);
}

/** The products of a stream. */
export const useProducts = (streamId: string): ProductsState => useRetained(useDorami().products(streamId));

/** How many watch a stream; whoever uses this is counted. */
export const useViewers = (streamKey: string): ViewersState => useRetained(useDorami().viewers(streamKey));

/** Orders as they change. */
export const useOrders = (): OrdersState => useRetained<OrdersState>(useDorami().orders() satisfies Orders);

/** What the gateway tells this person. */
export const useNotifications = (): NotificationsState => useRetained<NotificationsState>(useDorami().notifications() satisfies Notifications);
