// The first hour of a shop, as docs/first-hour.md tells it: `node console_hour.mjs <chromium> <url> <artifacts>`. The database has one
// account, that of the administrator. Started by test_console_hour.py.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { openTab, SCALE, WIDE, withBrowser } from "./page.mjs";

const { io } = createRequire(new URL("../client/package.json", import.meta.url))("socket.io-client");
const [chromium, url, artifacts] = process.argv.slice(2);
const PASSWORD = "a password of this test";

const picture = (tab, name) => tab.screenshot({ path: join(artifacts, `hour-${name}.png`) });
const press = (scope, name) => scope.getByRole("button", { name, exact: true }).click();
const field = (scope, name) => scope.getByRole("textbox", { name, exact: true });
const dialog = (tab) => tab.getByRole("dialog");
const row = (tab, text) => tab.getByRole("row").filter({ hasText: text });
const go = (tab, place) => tab.goto(`${url}console${place}`);

async function open(browser, place) {
  const context = await browser.newContext({ ...WIDE, colorScheme: "light" });
  await context.addInitScript(() => localStorage.setItem("dorami.language", "en"));
  return openTab(context, `${url}console${place}`);
}

async function signIn(tab, email) {
  await tab.locator("input[name=email]").fill(email);
  await tab.locator("input[name=password]").fill(PASSWORD);
  await tab.keyboard.press("Enter");
  await tab.locator(".connection[data-state=connected]").waitFor();
}

/** Somebody in the shop's own app, which speaks to the gateway by the protocol. */
async function viewer() {
  const answer = await fetch(`${url}api/v1/auth/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ email: "mina@example.com", username: "Mina", password: PASSWORD }),
  });
  assert.equal(answer.status, 201);
  const { accessToken } = await answer.json();
  const socket = io(`${url}chat`, { auth: { token: accessToken }, transports: ["websocket"] });
  await new Promise((connected) => socket.on("connect", connected));
  assert.ok((await socket.emitWithAck("chat:join-room", { liveId: "autumn" })).ok);
  return { say: (message) => socket.emitWithAck("chat:send-message", { liveId: "autumn", message }), leave: () => socket.disconnect() };
}

await withBrowser(chromium, async (browser) => {
  const tabs = [];
  let mina;
  try {
    // The administrator makes an account for the host, who chooses a password by the link.
    const admin = await open(browser, "/");
    tabs.push(admin);
    await signIn(admin, "admin@shop.example");
    await go(admin, "/people");
    await press(admin, "Create an account");
    await field(dialog(admin), "Name").fill("Hana");
    await field(dialog(admin), "E-mail address").fill("hana@shop.example");
    await press(dialog(admin), "Create an account");
    const link = await admin.locator(".once").textContent();
    await picture(admin, "link");
    await admin.keyboard.press("Escape");
    const host = await open(browser, new URL(link.trim()).pathname.replace("/console", "") + new URL(link.trim()).hash);
    tabs.push(host);
    for (const input of await host.locator("input[autocomplete=new-password]").all()) await input.fill(PASSWORD);
    await host.keyboard.press("Enter");
    await host.getByRole("link", { name: "Go to the sign-in page" }).click();
    await signIn(host, "hana@shop.example");

    // A stream and its products; a word that is hidden.
    await go(host, "/streams");
    await host.getByText("There is no stream yet").waitFor();
    await press(host.locator(".page-head"), "Create a stream");
    await field(dialog(host), "Title").fill("Autumn ceramics");
    await field(dialog(host), "Key in the address").fill("autumn");
    await press(dialog(host), "Create a stream");
    await host.getByRole("heading", { level: 1, name: "Autumn ceramics" }).waitFor();
    await go(host, "/streams/autumn?tab=products");
    await press(host, "Add a product");
    await field(dialog(host), "Name").fill("Celadon tea cup");
    await field(dialog(host), "Price").fill("24000");
    await field(dialog(host), "Stock").fill("40");
    await press(dialog(host), "Add a product");
    await row(host, "Celadon tea cup").waitFor();
    await picture(host, "products");
    await go(admin, "/words");
    await field(admin, "Word").fill("spam");
    await press(admin, "Add");
    await row(admin, "spam").waitFor();

    // Live: a viewer writes, a word is hidden, the administrator mutes and lifts the mute.
    await go(host, "/streams/autumn");
    await press(host, "Start");
    await host.locator(".page-head .tag", { hasText: "Live" }).waitFor();
    mina = await viewer();
    assert.ok((await mina.say("this is spam")).ok);
    await go(admin, "/live/autumn");
    const message = admin.locator(".message").filter({ hasText: "this is ****" });
    await message.hover();
    await message.getByRole("button", { name: /^Mute/ }).click();
    await admin.locator(".toast").filter({ hasText: "Mina" }).waitFor();
    await picture(admin, "moderated");
    assert.equal((await mina.say("again")).error.code, "MUTED");
    await go(admin, "/sanctions");
    await press(row(admin, "Mina"), "Lift");
    await admin.getByText("Nobody is muted or banned").waitFor();
    assert.ok((await mina.say("thank you")).ok);

    // It ends, and its replay is cut from the recording.
    await press(host, "Stop");
    await press(dialog(host), "Stop");
    await host.locator(".page-head .tag", { hasText: "Ended" }).waitFor();
    await go(admin, "/streams/autumn?tab=replay");
    await press(admin, "Cut a replay");
    await field(dialog(admin), "Recording").fill("autumn.mp4");
    await press(dialog(admin), "Cut a replay");
    await row(admin, "Done").filter({ hasText: "720p" }).waitFor({ timeout: 40_000 * SCALE });
    await picture(admin, "replay");
    assert.deepEqual(tabs.flatMap(({ complaints }) => complaints), []);
  } catch (error) {
    await Promise.all(tabs.map((tab, place) => picture(tab, `failed-${place}`)));
    throw error;
  } finally {
    mina?.leave();
  }
});
