import { createContext, createElement, type FunctionComponent, type ReactNode, useContext, useEffect, useMemo, useSyncExternalStore } from "react";
import type { Chat, ChatState, Dorami, Notifications, NotificationsState, Orders, OrdersState, ProductsState, Status, ViewersState } from "./index.js";

const Context = createContext<Dorami | undefined>(undefined);

/** Provide a client to the components inside and connect it. The application closes it with `client.close()`. */
export const DoramiProvider: FunctionComponent<{ client: Dorami; children?: ReactNode }> = ({ client, children }) => {
  useEffect(() => void client.connect(), [client]);
  return createElement(Context.Provider, { value: client }, children);
};

/** Return the client. */
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

/** Return the status of the connection. */
export const useStatus = (): Status => useStore(useDorami().status);

/** Return the chat of a stream. The room is joined as long as a component uses it. */
export function useChat(liveId: string): ChatState & Pick<Chat, "send" | "history"> {
  const chat = useDorami().chat(liveId);
  const state = useRetained(chat);
  return useMemo(() => ({ ...state, send: chat.send, history: chat.history }), [state, chat]);
}

/** Return the products of a stream. */
export const useProducts = (streamId: string): ProductsState => useRetained(useDorami().products(streamId));

/** Return the viewer count of a stream. The user is counted as long as a component uses it. */
export const useViewers = (streamKey: string): ViewersState => useRetained(useDorami().viewers(streamKey));

/** Return the orders. */
export const useOrders = (): OrdersState => useRetained<OrdersState>(useDorami().orders() satisfies Orders);

/** Return the notifications and jobs. */
export const useNotifications = (): NotificationsState => useRetained<NotificationsState>(useDorami().notifications() satisfies Notifications);
