// A stock `ws` client behind a pipe: `node deflate.mjs URL OPTIONS`, where OPTIONS are those of perMessageDeflate as JSON.
// It writes a line for each message and each end, sends each line of stdin, and counts the bytes that came.

import { createInterface } from "node:readline";
import WebSocket from "ws";

const [url, options] = process.argv.slice(2);
const socket = new WebSocket(url, { perMessageDeflate: JSON.parse(options) });
const say = (line) => process.stdout.write(JSON.stringify({ ...line, bytes: socket._socket?.bytesRead ?? 0 }) + "\n");

socket.on("open", () => say({ extensions: socket.extensions }));
socket.on("message", (data) => say({ message: data.toString() }));
socket.on("close", (code) => say({ closed: code }));
socket.on("error", (error) => say({ trouble: error.message }));
createInterface({ input: process.stdin }).on("line", (line) => socket.send(line));
