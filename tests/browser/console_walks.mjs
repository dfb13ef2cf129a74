// What hosts and administrators do on the console's pages: `node console_walks.mjs <walk> <chromium> <url> <artifacts>`.
// Started by test_console_walks.py.

import assert from "node:assert/strict";
import { join } from "node:path";
import { openTab, WIDE, withBrowser } from "./page.mjs";

const [walk, chromium, url, artifacts] = process.argv.slice(2);
const PASSWORD = "dorami-dev"; // of the seeds

/** A tab of the console with somebody signed in. */
async function enter(browser, who, place, language = "en") {
  const context = await browser.newContext({ ...WIDE, colorScheme: "light", permissions: ["clipboard-read", "clipboard-write"] });
  await context.addInitScript((language) => localStorage.setItem("dorami.language", language), language);
  const tab = await openTab(context, `${url}console${place}`);
  await tab.getByRole("textbox", { name: /E-mail|이메일/ }).fill(`${who}@example.com`);
  await tab.locator("input[type=password]").fill(PASSWORD);
  await tab.keyboard.press("Enter");
  await tab.locator(".connection[data-state=connected]").waitFor();
  return tab;
}

const go = (tab, place) => tab.goto(`${url}console${place}`);
const picture = (tab, name) => tab.screenshot({ path: join(artifacts, `console-${name}.png`) });
const row = (tab, text) => tab.getByRole("row").filter({ hasText: text });
const press = (scope, name) => scope.getByRole("button", { name, exact: true }).click();
const dialog = (tab) => tab.getByRole("dialog");
const told = (tab, text) => tab.locator(".toast").filter({ hasText: text }).first().waitFor();

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
    await host.getByRole("heading", { name: "This page is for others" }).waitFor();
    return [host];
  },

  /** Two administrators change the same product; then many at once, a deal, and back. */
  async products(browser) {
    const [one, other] = await Promise.all([enter(browser, "admin", "/products?stream=demo"), enter(browser, "admin", "/products?stream=demo", "ko")]);
    const price = (tab, text) => tab.getByRole("row").filter({ hasText: "Linen apron" }).filter({ hasText: text }).waitFor();
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
    await dialog(one).getByRole("textbox", { name: "Price by percent" }).fill("-50");
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
    return [admin];
  },
};

await withBrowser(chromium, async (browser) => {
  try {
    const tabs = await WALKS[walk](browser);
    assert.deepEqual(tabs.flatMap(({ complaints }) => complaints), []);
  } catch (error) {
    const tabs = browser.contexts().flatMap((context) => context.pages());
    await Promise.all(tabs.map((tab, place) => picture(tab, `failed-${walk}-${place}`)));
    throw error;
  }
});
