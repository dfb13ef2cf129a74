import { io } from "socket.io-client";

const url = "http://localhost:3001";
const headers = { "Content-Type": "application/json" };
const login = { email: "viewer3@example.com", password: "dorami-dev" };
const { accessToken } = await fetch(`${url}/api/v1/auth/login`, {
  method: "POST",
  headers,
  body: JSON.stringify(login),
}).then((answer) => answer.json());

const shelf = new Map(); // by id
/** Keep the higher version: an event may be older than the shown product. */
function put(product) {
  if ((shelf.get(product.id)?.version ?? 0) < product.version) shelf.set(product.id, product);
}

const root = io(url, { auth: { token: accessToken } });
root.on("live:product:added", ({ data }) => put(data));
root.on("live:product:updated", ({ data }) => put(data));
root.on("live:product:soldout", ({ data }) => put({ ...shelf.get(data.productId), stock: 0, status: "SOLD_OUT", version: data.version }));
root.on("live:product:deleted", ({ data }) => shelf.delete(data.productId));
root.on("order:purchase:notification", ({ message }) => console.log("news:", message));

const { data } = await root.emitWithAck("join:stream", { streamId: "demo" });
data.products.forEach(put);
console.log(shelf.size, "products");

// `price` is the price that the buyer saw. A repeated request with the same key is the same order.
const product = data.products.find(({ stock }) => stock > 0);
const answer = await fetch(`${url}/api/v1/orders`, {
  method: "POST",
  headers: { ...headers, Authorization: `Bearer ${accessToken}`, "Idempotency-Key": crypto.randomUUID() },
  body: JSON.stringify({ items: [{ productId: product.id, quantity: 1, price: product.price }] }),
});
const order = await answer.json();
if (answer.ok) console.log("ordered", order.status, order.total, product.currency);
else console.log("refused", order.errorCode, order.details); // INSUFFICIENT_STOCK, PRICE_CHANGED
