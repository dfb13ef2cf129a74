import { io } from "socket.io-client";

const url = "http://localhost:3001";
const headers = { "Content-Type": "application/json" };
const login = { email: "admin@example.com", password: "dorami-dev" };
const { accessToken } = await fetch(`${url}/api/v1/auth/login`, {
  method: "POST",
  headers,
  body: JSON.stringify(login),
}).then((answer) => answer.json());

const chat = io(`${url}/chat`, { auth: { token: accessToken } });
const ask = async (event, payload) => {
  const answer = await chat.timeout(10_000).emitWithAck(event, { liveId: "demo", ...payload });
  if (!answer.ok) throw Object.assign(new Error(answer.error.message), answer.error);
  return answer.data;
};

const { you } = await ask("chat:join-room");
console.log("may", you.powers.join(" "));
await ask("chat:slow-mode", { seconds: 5 });
await ask("chat:announce", { message: "Questions first, please" });
const said = await ask("chat:send-message", { message: "on top for a minute" });
await ask("chat:pin-message", { messageId: said.id, seconds: 60 });

const tried = await ask("chat:clear", { lastSeconds: 60, dryRun: true });
console.log("a clear would take", tried.deleted > 0);
const { clearId } = await ask("chat:clear", { lastSeconds: 60 });
console.log("restored", (await ask("chat:undo-clear", { clearId })).restored > 0);
await ask("chat:slow-mode", { seconds: 0 });

const answer = await fetch(`${url}/api/v1/moderation/log?liveId=demo&limit=5`, { headers: { Authorization: `Bearer ${accessToken}` } });
console.log("log", (await answer.json()).items.map(({ action }) => action).join(" "));
