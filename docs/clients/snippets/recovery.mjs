import { io } from "socket.io-client";

const url = "http://localhost:3001";
const guest = await fetch(`${url}/api/v1/auth/guest`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: "{}",
}).then((answer) => answer.json());

const chat = io(`${url}/chat`, { auth: { token: guest.accessToken } });
let seen; // {epoch, seq}: the place in the room log up to which all events are applied

function apply(event, payload) {
  if (seen && payload.epoch === seen.epoch && payload.seq <= seen.seq) return; // already applied
  seen = { epoch: payload.epoch, seq: payload.seq };
  if (event === "chat:message") console.log("show", payload.data.message);
}

chat.onAny((event, payload) => {
  if (payload?.room === "live:demo") apply(event, payload); // only logged events have a room
});

chat.on("connect", async () => {
  if (chat.recovered) return console.log("recovered"); // missed events arrive by themselves
  const { ok, data } = await chat.emitWithAck("chat:join-room", { liveId: "demo", ...(seen && { since: seen }) });
  if (!ok) return;
  if (data.recovered) for (const { event, payload } of data.events) apply(event, payload);
  else console.log("start from", data.history.length, "messages"); // replace the shown messages
  seen = data.cursor;
  console.log("caught up", data.recovered);
});

// Reconnect as after a long absence: a new connection without recovery.
setTimeout(() => chat.disconnect().connect(), 1000);
