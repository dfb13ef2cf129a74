// What two visitors of the demo page do and see: `node scenarios.mjs <scenario> <chromium> <url> <artifacts>`.
// Ends with an error when something is not as it should be. Started by test_demo_page.py.

import assert from "node:assert/strict";
import { join } from "node:path";
import { documents } from "./documents.mjs";
import { moderation } from "./moderation.mjs";
import { connected, message, moderate, NARROW, openTab, product, reads, say, signIn, tunnel, WIDE, withBrowser } from "./page.mjs";

const [name, chromium, url, artifacts] = process.argv.slice(2);
const picture = (file) => ({ path: join(artifacts, `${file}.png`) });

const scenarios = {
  ...documents,
  ...moderation,

  async together(browser) {
    const one = await browser.newContext({ ...WIDE, colorScheme: "light" });
    const viewer = await openTab(one, url);
    await viewer.screenshot(picture("sign-in"));
    await signIn(viewer, /Mina/);
    // The same browser, as `target=_blank rel=noopener` opens it: a tab is a person.
    const admin = await openTab(one, url);
    await signIn(admin, /Ada/);
    assert.equal(await viewer.locator("#role").textContent(), "user");
    assert.equal(await admin.locator("#role").textContent(), "admin");
    for (const tab of [viewer, admin]) await reads(tab.locator("#viewers"), /^2$/);

    // The chat, both ways, markup included.
    const hostile = `<img src=x onerror="complain('ran')"> <b>bold</b>`;
    await say(viewer, hostile);
    await say(admin, "Welcome, viewer!");
    for (const tab of [viewer, admin]) {
      await message(tab, hostile).waitFor();
      await message(tab, "Welcome, viewer!").waitFor();
      assert.equal(await tab.locator("#messages .pending").count(), 0);
      assert.equal(await message(tab, hostile).count(), 1);
    }
    assert.equal(await message(viewer, hostile).getByRole("button").count(), 0, "only moderators have a menu");

    // Who comes later sees it in the history; a second tab of the same person is nobody new.
    const late = await openTab(one, url);
    await signIn(late, /Mina/);
    await message(late, hostile).waitFor();
    await reads(late.locator("#viewers"), /^2$/);

    // Deleted is deleted for all, by keyboard.
    await message(admin, hostile).getByRole("button", { name: /Moderate/ }).focus();
    await admin.keyboard.press("Enter");
    await admin.getByRole("menuitem", { name: "Pin on top" }).and(admin.locator(":focus")).waitFor();
    for (const key of ["ArrowDown", "ArrowDown", "Enter"]) await admin.keyboard.press(key);
    for (const tab of [viewer, admin, late]) await message(tab, hostile).waitFor({ state: "detached" });
    await late.reload();
    await connected(late);
    await message(late, "Welcome, viewer!").waitFor();
    assert.equal(await message(late, hostile).count(), 0, "deleted messages are not in the history");
    await late.close();

    // A price and a stock travel.
    const card = admin.locator("#products > li").first();
    const title = await card.locator(".product-name").textContent();
    const before = await product(viewer, title).locator(".price").textContent();
    await card.getByLabel("Price").fill("12.34");
    await card.getByLabel("Stock").fill("77");
    await card.getByRole("button", { name: "Save" }).click();
    for (const tab of [viewer, admin]) {
      await reads(product(tab, title).locator(".price"), "12.34");
      await reads(product(tab, title).locator(".stock"), "77 in stock");
    }
    assert.doesNotMatch(before, /12\.34/);
    assert.equal(await viewer.locator("#products form").count(), 0, "only admins change products");

    // Bought, which everybody sees.
    await product(viewer, title).getByRole("button", { name: /Buy/ }).click();
    for (const tab of [viewer, admin]) {
      await reads(product(tab, title).locator(".stock"), "76 in stock");
      await reads(tab.locator(".notice"), /bought 1 × /);
    }
    await reads(viewer.locator(".notice"), /It is yours/);

    // Sold out, and back.
    await card.getByLabel("Stock").fill("0");
    await card.getByRole("button", { name: "Save" }).click();
    await reads(product(viewer, title).locator(".stock"), "Sold out");
    assert.equal(await product(viewer, title).getByRole("button", { name: /Buy/ }).count(), 0, "nothing is left to buy");
    await card.getByLabel("Stock").fill("20");
    await card.getByRole("button", { name: "Save" }).click();
    await reads(product(viewer, title).locator(".stock"), "20 in stock");

    for (const [tab, text] of [
      [viewer, "Hello from Busan! Does the cup survive a dishwasher?"],
      [admin, "It does. The brass chopsticks don't: wash them by hand."],
      [viewer, "Then I take two cups, and the jam."],
    ]) {
      await say(tab, text);
      await message(viewer, text).waitFor();
    }
    await message(admin, "Then I take two cups").waitFor();
    await admin.screenshot(picture("admin"));
    await viewer.screenshot(picture("viewer"));
    const pocket = await browser.newContext({ ...NARROW, colorScheme: "dark" });
    const phone = await openTab(pocket, url);
    await phone.screenshot(picture("phone-sign-in"));
    await signIn(phone, /Joon/);
    for (const tab of [phone, viewer]) await reads(tab.locator("#viewers"), /^3$/);
    await message(phone, "Welcome, viewer!").waitFor();
    await phone.screenshot({ ...picture("phone"), fullPage: true });
    const overflow = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} px too wide for a phone`);
    await phone.close();
    await reads(viewer.locator("#viewers"), /^2$/);

    await viewer.getByRole("button", { name: "Sign out" }).click();
    await viewer.getByRole("button", { name: /Mina/ }).waitFor();
    await reads(admin.locator("#viewers"), /^1$/);
    for (const tab of [viewer, admin, late, phone]) assert.deepEqual(tab.complaints, []);
  },

  async tunnel(browser) {
    const way = await tunnel(url);
    try {
      const context = await browser.newContext(WIDE);
      const admin = await openTab(context, url);
      await signIn(admin, /Ada/);
      const traveller = await openTab(context, way.url);
      await signIn(traveller, /Sora/);
      await say(traveller, "Before the tunnel");
      await message(admin, "Before the tunnel").waitFor();

      way.cut();
      await traveller.locator("#connection[data-state=recovering]").waitFor();
      await say(admin, "Inside the tunnel");
      await moderate(admin, "Before the tunnel", "Delete message");
      await message(admin, "Before the tunnel").waitFor({ state: "detached" });
      const card = admin.locator("#products > li").nth(1);
      await card.getByLabel("Price").fill("43.21");
      await card.getByRole("button", { name: "Save" }).click();
      await reads(card.locator(".price"), "43.21");
      await say(traveller, "Written without a connection");
      await traveller.locator("#messages .pending").waitFor();

      way.mend();
      await connected(traveller);
      await message(traveller, "Inside the tunnel").waitFor();
      await message(traveller, "Before the tunnel").waitFor({ state: "detached" });
      await reads(traveller.locator("#products > li").nth(1).locator(".price"), "43.21");
      await message(admin, "Written without a connection").waitFor();
      await traveller.locator("#messages .pending").waitFor({ state: "detached" });
      for (const tab of [admin, traveller]) assert.equal(await message(tab, "Written without a connection").count(), 1);
    } finally {
      way.close();
    }
  },

  async refused(browser) {
    const context = await browser.newContext(WIDE);
    const tab = await openTab(context, url);
    await signIn(tab, /Joon/);
    // A token that the gateway does not know: said why, not tried for ever, and a way back in.
    await tab.evaluate(() => {
      const held = JSON.parse(sessionStorage.getItem("dorami.session"));
      sessionStorage.setItem("dorami.session", JSON.stringify({ ...held, accessToken: "forged" }));
    });
    await tab.reload();
    await reads(tab.locator("#connection-text"), "Refused: Invalid token");
    await reads(tab.locator("#composer-reason"), "You cannot write here: Invalid token.");
    assert.equal(await tab.getByLabel("Your message").isDisabled(), true);
    const empty = () => tab.locator("#messages").evaluate((list) => getComputedStyle(list, "::after").content);
    assert.equal(await empty(), "none", "nobody knows what was said");
    await tab.getByRole("button", { name: "Sign out" }).click();
    await signIn(tab, /Joon/);
    await tab.locator("#chat.known").waitFor();
    assert.equal(await empty(), '"Nobody has said anything yet."');
    // Words longer than the gateway takes never leave the page; an empty one neither.
    await tab.getByLabel("Your message").fill("x".repeat(600));
    assert.equal((await tab.getByLabel("Your message").inputValue()).length, 500);
  },

  /** The page of documents: everything is listed, unfolds, can be found, and comes from the gateway alone. */
  /** Against a gateway whose access tokens last a few seconds. */
  async renewed(browser) {
    const context = await browser.newContext(WIDE);
    const tab = await openTab(context, url);
    await tab.evaluate(() => {
      const pill = document.querySelector("#connection");
      window.states = [];
      new MutationObserver(() => window.states.push(pill.dataset.state)).observe(pill, { attributeFilter: ["data-state"] });
    });
    await signIn(tab, /Hana/);
    const held = () => tab.evaluate(() => JSON.parse(sessionStorage.getItem("dorami.session")));
    const first = await held();
    await tab.waitForFunction((end) => Date.now() > end + 1500, first.expiresAt);
    assert.notEqual((await held()).accessToken, first.accessToken);
    await say(tab, "Still here");
    await message(tab, "Still here").waitFor();
    await tab.locator("#messages .pending").waitFor({ state: "detached" });
    const states = await tab.evaluate(() => window.states);
    assert.deepEqual([...new Set(states)], ["connecting", "connected"], "the live sockets took the fresh token");
    assert.deepEqual(tab.complaints, []);
  },
};

await withBrowser(chromium, (browser) => scenarios[name](browser, { url, picture }));
