import { Dorami, DoramiError, HttpSession } from "@dorami/client";

const url = "http://localhost:3001";
const session = new HttpSession(url); // in a browser: new HttpSession(url, sessionStorage)
await session.login("viewer1@example.com", "dorami-dev"); // or: await session.guest()

const dorami = new Dorami({ url, token: session.token });
dorami.status.subscribe(({ state, error }) => console.log("status", state, error?.code ?? ""));

const chat = dorami.chat("demo");
const products = dorami.products("demo");
const viewers = dorami.viewers("demo");
products.on("live:product:soldout", ({ productId }) => console.log("sold out", productId));
for (const room of [chat, products, viewers]) room.retain(); // joined until the returned function is called
dorami.connect();

const joined = (room) =>
  new Promise((resolve) => {
    const stop = room.state.subscribe((state) => state.status === "joined" && (stop(), resolve(state)));
  });
const [{ messages }, { products: shelf }, { viewers: count }] = await Promise.all([chat, products, viewers].map(joined));
console.log(messages.length, "messages,", shelf.size, "products,", count, "viewers");

try {
  const sent = await chat.send("hello"); // resolves when the message is stored
  console.log("stored as", sent.seq);
  await chat.send("x".repeat(501));
} catch (error) {
  if (!DoramiError.is(error)) throw error;
  console.log("refused", error.code);
}
