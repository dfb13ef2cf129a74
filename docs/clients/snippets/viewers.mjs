import { io } from "socket.io-client";

const url = "http://localhost:3001";
const guest = await fetch(`${url}/api/v1/auth/guest`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: "{}",
}).then((answer) => answer.json());

const streaming = io(`${url}/streaming`, { auth: { token: guest.accessToken } });
streaming.on("stream:viewer:update", ({ data }) => console.log("watching", data.viewerCount));
streaming.on("stream:started", ({ streamKey, resumed }) => console.log("live", streamKey, resumed === true));
streaming.on("stream:ended", ({ streamKey }) => console.log("over", streamKey));

const { data } = await streaming.emitWithAck("stream:viewer:join", { streamKey: "demo" });
console.log("live:", data.live, "viewers:", data.viewerCount, "at most:", data.peakViewers);
