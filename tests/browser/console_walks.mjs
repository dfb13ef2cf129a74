// What hosts and administrators do on the console's pages: `node console_walks.mjs <walks> <chromium> <url> <artifacts>`. All walks, with
// commas between them, share one browser and one node. Started by test_console_walks.py.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { signedIn } from "./console_people.mjs";
import { openTab, WIDE, withBrowser } from "./page.mjs";

const [walks, chromium, url, artifacts] = process.argv.slice(2);

/** A tab of the console with somebody signed in. */
async function enter(browser, who, place, language = "en") {
  const context = await browser.newContext({ ...WIDE, colorScheme: "light", permissions: ["clipboard-read", "clipboard-write"] });
  await context.addInitScript((language) => localStorage.setItem("dorami.language", language), language);
  await signedIn(context, url, `${who}@example.com`);
  const tab = await openTab(context, `${url}console${place}`);
  await tab.locator(".connection[data-state=connected]").waitFor();
  return tab;
}

const go = (tab, place) => tab.goto(`${url}console${place}`);
const picture = (tab, name) => tab.screenshot({ path: join(artifacts, `console-${name}.png`) });
const row = (tab, text) => tab.getByRole("row").filter({ hasText: text });
const press = (scope, name) => scope.getByRole("button", { name, exact: true }).click();
const dialog = (tab) => tab.getByRole("dialog");
const told = (tab, text) => tab.locator(".toast").filter({ hasText: text }).first().waitFor();

const PIXEL = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==", "base64");

/** Choose from a menu. */
async function choose(tab, menu, entry) {
  await menu.click();
  await tab.getByRole("menuitem", { name: entry, exact: true }).click();
}

/** Edit a number in its place. */
async function edit(tab, name, value) {
  await tab.getByRole("button", { name: new RegExp(`^${name}`) }).click();
  await tab.getByRole("textbox", { name }).fill(String(value));
  await tab.keyboard.press("Enter");
}

const WALKS = {
  /** A stream from its creation to its copy, and what a host may do with another one's. */
  async streams(browser) {
    const host = await enter(browser, "host", "/streams");
    await press(host, "Create a stream");
    await dialog(host).getByRole("textbox", { name: "Title" }).fill("Autumn ceramics");
    await dialog(host).getByRole("textbox", { name: "Key in the address" }).fill("ceramics");
    await dialog(host).getByLabel("Starts at").fill("2030-10-01T20:00");
    await press(dialog(host), "Create a stream");
    await host.getByRole("heading", { level: 1, name: "Autumn ceramics" }).waitFor();
    await press(host, "Start");
    await told(host, "Autumn ceramics is live");
    await press(host, "Stop");
    await dialog(host).getByText(/watching now|who watches/).waitFor();
    await picture(host, "stop");
    assert.equal(await host.evaluate(() => document.activeElement.textContent), "Cancel", "the focus is on what changes nothing");
    await press(dialog(host), "Stop");
    await told(host, "Autumn ceramics has ended");
    await press(host, "Reopen");
    await told(host, "is live again");

    await choose(host, host.getByRole("button", { name: "Actions" }), "Duplicate");
    await host.getByText("Scheduled").first().waitFor();
    await choose(host, host.getByRole("button", { name: "Actions" }), "New ingest key");
    await press(dialog(host), "New ingest key");
    const key = await host.locator(".once").textContent();
    assert.ok(key.trim().length >= 16, "the key is shown");
    await host.keyboard.press("Escape");
    await choose(host, host.getByRole("button", { name: "Actions" }), "Cancel the stream");
    await press(dialog(host), "Cancel the stream");
    await told(host, "is cancelled");

    // The filters are in the address; another host's stream can be looked at and not changed.
    await go(host, "/streams?status=LIVE");
    await row(host, "Autumn ceramics").waitFor();
    assert.equal(await row(host, "Scheduled").count(), 0);
    await go(host, "/streams/demo-ko");
    await host.getByRole("heading", { level: 1 }).waitFor();
    await host.getByText("Peak viewers").waitFor();
    for (const name of ["Start", "Stop", "Actions"]) assert.equal(await host.getByRole("button", { name, exact: true }).count(), 0);
    await go(host, "/products?stream=demo-ko");
    await host.getByText("only the host and administrators change them").waitFor();
    assert.equal(await host.getByRole("checkbox").count(), 0);

    // What only an administrator may is neither offered nor opened.
    assert.equal(await host.getByRole("link", { name: "Cluster" }).count(), 0);
    await go(host, "/people");
    await host.getByRole("heading", { name: "You cannot open this page" }).waitFor();
    return [host];
  },

  /** Two administrators change the same product; then many at once, a deal, and back. */
  async products(browser) {
    const [one, other] = await Promise.all([enter(browser, "admin", "/products?stream=demo"), enter(browser, "admin", "/products?stream=demo", "ko")]);
    const price = (tab, text) => tab.getByRole("row").filter({ hasText: "Linen apron" }).filter({ hasText: text }).waitFor();
    // The picture of a listed origin is shown, that of another one is not asked for.
    const asked = [];
    for (const tab of [one, other]) {
      await tab.route(/picture\.png$/, (route) => {
        asked.push(route.request().url());
        return route.fulfill({ contentType: "image/png", body: PIXEL });
      });
    }
    await one.evaluate(async () => {
      const { items } = await (await fetch("/api/v1/products?streamKey=demo&limit=100")).json();
      const { csrfToken } = await (await fetch("/api/v1/auth/csrf")).json();
      const picture = { "Linen apron": "https://images.shop.example/picture.png", "Jeju tangerine jam": "https://elsewhere.example/picture.png" };
      for (const { id, name, version } of items) {
        if (!picture[name]) continue;
        const body = JSON.stringify({ imageUrl: picture[name], expectedVersion: version });
        const answer = await fetch(`/api/v1/products/${id}`, { method: "PATCH", headers: { "Content-Type": "application/json", "X-CSRF-Token": csrfToken }, body });
        if (!answer.ok) throw new Error(await answer.text());
      }
    });
    await one.getByRole("row").filter({ hasText: "Linen apron" }).locator("img").waitFor();
    assert.deepEqual([...new Set(asked)], ["https://images.shop.example/picture.png"]);

    // Both begin with 39,000. The second one stores first.
    await one.getByRole("button", { name: /^Change the price of Linen apron/ }).click();
    await edit(other, "Linen apron 가격 변경", 41000);
    await price(other, "41,000");
    await one.getByRole("textbox", { name: "Change the price of Linen apron" }).fill("37000");
    await one.keyboard.press("Enter");
    await dialog(one).getByText("₩41,000").waitFor();
    await dialog(one).getByText("₩37,000").waitFor();
    await picture(one, "conflict");
    await press(dialog(one), "Store mine");
    await Promise.all([price(one, "37,000"), price(other, "37,000")]);

    await edit(one, "Change the stock of Moon jar lamp", 0);
    await row(other, "Moon jar lamp").filter({ hasText: "품절" }).waitFor();
    await one.locator(".toast").filter({ hasText: "Moon jar lamp" }).getByRole("button", { name: "Undo" }).click();
    await row(other, "Moon jar lamp").filter({ hasText: "재고 부족" }).waitFor();

    await one.getByRole("checkbox", { name: "Select Celadon tea cup" }).check();
    await one.getByRole("checkbox", { name: "Select Walnut cutting board" }).check();
    await press(one, "Change all selected");
    await dialog(one).getByRole("textbox", { name: "Change of price in percent" }).fill("-50");
    await press(dialog(one), "Change all selected");
    await Promise.all([row(other, "Celadon tea cup").filter({ hasText: "12,000" }).waitFor(), row(other, "Walnut cutting board").filter({ hasText: "27,000" }).waitFor()]);

    await choose(one, one.getByRole("button", { name: "Actions for Brass chopsticks" }), "Start a deal");
    await dialog(one).getByRole("textbox", { name: "Price of the deal" }).fill("20000");
    await press(dialog(one), "Start a deal");
    await row(other, "Brass chopsticks").filter({ hasText: "특가" }).filter({ hasText: "20,000" }).waitFor();
    await choose(one, one.getByRole("button", { name: "Actions for Linen apron" }), "Move up");
    await other.locator("tbody tr").first().filter({ hasText: "Linen apron" }).waitFor();
    await choose(one, one.getByRole("button", { name: "Actions for Brass chopsticks" }), "Feature");
    await row(other, "Brass chopsticks").filter({ hasText: "대표 상품" }).waitFor();
    await picture(other, "products");
    // The browser says itself that an answer was a conflict.
    assert.deepEqual(one.complaints.splice(0).map((complaint) => /409/.test(complaint)), [true]);
    return [one, other];
  },

  /** Words, sanctions, people, orders, notifications and the palette. */
  async people(browser) {
    const admin = await enter(browser, "admin", "/words");
    await admin.getByRole("textbox", { name: "Word", exact: true }).fill("spam");
    await press(admin, "Add");
    await row(admin, "spam").waitFor();
    await admin.getByRole("textbox", { name: "Text of a message" }).fill("no spam please");
    await press(admin, "Try a text");
    await admin.getByText("no **** please").waitFor();
    await press(row(admin, "spam"), "Remove spam");
    await admin.locator("td", { hasText: /^spam$/ }).waitFor({ state: "detached" });
    await press(admin.locator(".toast"), "Undo");
    await row(admin, "spam").waitFor();

    // By the palette to a person: a new role, and back.
    await admin.keyboard.press("Control+K");
    await admin.getByRole("combobox", { name: "Search" }).fill("Joon");
    await admin.getByRole("option", { name: /Joon/ }).waitFor();
    await admin.keyboard.press("Enter");
    await admin.getByRole("heading", { level: 1, name: "Joon" }).waitFor();
    await admin.getByLabel("Change the role").selectOption("MODERATOR");
    await told(admin, "Joon is now: Moderator");
    await press(admin.locator(".toast"), "Undo");
    await admin.waitForFunction(() => document.querySelector(".page-head select").value === "USER");
    await press(admin, "Log out everywhere");
    await press(dialog(admin), "Log out everywhere");
    await told(admin, "logged out everywhere");
    await press(admin, "Suspend");
    await dialog(admin).getByRole("textbox", { name: "Reason" }).fill("advertising");
    await press(dialog(admin), "Suspend");
    await admin.locator(".page-head .tag", { hasText: "Suspended" }).waitFor();
    await picture(admin, "person");

    await go(admin, "/people");
    await press(admin, "Create an account");
    await dialog(admin).getByRole("textbox", { name: "Name" }).fill("Minho");
    await dialog(admin).getByRole("textbox", { name: "E-mail address" }).fill("minho@example.com");
    await press(dialog(admin), "Create an account");
    await admin.locator(".once", { hasText: "/console/password#" }).waitFor();
    await admin.keyboard.press("Escape");
    await row(admin, "minho@example.com").filter({ hasText: "Host" }).waitFor();

    // Who is in the chat, and what a show was like: the numbers are a stand-in, as there is no database of analytics here.
    await go(admin, "/live/demo");
    await admin.getByRole("button", { name: "1 person in the chat" }).click();
    await dialog(admin).getByRole("searchbox", { name: "Search by name" }).fill("nobody of this name");
    await dialog(admin).getByText("Nobody in the chat has such a name").waitFor();
    await dialog(admin).getByRole("searchbox", { name: "Search by name" }).fill("Ada");
    await dialog(admin).getByRole("button", { name: /Ada/ }).click();
    await admin.locator(".person").getByRole("link", { name: "Ada" }).waitFor();
    await admin.route(/\/api\/v1\/config$/, async (route) => route.fulfill({ json: { ...(await (await route.fetch()).json()), analytics: true } }));
    const from = Date.now() - 3_600_000;
    const points = Array.from({ length: 60 }, (_, minute) => ({ at: new Date(from + minute * 60_000).toISOString(), viewers: minute % 7 === 3 ? null : 40 + minute, peakViewers: 50 + minute, messages: (minute * 7) % 31, amount: minute % 5 ? 0 : 24_000 }));
    await admin.route(/\/analytics\/streams\/demo$/, (route) => route.fulfill({ json: { streamKey: "demo", from: points[0].at, to: new Date(from + 3_600_000).toISOString(), bucket: "minute", points, products: [] } }));
    await go(admin, "/streams/demo");
    await admin.getByRole("img", { name: "Viewers, 109 at most" }).waitFor();
    await admin.getByText("Sales per minute, ₩288,000 in all").waitFor();
    await picture(admin, "course");

    // Who is connected, and that alone here.
    await go(admin, "/cluster");
    await row(admin, "Healthy").waitFor();
    await press(row(admin, "Healthy"), "Drain");
    await dialog(admin).getByText("It is the only node").waitFor();
    await admin.keyboard.press("Escape");

    await go(admin, "/notifications");
    await admin.getByRole("combobox", { name: "To" }).fill("Mina");
    await admin.getByRole("option", { name: /Mina/ }).click();
    await admin.keyboard.press("Escape");
    await admin.getByRole("textbox", { name: "Title" }).fill("Tonight at eight");
    await admin.getByRole("textbox", { name: "Message" }).fill("We go live.");
    await press(admin, "Send");
    await dialog(admin).getByText("Send it to one person?").waitFor();
    await press(dialog(admin), "Send");
    await row(admin, "Tonight at eight").waitFor();

    await go(admin, "/log?action=SUSPEND");
    await row(admin, "advertising").filter({ hasText: "Joon" }).filter({ hasText: "Ada" }).waitFor();
    const downloaded = admin.waitForEvent("download");
    await choose(admin, admin.getByRole("button", { name: "Export" }), "CSV, for spreadsheets");
    const [head, first] = readFileSync(await (await downloaded).path(), "utf8").split("\r\n");
    assert.ok(head.includes('"action"') && first.includes('"SUSPEND"') && first.includes('"advertising"'), "the entries are in the table");
    return [admin];
  },
};

await withBrowser(chromium, async (browser) => {
  for (const walk of walks.split(",")) {
    console.log(`walk: ${walk}`);
    try {
      const tabs = await WALKS[walk](browser);
      assert.deepEqual(tabs.flatMap(({ complaints }) => complaints), []);
    } catch (error) {
      const tabs = browser.contexts().flatMap((context) => context.pages());
      await Promise.all(tabs.map((tab, place) => picture(tab, `failed-${walk}-${place}`)));
      throw error;
    }
    await Promise.all(browser.contexts().map((context) => context.close()));
  }
});
process.exit(0);
