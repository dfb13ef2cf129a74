// What readers of `/api/docs` do and see: the reference, the console, Swagger UI, the guides, and the quickstart of them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { NARROW, openTab, SCALE, WIDE } from "./page.mjs";

const [, , url, artifacts] = process.argv.slice(2);
const picture = (file) => ({ path: join(artifacts, `${file}.png`) });
const QUICKSTART = new URL("../../docs/clients/snippets/quickstart.html", import.meta.url);

const entryOn = (tab, name) =>
  tab.locator(".entry").filter({ has: tab.locator("summary > code").getByText(name, { exact: true }) });

// Swagger UI is 1.7 MB of script.
const ready = (tab) => tab.locator("body[data-state=ready]").waitFor({ timeout: 40_000 * SCALE });

/** A page on a phone: dark, and no wider than the screen. */
async function onPhone(browser, path, file) {
  const phone = await openTab(await browser.newContext({ ...NARROW, colorScheme: "dark" }), url + path);
  await ready(phone);
  await phone.screenshot(picture(file));
  const wider = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wider <= 0, `${path} is ${wider} px wider than the screen`);
  return phone;
}


export const documents = {
  async documents(browser) {
    const context = await browser.newContext({ ...WIDE, colorScheme: "light" });
    const tab = await openTab(context, `${url}api/docs`);
    const asked = [];
    tab.on("request", (request) => asked.push(request.url()));
    await tab.reload();
    await tab.locator("body[data-state=ready]").waitFor();
    assert.deepEqual(asked.filter((address) => !address.startsWith(url) && !address.startsWith("data:")), []);
    const documents = await tab.evaluate(async () => {
      const read = async (name) => (await fetch(`/api/docs/${name}.json`)).json();
      return { openapi: await read("openapi"), asyncapi: await read("asyncapi") };
    });
    const routes = Object.values(documents.openapi.paths).flatMap((path) => Object.keys(path)).length;
    const events = Object.values(documents.asyncapi.operations).filter((told) => !told["x-success-of"]).length;
    assert.equal(await tab.locator(".entry").count(), routes + events);
    assert.equal(await tab.locator("#errors tr").count(), documents.asyncapi["x-errors"].length + 1);

    const entry = (name) => entryOn(tab, name);
    await tab.screenshot(picture("documents"));
    await entry("chat:send-message").locator("summary").first().click();
    for (const text of ["clientMessageId?", "20 per 10 s", "after joining the room", "NOT_IN_ROOM", "duplicate", "chat:send-message:success"]) {
      await entry("chat:send-message").getByText(text, { exact: false }).first().waitFor();
    }
    await tab.screenshot(picture("documents-event"));
    await entry("/api/v1/products/{id}/stock").locator("summary").first().click();
    await entry("/api/v1/products/{id}/stock").getByText("change?").waitFor();

    await tab.getByLabel("Filter").fill("stream:viewer");
    assert.deepEqual(
      (await tab.locator(".entry:visible summary > code").allTextContents()).sort(),
      ["stream:viewer:join", "stream:viewer:leave", "stream:viewer:update"],
    );
    await tab.goto(`${url}api/docs#chat:message`);
    await tab.reload();
    await tab.locator("body[data-state=ready]").waitFor();
    assert.ok(await tab.locator("[id='chat:message']").evaluate((found) => found.open));

    const phone = await openTab(await browser.newContext({ ...NARROW, colorScheme: "dark" }), `${url}api/docs`);
    await phone.locator("body[data-state=ready]").waitFor();
    await entryOn(phone, "chat:join-room").locator("summary").first().click();
    await phone.screenshot(picture("documents-phone"));
    const wider = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `${wider} px wider than the screen`);
    assert.deepEqual([...tab.complaints, ...phone.complaints], []);
  },

  async console(browser) {
    const tab = await openTab(await browser.newContext({ ...WIDE, colorScheme: "light" }), `${url}api/docs#chat:send-message`);
    await ready(tab);
    await tab.locator("[id='chat:send-message']").getByRole("link", { name: "Try it in the console" }).click();
    await ready(tab);
    assert.equal(await tab.getByLabel("Event").inputValue(), "chat:send-message");
    await tab.getByRole("button", { name: "Connect" }).click(); // as the first seed
    await tab.locator("#state").filter({ hasText: "connected to /chat" }).waitFor();
    const entries = (kind, name) => tab.locator(`#log li.${kind}`).filter({ hasText: name });
    const send = async (event, payload) => {
      await tab.getByLabel("Event").selectOption(event);
      await tab.getByLabel("Payload").fill(JSON.stringify(payload));
      await tab.getByRole("button", { name: "Send" }).click();
    };
    await send("chat:send-message", { liveId: "demo", message: "too early" });
    await entries("error", "NOT_IN_ROOM").waitFor();
    await send("chat:join-room", { liveId: "demo" });
    await entries("ack", "chat:join-room").waitFor();
    await tab.getByLabel("with an ack").uncheck();
    await send("chat:send-message", { liveId: "demo", message: "from the console" });
    await entries("hear", "chat:send-message:success").waitFor();
    await entries("hear", "from the console").first().waitFor();
    await tab.screenshot(picture("console"));
    const phone = await onPhone(browser, "api/docs/console", "console-phone");
    assert.deepEqual([...tab.complaints, ...phone.complaints], []);
  },

  async swagger(browser) {
    const tab = await openTab(await browser.newContext(WIDE), `${url}api/docs/http`);
    await ready(tab);
    await tab.locator("#operations-health-healthLive").click();
    await tab.getByRole("button", { name: "Try it out" }).click();
    await tab.getByRole("button", { name: "Execute" }).click();
    await tab.locator(".live-responses-table").getByText('"status": "ok"').first().waitFor();
    await tab.screenshot(picture("swagger"));
    const phone = await onPhone(browser, "api/docs/http", "swagger-phone");
    assert.deepEqual([...tab.complaints, ...phone.complaints], []);
  },

  async guides(browser) {
    const context = await browser.newContext({ ...WIDE, colorScheme: "light" });
    const tab = await openTab(context, `${url}api/docs/guide/`);
    await ready(tab);
    const links = await tab.locator("#contents a").evaluateAll((found) => found.map(({ href }) => href));
    assert.ok(links.length > 10);
    for (const link of links) {
      await tab.goto(link);
      await ready(tab);
      const away = await tab.locator("main a").evaluateAll((found) => found.map(({ href }) => href).filter(Boolean));
      for (const address of new Set(away.filter((each) => each.startsWith(url)))) {
        assert.equal((await tab.request.get(address)).status(), 200, `${link} leads to ${address}`);
      }
    }
    await tab.goto(`${url}api/docs/guide/quickstart.ko`);
    await tab.locator("h1", { hasText: "빠른 시작" }).waitFor();
    await tab.screenshot(picture("guide"));
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await tab.getByRole("button", { name: "Copy" }).first().click();
    await tab.getByRole("button", { name: "Copy" }).filter({ hasText: "Copied" }).waitFor();
    assert.equal((await tab.evaluate(() => navigator.clipboard.readText())).trim(), readFileSync(QUICKSTART, "utf8").trim());
    const phone = await onPhone(browser, "api/docs/guide/errors", "guide-phone");
    assert.deepEqual([...tab.complaints, ...phone.complaints], []);
  },

  /** The page of the quickstart, served from another port as the guide says. */
  async quickstart(browser) {
    const gateway = url.replace(/\/$/, "").replace("127.0.0.1", "localhost");
    const page = readFileSync(QUICKSTART, "utf8").replaceAll("http://localhost:3001", gateway);
    const server = createServer((_, response) => response.setHeader("Content-Type", "text/html").end(page));
    await new Promise((listening) => server.listen(0, "localhost", listening));
    try {
      const address = `http://localhost:${server.address().port}/`;
      const tabs = [await openTab(await browser.newContext(WIDE), address), await openTab(await browser.newContext(WIDE), address)];
      for (const tab of tabs) tab.complaints = tab.complaints.filter((text) => !text.includes("favicon"));
      for (const [number, tab] of tabs.entries()) {
        await tab.waitForLoadState("networkidle").catch(() => {});
        await tab.locator("input").fill(`hello from ${number}`);
        await tab.keyboard.press("Enter");
      }
      for (const tab of tabs) for (const number of [0, 1]) await tab.locator("li", { hasText: `hello from ${number}` }).waitFor();
      for (const tab of tabs) assert.deepEqual(tab.complaints, []);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  },
};
