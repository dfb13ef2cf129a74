import { io } from "socket.io-client";

const url = "http://localhost:3001";
const { accessToken } = await fetch(`${url}/api/v1/auth/login`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ email: "viewer1@example.com", password: "dorami-dev" }),
}).then((answer) => answer.json());

const chat = io(`${url}/chat`, { auth: { token: accessToken }, transports: ["websocket", "polling"] });
chat.on("chat:message", ({ data }) => console.log(`${data.username}: ${data.message}`));
chat.on("connect", async () => {
  const joined = await chat.emitWithAck("chat:join-room", { liveId: "demo" });
  if (!joined.ok) return console.error(joined.error.code);
  console.log(joined.data.history.length, "messages so far");
  const sent = await chat.emitWithAck("chat:send-message", { liveId: "demo", message: "hello" });
  console.log(sent.ok ? `stored as ${sent.data.seq}` : sent.error.code);
});
