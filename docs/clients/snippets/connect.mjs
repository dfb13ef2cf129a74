import { Manager } from "socket.io-client";

const url = "http://localhost:3001";
const open = () => fetch(`${url}/api/v1/auth/guest`, { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" });
let session = await open().then((answer) => answer.json());

// One connection for all namespaces. `auth` is a function, which the client calls at every connect.
const manager = new Manager(url, { transports: ["websocket", "polling"] });
const auth = (send) => send({ token: session.accessToken });
const chat = manager.socket("/chat", { auth });
const streaming = manager.socket("/streaming", { auth });

for (const socket of [chat, streaming]) {
  socket.on("connection:success", ({ data }) => console.log("connected", data.protocol, data.role, data.limits.messageLength));
  socket.on("connect_error", async (error) => {
    if (socket.active) return; // it reconnects by itself
    console.log("refused", error.message, error.data.code);
    if (error.data.code !== "TOKEN_EXPIRED") return;
    session = await open().then((answer) => answer.json()); // with an account: POST /auth/refresh
    socket.connect();
  });
  socket.on("auth:expiring", () => socket.emit("auth:refresh", { token: session.accessToken }));
  socket.on("auth:revoked", ({ code }) => console.log("ended for good", code));
}
