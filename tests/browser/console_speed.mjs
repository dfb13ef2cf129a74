// How fast the live room of the console is: `node console_speed.mjs <chromium> <url> <tokens.json> <seconds> <rate>`. Writes a line of
// JSON for the processor as it is, and one for a processor slowed down four times. Started by bench/console.py.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { withBrowser } from "./page.mjs";

const { io } = createRequire(new URL("../client/package.json", import.meta.url))("socket.io-client");
const [chromium, url, file, seconds, rate] = process.argv.slice(2);
const TOGETHER = 50; // members that join at once
const SENDERS = 20;

/** Members of the room with a socket each; the first ones write. */
async function crowd() {
  const tokens = JSON.parse(readFileSync(file, "utf8"));
  const sockets = [];
  const join = async (token) => {
    const socket = io(`${url}chat`, { auth: { token }, transports: ["websocket"], forceNew: true });
    await new Promise((connected) => socket.on("connect", connected));
    const answer = await socket.emitWithAck("chat:join-room", { liveId: "demo" });
    if (!answer.ok) throw new Error(answer.error.code);
    sockets.push(socket);
  };
  for (let at = 0; at < tokens.length; at += TOGETHER) await Promise.all(tokens.slice(at, at + TOGETHER).map(join));
  return sockets;
}

/** Have the members write, evenly, until `stop()`; that returns how many messages were stored. */
function write(sockets) {
  let sent = 0;
  const began = performance.now();
  const answers = [];
  const timer = setInterval(() => {
    for (; sent < ((performance.now() - began) / 1000) * Number(rate); sent++) {
      answers.push(sockets[sent % SENDERS].emitWithAck("chat:send-message", { liveId: "demo", message: `How large is it? And is there a blue one? ${sent}` }));
    }
  }, 10);
  return async () => {
    clearInterval(timer);
    return (await Promise.all(answers)).filter(({ ok }) => ok).length;
  };
}

async function signedIn(browser) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const tab = await context.newPage();
  await tab.goto(`${url}console/`);
  await tab.locator("input[name=email]").fill("admin@example.com");
  await tab.locator("input[name=password]").fill("dorami-dev");
  await tab.keyboard.press("Enter");
  await tab.locator(".connection[data-state=connected]").waitFor();
  return tab;
}

/** Open the live room anew: the bytes of its first view, and the time until it is connected. */
async function open(tab, devtools) {
  let bytes = 0;
  const count = ({ encodedDataLength }) => void (bytes += encodedDataLength);
  devtools.on("Network.loadingFinished", count);
  await devtools.send("Network.setCacheDisabled", { cacheDisabled: true });
  await tab.goto(`${url}console/`);
  await tab.locator(".connection[data-state=connected]").waitFor();
  const ready = await tab.evaluate(() => Math.round(performance.now()));
  devtools.off("Network.loadingFinished", count);
  await tab.goto(`${url}console/live/demo`);
  await tab.locator(".figure").first().waitFor();
  return { kilobytes: Math.round(bytes / 1000), ready };
}

/** What the page does in these seconds. */
const watched = (tab) =>
  tab.evaluate(
    (ms) =>
      new Promise((done) => {
        const frames = [];
        let longTasks = 0;
        new PerformanceObserver((list) => void (longTasks += list.getEntries().length)).observe({ type: "longtask" });
        const end = performance.now() + ms;
        requestAnimationFrame(function frame(at) {
          frames.push(at);
          if (at < end) return requestAnimationFrame(frame);
          const gaps = frames.slice(1).map((later, index) => later - frames[index]);
          done({ frames: (gaps.length * 1000) / (frames.at(-1) - frames[0]), longest: Math.max(...gaps), longTasks });
        });
      }),
    Number(seconds) * 1000,
  );

const busy = async (devtools) => (await devtools.send("Performance.getMetrics")).metrics.find(({ name }) => name === "ThreadTime").value;

await withBrowser(chromium, async (browser) => {
  const sockets = await crowd();
  const tab = await signedIn(browser);
  const devtools = await tab.context().newCDPSession(tab);
  await devtools.send("Network.enable");
  await devtools.send("Performance.enable");
  for (const slowed of [1, 4]) {
    await devtools.send("Emulation.setCPUThrottlingRate", { rate: 1 });
    const opened = await open(tab, devtools);
    await devtools.send("Emulation.setCPUThrottlingRate", { rate: slowed });
    const stop = write(sockets);
    const before = await busy(devtools);
    const began = performance.now();
    const seen = await watched(tab);
    const share = ((await busy(devtools)) - before) / ((performance.now() - began) / 1000);
    const stored = await stop();
    const rows = await tab.locator(".message").count();
    console.log(JSON.stringify({ slowed, ...opened, ...seen, busy: share, rows, stored }));
  }
  for (const socket of sockets) socket.disconnect();
});
process.exit(0);
