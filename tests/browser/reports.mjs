// A message is reported in the shop page and reviewed in the console. Used by scenarios.mjs.
// The gateway hides a message at the first report.

import assert from "node:assert/strict";
import { join } from "node:path";
import { checkPage, NARROW, openTab, say, WIDE } from "./page.mjs";

const [, , url, artifacts] = process.argv.slice(2);
const picture = (tab, name) => tab.screenshot({ path: join(artifacts, `reports-${name}.png`) });

async function shop(browser, who, language, device = NARROW) {
  const context = await browser.newContext(device);
  await context.addInitScript((language) => localStorage.setItem("dorami.language", language), language);
  const tab = await openTab(context, `${url}?live=demo&as=${who}`);
  await tab.locator("#say input:enabled").waitFor();
  return tab;
}

async function console_(browser, language, device = WIDE) {
  const context = await browser.newContext({ ...device, colorScheme: "light" });
  await context.addInitScript((language) => localStorage.setItem("dorami.language", language), language);
  const tab = await openTab(context, `${url}console/reports`);
  await tab.getByRole("textbox", { name: /E-mail|이메일/ }).fill("admin@example.com");
  await tab.locator("input[type=password]").fill("dorami-dev");
  await tab.keyboard.press("Enter");
  await tab.locator(".connection[data-state=connected]").waitFor();
  return tab;
}

const message = (tab, text) => tab.locator("#messages li").filter({ hasText: text });
const report = (tab, text) => tab.locator(".reports > li").filter({ has: tab.locator(".reports-text", { hasText: text }) });
const gone = (locator) => locator.waitFor({ state: "detached" });

async function reported(browser) {
  const [author, viewer, other] = await Promise.all([shop(browser, "viewer1", "en"), shop(browser, "viewer-ko", "ko"), shop(browser, "viewer2", "en", WIDE)]);
  const staff = await console_(browser, "en");
  await staff.getByText("No report waits for you").waitFor();
  for (const text of ["Which glaze is it?", "buy followers", "A lovely cup"]) {
    await say(author, text);
    await Promise.all([viewer, other].map((tab) => message(tab, text).waitFor()));
  }
  assert.equal(await message(author, "A lovely cup").getByRole("button").count(), 0, "nobody reports their own");

  // A long press opens the menu, a reason sends the report, and the message is hidden until the review.
  await message(viewer, "buy followers").dispatchEvent("pointerdown", { pointerType: "touch", bubbles: true });
  await viewer.getByRole("button", { name: "신고하기" }).click();
  await checkPage(viewer, "the reasons of a report");
  await picture(viewer, "shop");
  await viewer.getByRole("button", { name: "스팸·광고" }).click();
  await viewer.getByText("신고했어요").waitFor();
  for (const tab of [author, viewer, other]) await gone(message(tab, "buy followers"));

  // The queue comes by itself, says what was said around it, and is worked off by keys.
  await report(staff, "buy followers").getByText("Hidden").waitFor();
  await report(staff, "buy followers").getByText("Which glaze is it?").waitFor();
  await staff.locator(".nav").getByRole("link", { name: /Reports/ }).getByText("1").waitFor();
  await checkPage(staff, "the queue");
  await picture(staff, "queue");
  const phone = await console_(browser, "ko", NARROW);
  await report(phone, "buy followers").getByText("숨김").waitFor();
  await checkPage(phone, "the queue on a phone");
  await picture(phone, "phone");

  // A right click opens the menu, too. The new report comes above the chosen one, and the keys act on that still.
  await message(other, "A lovely cup").click({ button: "right" });
  await other.getByRole("button", { name: "Report", exact: true }).click();
  await other.getByRole("button", { name: "Something else" }).click();
  await report(staff, "A lovely cup").waitFor();
  await staff.keyboard.press("a");
  await gone(report(staff, "buy followers"));
  for (const tab of [author, viewer, other]) await message(tab, "buy followers").waitFor();

  // What is deleted stays away.
  await phone.goto(`${url}console/live/demo`);
  await phone.getByRole("link", { name: "검토할 신고 1건" }).waitFor();
  await checkPage(phone, "the live room");
  await staff.keyboard.press("d");
  await gone(report(staff, "A lovely cup"));
  await gone(message(author, "A lovely cup"));
  await staff.getByText("Deleted", { exact: true }).click();
  await report(staff, "The text is deleted.").waitFor();
  for (const tab of [author, viewer, other, staff, phone]) assert.deepEqual(tab.complaints, []);
}

export const reports = { reported };
