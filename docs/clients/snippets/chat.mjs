import { io } from "socket.io-client";

const url = "http://localhost:3001";
const login = { email: "viewer1@example.com", password: "dorami-dev" };
const session = await fetch(`${url}/api/v1/auth/login`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(login),
}).then((answer) => answer.json());

const chat = io(`${url}/chat`, { auth: { token: session.accessToken } });

/** Send a request and wait for the answer; throw the error of a refusal. */
async function ask(event, payload) {
  const answer = await chat.timeout(10_000).emitWithAck(event, payload);
  if (!answer.ok) throw Object.assign(new Error(answer.error.message), answer.error); // code, retryable, retryAfterMs
  return answer.data;
}

chat.on("chat:message", ({ data }) => console.log(`${data.username}: ${data.message}`));
chat.on("chat:message-deleted", ({ data }) => console.log("remove", data.messageId));
chat.on("chat:you", ({ data }) => console.log("may write:", data.canSend));

const { history, settings, you } = await ask("chat:join-room", { liveId: "demo" });
console.log(history.length, "messages,", settings.slowModeSeconds, "s of slow mode, may write:", you.canSend);

// With a clientMessageId the request can be repeated after a lost answer: the message is stored once.
const message = { liveId: "demo", message: "안녕하세요", clientMessageId: crypto.randomUUID() };
const sent = await ask("chat:send-message", message);
console.log("stored", (await ask("chat:send-message", message)).id === sent.id);

const older = await ask("chat:history", { liveId: "demo", before: sent.id, limit: 50 });
console.log("older", older.messages.length, older.nextBefore);
