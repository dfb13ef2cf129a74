// Compiled, not run: what the types allow, and with @ts-expect-error what they refuse. No DOM, no Node.

import {
  type ChatState, chat, connection, type DataOf, Dorami, DoramiError, type ErrorCode, HttpSession, type KeyValueStorage, keepUnsent, type Namespaces, products, type StreamView,
} from "@dorami/client";
import { DoramiProvider, useChat, useProducts, useStatus } from "@dorami/client/react";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <T extends true>(): T => true as T;

const session = new HttpSession("https://shop.example");
const dorami = new Dorami({ url: "https://shop.example", token: session.token });
new Dorami({ url: "https://shop.example", token: "a token" });
new Dorami({ url: "https://shop.example", token: async ({ fresh }) => ({ token: fresh ? "new" : "old" }) });
// @ts-expect-error  there is no gateway without an address
new Dorami({ token: "a token" });

dorami.status.subscribe(({ state, error }) => {
  same<Equal<typeof state, "idle" | "connecting" | "connected" | "recovering" | "refused">>();
  if (DoramiError.is(error, "BANNED", "NETWORK")) error.retryAfterMs?.toFixed();
});
// @ts-expect-error  no such code
DoramiError.is(undefined, "NO_SUCH_CODE");

const room = dorami.chat("demo", { keep: 100 });
room.on("chat:message", ({ seq, username, message }) => `${seq.toFixed()} ${username.trim()} ${message.trim()}`);
room.on("chat:muted", ({ until }) => until?.trim());
room.on("snapshot", (state: ChatState) => state.gap?.fromSeq.toFixed());
// @ts-expect-error  no such event
room.on("chat:massage", () => {});
const sent = await room.send("hi", { clientMessageId: "1" });
same<Equal<typeof sent.seq, number>>();
// @ts-expect-error  only the package changes the state
room.state.get().messages.push();
// @ts-expect-error  internal to the package
dorami.share("a", () => {});

const answer = await dorami.ask("/chat", "chat:freeze", { liveId: "demo", frozen: true });
same<Equal<typeof answer, DataOf<"/chat", "chat:freeze">>>();
// @ts-expect-error  an event of another namespace
dorami.ask("/", "chat:freeze", { liveId: "demo", frozen: true });
// @ts-expect-error  a field of the wrong type
dorami.ask("/chat", "chat:freeze", { liveId: "demo", frozen: "yes" });
type Refusals = Namespaces["/chat"]["errors"]["chat:send-message"];
same<Equal<Refusals extends ErrorCode ? true : false, true>>();

dorami.products("demo").on("live:product:soldout", ({ productId, version }) => productId.trim() + version.toFixed());
dorami.viewers("demo").on("stream:started", ({ streamKey }) => streamKey.trim());
dorami.orders().on("order:paid", ({ total }) => total.toFixed());
dorami.notifications().on("job:update", ({ progress }) => progress.toFixed());

const small = connection({ url: "https://shop.example" });
small.connect();
const release = chat(small, "demo").retain();
products(small, "demo").state.get().products.get("1")?.price.toFixed();
release();

const storage = {} as KeyValueStorage;
keepUnsent(room, storage, (draft, error) => [draft.message.trim(), error]);
const stream = await session.call<StreamView>("GET", "/streams/demo");
stream.title.trim();

const { messages, send } = useChat("demo");
same<Equal<typeof send, typeof room.send>>();
same<Equal<typeof messages, ChatState["messages"]>>();
useProducts("demo").products.get("1")?.stock.toFixed();
useStatus().state.trim();
DoramiProvider({ client: dorami });
