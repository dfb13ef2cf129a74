// What moderators and hosts do on the demo page, and what the others see of it. Used by scenarios.mjs.

import assert from "node:assert/strict";
import { connected, message, moderate, NARROW, openTab, reads, say, signIn, WIDE } from "./page.mjs";

const pin = (tab, text) => tab.getByRole("region", { name: "Pinned messages" }).getByRole("listitem").filter({ hasText: text });
const undo = (tab) => tab.getByRole("button", { name: "Undo" }).click();
const featured = (tab, name) => tab.locator("#products > li:first-child.featured").filter({ hasText: name });
const reason = (tab) => tab.locator("#composer-reason");
const field = (tab) => tab.getByLabel("Your message");

/** Wait until somebody can write, or cannot. */
async function mayWrite(tab, may) {
  await field(tab).and(tab.locator(may ? ":enabled" : ":disabled")).waitFor();
}

/** A tab for each of `people`, who are names; a `Guest` comes in without one. */
async function gather(browser, url, people) {
  const tabs = [];
  for (const person of people) {
    const context = await browser.newContext({ ...WIDE, colorScheme: "light" }); // a tab behind another one is slow
    const tab = await openTab(context, url);
    await signIn(tab, person === "Guest" ? "Watch as guest" : new RegExp(person));
    tabs.push(tab);
  }
  return tabs;
}

/** Ask the gateway over HTTP as who is signed in on a tab. */
async function call(tab, method, path, body) {
  const status = await tab.evaluate(
    async ([method, path, body]) => {
      const { accessToken } = JSON.parse(sessionStorage.getItem("dorami.session"));
      const headers = { Authorization: `Bearer ${accessToken}`, "Content-Type": "application/json" };
      return (await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) })).status;
    },
    [method, path, body],
  );
  assert.ok(status < 300, `${method} ${path} answered ${status}`);
}

export const moderation = {
  async moderated(browser, { url, picture }) {
    const [host, admin, viewer] = await gather(browser, url, ["Hana", "Ada", "Mina"]);
    for (const text of ["First", "Second", "Third"]) {
      await say(viewer, text);
      for (const tab of [host, admin]) await message(tab, text).waitFor();
    }

    // A host pins and mutes; deleting and banning are not offered.
    await message(host, "First").getByRole("button", { name: /Moderate/ }).click();
    assert.deepEqual(await host.getByRole("menuitem").allTextContents(), ["Pin on top", "Mute Mina for 5\u00a0min"]);
    await host.keyboard.press("Escape");
    await moderate(host, "First", "Pin on top");
    await pin(viewer, "First").waitFor();
    await moderate(host, "Second", "Pin on top");
    await pin(viewer, "Second").waitFor();
    assert.equal(await pin(viewer, "First").isVisible(), false, "the newest stands for all");
    await viewer.getByRole("button", { name: "1 more pinned" }).click();
    await pin(viewer, "First").waitFor();
    await viewer.waitForFunction(() => {
      const list = document.querySelector("#messages");
      return list.scrollHeight - list.scrollTop - list.clientHeight < 2; // the newest message stays in sight
    });
    assert.equal(await viewer.getByRole("button", { name: /Unpin|Moderate/ }).count(), 0, "viewers only look");
    await host.getByRole("button", { name: /Unpin the message of Mina: Second/ }).click();
    for (const tab of [host, viewer]) await pin(tab, "Second").waitFor({ state: "detached" });
    const [late] = await gather(browser, url, ["Joon"]);
    await pin(late, "First").waitFor();

    // What is deleted is not on top either.
    await moderate(admin, "First", "Delete message");
    for (const tab of [host, viewer, late]) {
      await message(tab, "First").waitFor({ state: "detached" });
      await pin(tab, "First").waitFor({ state: "detached" });
    }

    // Muted: said why and until when, and over when it is taken back.
    await field(viewer).fill("I was about to say");
    await moderate(host, "Third", /Mute Mina/);
    await reads(reason(viewer), /You are muted until \d\d:\d\d/);
    await mayWrite(viewer, false);
    await viewer.screenshot(picture("muted"));
    await undo(host);
    await mayWrite(viewer, true);
    assert.equal(await field(viewer).inputValue(), "I was about to say");

    // Cleared after it was said how much, and brought back to its places.
    await admin.getByRole("button", { name: "Moderate the chat" }).click();
    await admin.getByRole("button", { name: "Clear the chat" }).click();
    await admin.getByRole("button", { name: "Yes, delete 2 messages" }).click();
    for (const tab of [admin, viewer]) await message(tab, "Third").waitFor({ state: "detached" });
    await say(late, "What was here?");
    await message(viewer, "What was here?").waitFor();
    await undo(admin);
    await message(viewer, "Second").waitFor();
    await message(viewer, "Third").waitFor();
    assert.deepEqual(await viewer.locator("#messages .text").allTextContents(), ["Second", "Third", "What was here?"]);

    // Banned from the chat, not from the stream; a reload does not help, pardon does.
    await moderate(admin, "Third", "Ban Mina");
    await reads(reason(viewer), "You are banned from this chat.");
    await mayWrite(viewer, false);
    await connected(viewer);
    await viewer.reload();
    await connected(viewer);
    await reads(reason(viewer), "You are banned from this chat.");
    assert.equal(await message(viewer, "Third").count(), 0);
    await undo(admin);
    await viewer.reload();
    await message(viewer, "Third").waitFor();
    await mayWrite(viewer, true);
    for (const tab of [host, admin, viewer, late]) assert.deepEqual(tab.complaints, []);
  },

  async ruled(browser, { url, picture }) {
    const [host, viewer, guest] = await gather(browser, url, ["Hana", "Sora", "Guest"]);
    await reads(reason(guest), "Guests can read here. Sign in to write.");
    await mayWrite(guest, false);
    assert.equal(await guest.getByRole("button", { name: "Sign in to buy" }).first().isDisabled(), true);

    await host.getByRole("button", { name: "Moderate the chat" }).click();
    await host.getByLabel("Slow mode").and(host.locator(":focus")).waitFor();
    await host.getByLabel("Guests may write").check();
    await mayWrite(guest, true);
    await say(guest, "Hello from outside");
    await message(viewer, "Hello from outside").waitFor();

    await host.getByLabel("Freeze the chat").check();
    await reads(reason(viewer), "The chat is frozen.");
    for (const tab of [viewer, guest]) await mayWrite(tab, false);
    await mayWrite(host, true);
    await host.getByLabel("Freeze the chat").uncheck();
    await mayWrite(viewer, true);

    await host.getByLabel("Announcement").fill("Five minutes to go");
    await host.keyboard.press("Enter");
    await message(viewer, "Five minutes to go").filter({ hasText: "Announcement by Hana" }).waitFor();

    // Slow mode counts down where it was written, and in another tab of the same person, which gives the text back.
    const [again] = await gather(browser, url, ["Sora"]);
    const slow = host.getByLabel("Slow mode");
    const send = (tab) => tab.getByRole("button", { name: "Send" });
    await slow.selectOption({ label: "1 min" });
    await host.screenshot(picture("moderating"));
    for (const tab of [viewer, again]) await reads(reason(tab), /one message every 1\smin/);
    await say(viewer, "One");
    await reads(viewer.locator("#countdown"), /^\d+ s$/);
    assert.equal(await send(viewer).isDisabled(), true);
    await say(again, "Two");
    await reads(again.locator("#countdown"), /^\d+ s$/);
    assert.equal(await field(again).inputValue(), "Two");
    assert.equal(await message(again, "Two").count(), 0);
    await again.screenshot(picture("slow-mode"));
    await slow.selectOption({ label: "Off" });
    await send(again).and(again.locator(":enabled")).waitFor();
    await field(again).press("Enter");
    await message(host, "Two").waitFor();
    await slow.selectOption({ label: "5 s" });
    await reads(reason(again), /one message every 5\ss/);
    await say(again, "Three");
    await reads(again.locator("#countdown"), /^\d s$/);
    await send(again).and(again.locator(":enabled")).waitFor();
    await again.locator("#countdown").waitFor({ state: "hidden" });
    await host.getByRole("button", { name: "Moderate the chat" }).click();
    await host.getByRole("dialog").waitFor({ state: "hidden" });

    const context = await browser.newContext({ ...NARROW, colorScheme: "dark" });
    const phone = await openTab(context, url);
    await signIn(phone, /Hana/);
    await phone.getByRole("button", { name: "Moderate the chat" }).tap();
    await phone.getByRole("dialog").waitFor();
    const box = await phone.getByRole("dialog").boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= NARROW.viewport.width, "the panel is on the screen");
    await phone.screenshot(picture("moderating-phone"));
    for (const tab of [host, viewer, guest, again, phone]) assert.deepEqual(tab.complaints, []);
  },

  async shown(browser, { url, picture }) {
    const [host, admin, viewer] = await gather(browser, url, ["Hana", "Ada", "Joon"]);
    await host.getByRole("button", { name: "Show Moon jar lamp first" }).click();
    for (const tab of [host, viewer]) {
      await featured(tab, "Moon jar lamp").getByText("Featured", { exact: true }).waitFor();
    }
    assert.equal(await viewer.getByRole("button", { name: /Show .* first/ }).count(), 0, "viewers only look");
    await viewer.screenshot(picture("featured"));
    await viewer.reload();
    await featured(viewer, "Moon jar lamp").waitFor();
    await admin.getByRole("button", { name: "Show Linen apron first" }).click();
    await featured(viewer, "Linen apron").waitFor();
    await admin.getByRole("button", { name: "Show Linen apron first", pressed: true }).click();
    await viewer.locator("#products > li.featured").waitFor({ state: "detached" });
    await reads(viewer.locator("#products > li").first(), "Celadon tea cup");

    const { id } = await viewer.evaluate(() => JSON.parse(sessionStorage.getItem("dorami.session")).user);
    const text = { title: "On its way", message: "Your lamp has left Icheon <b>today</b>", level: "SUCCESS" };
    await call(admin, "POST", "/notifications", { userId: id, ...text });
    await reads(viewer.locator(".notice.success"), /On its way\s*Your lamp has left Icheon <b>today<\/b>/);
    assert.equal(await host.locator(".notice").filter({ hasText: "On its way" }).count(), 0);

    await call(host, "POST", "/streams/demo/stop");
    await reads(viewer.locator("#live"), "Off air");
    await reads(viewer.locator("#screen-text"), "The stream has ended");
    await viewer.screenshot(picture("ended"));
    for (const tab of [host, admin, viewer]) assert.deepEqual(tab.complaints, []);
  },
};
