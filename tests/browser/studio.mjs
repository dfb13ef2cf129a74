// What a developer sees in the data browser: `node studio.mjs <chromium> <link> <artifacts>`. Started by test_studio.py.

import assert from "node:assert/strict";
import { join } from "node:path";
import { openTab, WIDE, withBrowser } from "./page.mjs";

const [chromium, link, artifacts] = process.argv.slice(2);
const picture = (file) => ({ path: join(artifacts, `studio-${file}.png`) });
const loads = (tab, act) => Promise.all([tab.waitForEvent("load"), act]); // the next page is there
const cells = (tab) => tab.locator("tbody tr, .scroll tr").filter({ has: tab.locator("td") });

await withBrowser(chromium, async (browser) => {
  const context = await browser.newContext({ ...WIDE, colorScheme: "light" });
  const tab = await openTab(context, link);
  assert.equal(new URL(tab.url()).search, "", "the token is gone from the address");
  await tab.screenshot(picture("tables"));

  await loads(tab, tab.getByRole("navigation").getByRole("link", { name: /^products/ }).click());
  await tab.getByRole("searchbox").fill("Celadon");
  await loads(tab, tab.getByRole("button", { name: "find" }).click());
  assert.equal(await cells(tab).count(), 1);
  await tab.getByRole("searchbox").fill("");
  await tab.getByLabel("column").selectOption("name");
  await tab.getByLabel("comparison").selectOption("contains");
  await tab.getByLabel("value").fill("달항아리");
  await loads(tab, tab.getByRole("button", { name: "find" }).click());
  assert.equal(await cells(tab).count(), 1);
  await tab.screenshot(picture("rows"));

  // Its stream, and from there everything that refers to the stream.
  await loads(tab, tab.getByRole("link", { name: "demo", exact: true }).click());
  assert.match(tab.url(), /\/main\/streams/);
  await tab.getByRole("link", { name: "▸" }).click();
  await tab.getByText("refer to it").waitFor();
  await tab.screenshot(picture("row"));
  await loads(tab, tab.locator("main").getByRole("link", { name: "products", exact: true }).click());
  assert.equal(await cells(tab).count(), 7);
  await loads(tab, tab.getByRole("link", { name: "price", exact: true }).click());
  const cheapest = await cells(tab).first().textContent();
  assert.match(cheapest, /9500/);

  const dark = await browser.newContext({ ...WIDE, colorScheme: "dark", storageState: await context.storageState() });
  const users = await openTab(dark, new URL("/main/users", tab.url()).href);
  await users.screenshot(picture("dark"));
  assert.equal(await users.getByText("$argon2").count(), 0);

  const stranger = await openTab(await browser.newContext(WIDE), link);
  assert.match(await stranger.locator("body").textContent(), /it opens once/);
  assert.deepEqual([...tab.complaints, ...users.complaints], []);
});
