// Two visitors of a page on @dorami/client, under the content policy of the gateway's own pages:
// `node package.mjs <chromium> <url>`. Ends with an error when something is not as it should be.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { openTab, reads, say, tunnel, WIDE, withBrowser } from "./page.mjs";

const [executable, url] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const PACKAGE = join(here, "../../clients/js");
const { build } = await import(join(PACKAGE, "node_modules/esbuild/lib/main.js"));

const { outputFiles } = await build({
  entryPoints: [join(here, "package_page.mjs")],
  alias: { "@dorami/client": join(PACKAGE, "dist/esm/index.js"), "@dorami/client/react": join(PACKAGE, "dist/esm/react.js") },
  nodePaths: [join(PACKAGE, "node_modules")],
  bundle: true, format: "esm", target: "es2022", write: false, define: { "process.env.NODE_ENV": '"development"' },
});
const script = outputFiles[0].text;
const page = '<!doctype html><title>Room</title><link rel="icon" href="data:,"><div id="page"></div><script type="module" src="/package.js"></script>';
const policy = (await fetch(url)).headers.get("Content-Security-Policy");
assert.match(policy, /default-src 'none'/);

/** Open the page as somebody; `sent(event)` says how often it has sent an event. */
async function open(browser, origin, query) {
  const context = await browser.newContext(WIDE);
  const headers = { "Content-Security-Policy": policy };
  await context.route("**/package.html*", (route) => route.fulfill({ body: page, contentType: "text/html", headers }));
  await context.route("**/package.js", (route) => route.fulfill({ body: script, contentType: "text/javascript", headers }));
  await context.addInitScript(() => {
    window.sentFrames = [];
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (frame) {
      window.sentFrames.push(String(frame));
      return send.call(this, frame);
    };
  });
  const tab = await openTab(context, `${origin}package.html?${query}`);
  await reads(tab.locator("#status"), /^connected$/);
  return { tab, sent: (event) => tab.evaluate((name) => window.sentFrames.filter((frame) => frame.includes(name)).length, `"${event}"`) };
}

const texts = (tab, text) => tab.locator("#messages > li").filter({ hasText: text });

await withBrowser(executable, async (browser) => {
  const road = await tunnel(url);
  const mina = await open(browser, road.url, "email=viewer1@example.com&password=dorami-dev");
  await reads(mina.tab.locator("#room"), /^joined 1 viewers [1-9]/);
  const guest = await open(browser, url, "");
  for (const { tab } of [mina, guest]) await reads(tab.locator("#room"), /^joined 2 viewers [1-9]/);
  for (const event of ["chat:join-room", "stream:viewer:join", "join:stream"]) {
    assert.equal(await mina.sent(event), 1, `StrictMode mounts twice, and ${event} is sent once`);
  }

  await say(mina.tab, "hello <b>there</b>");
  for (const { tab } of [mina, guest]) await texts(tab, "hello <b>there</b>").waitFor();
  await reads(mina.tab.locator("#pending"), /^0$/);

  road.cut();
  await reads(mina.tab.locator("#status"), /^recovering$/);
  await say(mina.tab, "from the tunnel");
  await reads(mina.tab.locator("#pending"), /^1$/);
  road.mend();
  await reads(mina.tab.locator("#status"), /^connected$/);
  for (const { tab } of [mina, guest]) await texts(tab, "from the tunnel").waitFor();
  assert.equal(await texts(mina.tab, "from the tunnel").count(), 1);

  await guest.tab.getByRole("button", { name: "Switch" }).click();
  await reads(mina.tab.locator("#room"), /^joined 1 viewers/);
  assert.equal(await guest.sent("chat:leave-room"), 1);
  await guest.tab.getByRole("button", { name: "Switch" }).click();
  await reads(mina.tab.locator("#room"), /^joined 2 viewers/);
  assert.equal(await guest.sent("chat:join-room"), 2);
  road.close();
  const lost = (text) => /ERR_CONNECTION|WebSocket connection/.test(text); // of the tunnel
  for (const { tab } of [mina, guest]) assert.deepEqual(tab.complaints.filter((text) => !lost(text)), []);
}, ["--disable-features=LocalNetworkAccessChecks"]); // a page that comes from no server may not connect to this machine
