// What the staff of a shop do and see in the console: `node console.mjs <scenarios> <chromium> <url> <artifacts>`. All scenarios, with
// commas between them, share one browser and one node. Ends with an error when something is not as it should be. Started by
// test_console.py, which answers requests that are written as a line, such as `kill`, with a line.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { account, crowd, signedIn, tokenOf } from "./console_people.mjs";
import { PATHS } from "./console_pages.mjs";
import { NARROW, openTab, tunnel, WIDE, withBrowser } from "./page.mjs";

const [names, chromium, url, artifacts] = process.argv.slice(2);
const AXE = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const SMALL = { width: 320, height: 640 };
const picture = (file) => ({ path: join(artifacts, `console-${file}.png`) });
const lines = createInterface({ input: process.stdin });

/** Have test_console.py do something. */
async function request(what) {
  const done = new Promise((resolve) => lines.once("line", resolve));
  console.log(what);
  await done;
}

/** Open the console, signed in as somebody. Complains of whatever is loaded from elsewhere, too. */
async function enter(browser, { path = "/", language = "en", email = "admin@example.com", as, base = url, ...context }) {
  const profile = await browser.newContext({ ...context, ...(as && { storageState: await as.context().storageState() }) });
  await profile.addInitScript((chosen) => localStorage.getItem("dorami.language") ?? localStorage.setItem("dorami.language", chosen), language);
  if (email && !as) await signedIn(profile, base, email);
  const foreign = [];
  profile.on("request", (sent) => new URL(sent.url()).host === new URL(base).host || /^(data|blob):/.test(sent.url()) || foreign.push(sent.url()));
  const tab = await openTab(profile, `${base}console${path}`);
  tab.foreign = foreign;
  if (email) await tab.locator(".connection[data-state=connected]").waitFor();
  return tab;
}

/** Wait until the page has what it shows. */
async function settled(tab) {
  await tab.locator("h1").first().waitFor();
  await tab.locator("[aria-busy=true]").first().waitFor({ state: "detached" });
  await tab.evaluate(async () => {
    await document.fonts.ready;
    await Promise.allSettled(document.getAnimations().map(({ finished }) => finished)); // colours that are on their way
  });
}

/** Fail if the page overflows horizontally, or if axe finds something serious. */
async function sound(tab, where) {
  const { wide, culprits } = await tab.evaluate(() => {
    const limit = document.documentElement.clientWidth;
    const beyond = [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > limit + 1);
    return { wide: document.documentElement.scrollWidth - limit, culprits: beyond.slice(0, 3).map((element) => element.outerHTML.slice(0, 120)) };
  });
  assert.ok(wide <= 0, `${where} overflows by ${wide} px: ${culprits.join("\n")}`);
}

/** Fail if axe finds something serious or critical. The script is evaluated, not loaded: the policy stays as it is. */
async function accessible(tab, where) {
  const found = await tab.evaluate(async (source) => {
    if (!window.axe) (0, new Function(source))();
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] });
    return violations.filter(({ impact }) => /serious|critical/.test(impact)).map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).slice(0, 3).join("\n   ")}`);
  }, AXE);
  assert.deepEqual(found, [], where);
}

const quiet = (tab, but = /^$/) => {
  assert.deepEqual(tab.complaints.filter((text) => !but.test(text)), []);
  assert.deepEqual(tab.foreign, [], "everything comes from the gateway");
};

const log = (tab) => tab.getByRole("log");
const message = (tab, text) => tab.locator(".message").filter({ hasText: text });
const toast = (tab, text) => tab.locator(".toast").filter({ hasText: text });
const away = (tab) => log(tab).evaluate((box) => Math.round(box.scrollHeight - box.scrollTop - box.clientHeight));

const scenarios = {
  async pages(browser) {
    const wide = await enter(browser, { ...WIDE, language: "ko", colorScheme: "light", email: "" });
    await settled(wide);
    await accessible(wide, "sign-in");
    await wide.locator("input[name=email]").fill("admin@example.com");
    await wide.locator("input[name=password]").fill("wrong");
    await wide.keyboard.press("Enter");
    await wide.getByRole("alert").filter({ hasText: "비밀번호가 올바르지 않습니다" }).waitFor();
    await wide.screenshot(picture("sign-in"));
    quiet(wide, /401/); // the browser writes of the refusal
    wide.complaints.length = 0;
    await wide.locator("input[name=password]").fill("dorami-dev");
    await wide.keyboard.press("Enter");
    await wide.locator(".connection[data-state=connected]").waitFor();
    const narrow = await enter(browser, { ...NARROW, as: wide, colorScheme: "dark" });
    await narrow.getByRole("button", { name: "메뉴" }).waitFor();
    await narrow.getByText("English").click();
    for (const [tab, kind] of [[wide, "wide-ko-light"], [narrow, "narrow-en-dark"]]) {
      for (const [index, path] of PATHS.entries()) {
        const where = `${kind}${path.replaceAll("/", "-")}`;
        await tab.evaluate((to) => {
          history.pushState(null, "", `/console${to}`);
        }, path);
        await settled(tab);
        await sound(tab, where);
        // axe takes longest: it sees every other page light and wide, and the rest dark and narrow.
        if (path === "/live/demo" || (index % 2 === 0) === (tab === wide)) await accessible(tab, where);
        if (process.env.PICTURES || path === "/live/demo") await tab.screenshot(picture(where)); // of all pages when asked for
        if (tab === narrow) {
          await tab.setViewportSize(SMALL);
          await sound(tab, `${where} at 320`);
          await tab.setViewportSize(NARROW.viewport);
        }
      }
    }
    // The other language and the other colours, on the fullest page.
    await wide.evaluate(() => history.pushState(null, "", "/console/live/demo"));
    await wide.getByText("English").click();
    await wide.getByRole("button", { name: "Dark mode" }).click();
    await wide.getByRole("heading", { name: "Viewers and sales" }).waitFor();
    await settled(wide);
    await accessible(wide, "wide-en-dark");
    await wide.screenshot(picture("live-wide-en-dark"));
    for (const tab of [wide, narrow]) quiet(tab);
  },

  async moderation(browser) {
    const people = await crowd(url);
    const tab = await enter(browser, { ...WIDE, path: "/live/demo" });
    await people.say("hello", 500);
    await message(tab, "hello 500").waitFor();
    const rows = await tab.locator(".message").count();
    assert.ok(rows < 60, `${rows} rows of 500 are in the document`);

    // It sticks to the end, and stays where somebody reads.
    assert.ok((await away(tab)) <= 1, "the newest message is shown whole");
    await log(tab).evaluate((box) => box.scrollTo(0, box.scrollHeight / 2));
    const shown = await tab.waitForFunction(() => {
      const { top, bottom } = document.querySelector(".log").getBoundingClientRect();
      const places = [...document.querySelectorAll(".message")].map((row) => [row.getBoundingClientRect(), row.textContent]);
      return places.find(([row]) => row.top > top && row.bottom < bottom)?.[1]; // the rows of the end are there for a moment more
    });
    const read = await shown.jsonValue();
    const top = () => tab.locator(".message").filter({ hasText: read }).evaluate((row) => Math.round(row.getBoundingClientRect().top));
    const before = await top();
    await people.say("while somebody reads", 30);
    await tab.getByRole("button", { name: "30 new messages" }).waitFor();
    assert.ok(Math.abs((await top()) - before) <= 2, "who reads further up is not dragged along");
    await tab.getByRole("button", { name: "30 new messages" }).click();
    await message(tab, "while somebody reads 30").waitFor();
    assert.ok((await away(tab)) <= 1);

    // A ban and its undo, by the keyboard alone; the letters are those of a Korean layout.
    await people.say("buy followers here");
    await message(tab, "buy followers here").waitFor();
    const press = (code, key) => tab.evaluate(([code, key]) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { code, key, bubbles: true, cancelable: true })), [code, key]);
    await press("KeyK", "ㅏ");
    await tab.locator(".message[data-selected=true]").filter({ hasText: "buy followers here" }).waitFor();
    await press("KeyB", "ㅠ");
    await toast(tab, "Mina is banned from this room").waitFor();
    await press("Enter", "Enter");
    await tab.locator(".sanction").filter({ hasText: "Banned" }).waitFor();
    await press("KeyU", "ㅕ");
    await toast(tab, "Undone").waitFor();
    await press("Escape", "Escape");
    await press("Escape", "Escape"); // the person, then the choice
    await tab.locator(".entries li").filter({ hasText: "lifted the ban of" }).waitFor();

    // Nothing happens while somebody types.
    await tab.getByPlaceholder("Write as Ada").pressSequentially("bmd");
    await tab.keyboard.press("Enter");
    await message(tab, "bmd").waitFor();
    assert.equal(await toast(tab, "is banned").count(), 0);

    // Clearing says how many it would be, and can be undone.
    await tab.getByRole("button", { name: "Clear", exact: true }).click();
    const cancel = tab.getByRole("dialog").getByRole("button", { name: "Cancel" });
    await cancel.and(tab.locator(":focus")).waitFor();
    await tab.getByText("All", { exact: true }).last().click();
    await tab.getByRole("button", { name: /^Delete 5\d\d messages$/ }).click();
    await tab.getByText("Nobody has written yet.").waitFor();
    await toast(tab, "messages are deleted").getByRole("button", { name: "Undo" }).click();
    await message(tab, "bmd").waitFor();
    await tab.screenshot(picture("live-moderated"));
    quiet(tab);
  },

  /** A room with 50 messages a second, one in twenty of them spam, moderated by the keyboard alone. */
  async hour(browser) {
    const people = await crowd(url, ["viewer1@example.com", "viewer2@example.com", "viewer3@example.com", "viewer-ko@example.com"]);
    const [, , spammer] = people.names;
    const tab = await enter(browser, { ...WIDE, path: "/live/demo" });
    await tab.getByPlaceholder("Write as Ada").waitFor();
    const flow = people.flow(50, 20, 2);
    const press = (...keys) => keys.reduce((before, key) => before.then(() => tab.keyboard.press(key)), Promise.resolve());
    const chosen = tab.locator(".message[data-selected=true]");
    try {
      // What is chosen stays chosen while messages come.
      await message(tab, "is it blue").first().waitFor();
      await press("k");
      await chosen.waitFor();
      const read = await chosen.textContent();
      const stored = flow.sent();
      await flow.until(stored + 60);
      await chosen.filter({ hasText: read }).waitFor();
      await tab.getByRole("button", { name: /^\d+ new messages$/ }).waitFor();
      await press("j", "k");
      await chosen.filter({ hasText: read }).waitFor();

      // To the spam: searched for, deleted, its author muted, the mute undone, then banned.
      await press("/");
      await tab.keyboard.type("followers");
      await press("Enter");
      await chosen.filter({ hasText: "cheap followers" }).waitFor();
      await press("d");
      await toast(tab, "is deleted").first().waitFor();
      await chosen.waitFor({ state: "detached" });
      await message(tab, "cheap followers").first().waitFor();
      await press("k");
      await chosen.filter({ hasText: "cheap followers" }).waitFor();
      await press("m");
      await toast(tab, "muted").first().waitFor();
      await flow.refused("MUTED");
      await press("u");
      await toast(tab, "Undone").first().waitFor();
      await press("k", "b");
      await toast(tab, `${spammer} is banned from this room`).waitFor();
      await press("Enter");
      await tab.locator(".sanction").filter({ hasText: "Banned" }).first().waitFor();
      await press("Escape", "/", "Escape", "Escape"); // from the person, the search and the choice
      await tab.getByRole("button", { name: /new messages?$/ }).waitFor({ state: "detached" });

      // The room: frozen and thawed, slowed down, and back; the list of the keys.
      await press("f");
      await tab.locator(".chat[data-frozen=true]").waitFor();
      await press("f");
      await tab.locator(".chat[data-frozen=false]").waitFor();
      const option = (text) => tab.locator("[role=option][data-combobox-selected=true]").filter({ hasText: text });
      await press("s");
      await tab.locator("#slow-mode:focus").waitFor();
      await press("ArrowDown");
      await option("Slow mode: off").waitFor(); // the menu is open, and at the present value
      await press("ArrowDown");
      await option("Slow mode: 3 s").waitFor();
      await press("Enter");
      await toast(tab, "Slow mode").first().waitFor();
      await tab.locator(".log:focus").waitFor();
      await press("u");
      await tab.waitForFunction(() => document.querySelector("#slow-mode").value === "Slow mode: off");
      await press("Shift+?");
      await tab.getByRole("dialog").getByText("Next and previous message").waitFor();
      await press("Escape");
      assert.ok((await tab.locator(".message").count()) < 60, "the list is a window");
    } finally {
      flow.stop();
      people.leave();
    }
    quiet(tab);
  },

  /** A password is chosen by a link, once; whose password somebody else has set chooses another one before anything. */
  async passwords(browser) {
    const admin = await tokenOf(url, "admin@example.com");
    const { link } = await account(url, admin, { email: "minho@example.com", username: "Minho", role: "HOST" });
    const path = `/password#${link.token}`;
    const tab = await enter(browser, { ...WIDE, email: "", path });
    const wanted = tab.getByLabel("New password", { exact: true });
    const again = tab.getByLabel("New password, once more", { exact: true });
    const save = tab.getByRole("button", { name: "Save" });
    await wanted.fill("short");
    assert.ok(await save.isDisabled(), "eight characters at least");
    await wanted.fill("a password of mine");
    await again.fill("another one");
    await tab.getByText("The two are not the same").waitFor();
    assert.ok(await save.isDisabled());
    assert.ok(!tab.url().includes(link.token), "the link is not in the history");
    await sound(tab, "password");
    await accessible(tab, "password");
    await again.fill("a password of mine");
    await tab.screenshot(picture("password"));
    await tab.keyboard.press("Enter");
    await tab.getByRole("link", { name: "Go to the sign-in page" }).click();
    await tab.locator("input[name=email]").fill("minho@example.com");
    await tab.locator("input[name=password]").fill("a password of mine");
    await tab.keyboard.press("Enter");
    await tab.locator(".connection[data-state=connected]").waitFor();
    quiet(tab);

    const late = await enter(browser, { ...NARROW, email: "", path, language: "ko" });
    await late.getByLabel("새 비밀번호", { exact: true }).fill("a password of mine");
    await late.getByLabel("새 비밀번호 확인", { exact: true }).fill("a password of mine");
    await late.keyboard.press("Enter");
    await late.getByRole("alert").filter({ hasText: "이미 사용했거나" }).waitFor();
    await sound(late, "a used link");
    quiet(late, /40[134]/);

    await account(url, admin, { email: "jisoo@example.com", username: "Jisoo", role: "MODERATOR", password: "chosen by Ada" });
    const first = await enter(browser, { ...WIDE, email: "" });
    await first.locator("input[name=email]").fill("jisoo@example.com");
    await first.locator("input[name=password]").fill("chosen by Ada");
    await first.keyboard.press("Enter");
    await first.getByRole("heading", { name: "Choose your own password" }).waitFor();
    await accessible(first, "first password");
    await first.getByLabel("Current password", { exact: true }).fill("chosen by Ada");
    await first.getByLabel("New password", { exact: true }).fill("chosen by Jisoo");
    await first.getByLabel("New password, once more", { exact: true }).fill("chosen by Jisoo");
    await first.screenshot(picture("first-password"));
    await first.keyboard.press("Enter");
    await first.locator(".connection[data-state=connected]").waitFor();
    quiet(first);
  },

  /** A connection that is cut, and a node that is killed: what came meanwhile is caught up, and counted. */
  async killed(browser) {
    const way = await tunnel(url);
    const far = await enter(browser, { ...WIDE, path: "/live/demo", base: way.url });
    await far.getByPlaceholder("Write as Ada").waitFor();
    const people = await crowd(url, ["viewer1@example.com"]);
    await people.say("before the tunnel");
    await message(far, "before the tunnel").waitFor();
    way.cut();
    await far.getByRole("alert").filter({ hasText: "No connection" }).waitFor();
    await people.say("in the tunnel", 14);
    way.mend();
    await far.locator(".banner").filter({ hasText: "Caught up, 14 messages" }).waitFor();
    await message(far, "in the tunnel 14").waitFor();
    await far.close();
    way.close();

    const tab = await enter(browser, { ...WIDE, path: "/live/demo" });
    await tab.getByPlaceholder("Write as Ada").fill("before");
    await tab.keyboard.press("Enter");
    await message(tab, /before$/).waitFor();
    await request("kill");
    await tab.getByRole("alert").filter({ hasText: "No connection" }).waitFor();
    assert.ok(await tab.getByRole("switch", { name: "Freeze" }).isDisabled(), "actions wait for the connection");
    await tab.screenshot(picture("live-offline"));
    await request("start");
    await tab.locator(".connection[data-state=connected]").waitFor();
    await people.say("after"); // the crowd connects again by itself
    await message(tab, "after").waitFor();
    assert.equal(await message(tab, /before$/).count(), 1);
    people.leave();
    quiet(tab, /ERR_CONNECTION|WebSocket connection|Failed to load/); // of the time without a gateway
  },
};

await withBrowser(chromium, async (browser) => {
  for (const name of names.split(",")) {
    console.log(`scenario: ${name}`);
    await scenarios[name](browser);
    await Promise.all(browser.contexts().map((context) => context.close()));
  }
});
process.exit(0);
