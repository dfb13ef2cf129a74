// What visitors of the shop page do and see, alone and with each other. Used by scenarios.mjs.
// Everything is waited for: an answer and the broadcast of it come in any order.

import assert from "node:assert/strict";
import { join } from "node:path";
import { checkPage, NARROW, openTab, reads, tunnel, WIDE } from "./page.mjs";

const [, , url, artifacts] = process.argv.slice(2);
const picture = (file) => ({ path: join(artifacts, `shop-${file}.png`) });

const connected = (tab) => tab.locator("#stage[data-connection=connected]").waitFor();
const field = (tab) => tab.locator("#say input");
const why = (tab) => tab.locator("#why");
const message = (tab, text) => tab.getByRole("log").getByRole("listitem").filter({ hasText: text });
const pin = (tab, text) => tab.locator("#pins li").filter({ hasText: text });
const item = (tab, name) => tab.locator("#items li").filter({ hasText: name });
const gone = (locator) => locator.waitFor({ state: "detached" });
const hidden = (locator) => locator.waitFor({ state: "hidden" });
const noneOf = (tab, selector) => tab.waitForFunction((selector) => !document.querySelector(selector), selector);
const news = (tab, text) => tab.locator("#news .notice").filter({ hasText: text }).first();

/** A tab on the shop as `who`, a guest without, at `base`; it has joined its rooms. */
async function enter(browser, who, { look = WIDE, locale = "en-US", live = "", base = url } = {}) {
  const context = await browser.newContext({ ...look, locale }); // a tab behind another one is slow
  const tab = await openTab(context, `${base}?${new URLSearchParams({ ...(who && { as: who }), ...(live && { live }) })}`);
  await connected(tab);
  return tab;
}

/** Somebody of the staff without a page, as the console would have it: `ask` over the socket, `call` over HTTP. */
async function staff(who, liveId = "demo") {
  const { Dorami, HttpSession } = await import("../../clients/js/dist/esm/index.js");
  const session = new HttpSession(url.replace(/\/$/, ""));
  await session.login(`${who}@example.com`, "dorami-dev");
  const dorami = new Dorami({ url, token: session.token });
  const chat = dorami.chat(liveId);
  const joined = new Promise((resolve) => chat.state.subscribe(({ status }) => status === "joined" && resolve()));
  chat.retain();
  dorami.connect();
  await joined;
  return {
    ask: (event, request = {}) => dorami.ask("/chat", event, { liveId, ...request }),
    call: (method, path, body) => session.call(method, path, body),
    find: (text) => until(() => chat.state.get().messages.find((each) => each.message === text)),
    product: async (name) => (await session.call("GET", `/products?streamKey=${liveId}&limit=100`)).items.find((each) => each.name === name),
    close: () => dorami.close(),
  };
}

const LIMIT = 20_000 * Number(process.env.TEST_TIME_SCALE ?? 1); // ms

/** Wait until `condition()` is something, and return it. Fails after a while. */
async function until(condition) {
  const end = Date.now() + LIMIT;
  for (;;) {
    const found = condition();
    if (found) return found;
    assert.ok(Date.now() < end, `${condition} is not true`);
    await new Promise((waited) => setTimeout(waited, 20));
  }
}

async function say(tab, text) {
  await field(tab).fill(text);
  await tab.keyboard.press("Enter");
}

/** Wait until somebody can write, or cannot. */
async function mayWrite(tab, may) {
  await field(tab).and(tab.locator(may ? ":enabled" : ":disabled")).waitFor();
}

/** The host's menu of a message. */
async function menu(tab, text) {
  await message(tab, text).getByRole("button", { name: /Moderate/ }).focus();
  await tab.keyboard.press("Enter");
}

function clean(...tabs) {
  for (const tab of tabs) assert.deepEqual(tab.complaints, []);
}

export const shop = {
  async together(browser) {
    // Before its script runs, the page takes no message: the browser would send the form itself, and leave the address.
    const slow = await browser.newContext(NARROW);
    await slow.route("**/*.js", () => {});
    const early = await slow.newPage();
    await early.goto(`${url}?as=viewer1`, { waitUntil: "commit" });
    assert.ok(await field(early).isDisabled());
    await slow.close();

    const asked = [];
    const viewer = await enter(browser, "viewer1");
    viewer.on("request", (request) => asked.push(request.url()));
    const admin = await enter(browser, "admin");
    for (const tab of [viewer, admin]) await reads(tab.locator("#viewers"), /^2 watching$/);
    await reads(viewer.locator("#name"), "Mina");

    // The chat, both ways, markup included.
    const hostile = `<img src=x onerror="complain('ran')"> <b>bold</b>`;
    await say(viewer, hostile);
    await say(admin, "Welcome, viewer!");
    for (const tab of [viewer, admin]) {
      await message(tab, hostile).waitFor();
      await message(tab, "Welcome, viewer!").waitFor();
      await noneOf(tab, "#messages .pending");
      assert.equal(await message(tab, hostile).count(), 1);
    }
    assert.equal(await message(viewer, hostile).getByRole("button").count(), 0, "only moderators have a menu");

    // A second tab of the same person has the history, and is nobody new.
    const late = await enter(browser, "viewer1");
    await message(late, hostile).waitFor();
    await reads(late.locator("#viewers"), /^2 watching$/);

    // Deleted for all, by keyboard.
    await menu(admin, hostile);
    await admin.getByRole("button", { name: "Delete message" }).waitFor();
    for (const key of ["Tab", "Enter"]) await admin.keyboard.press(key); // after "Pin on top"
    for (const tab of [viewer, admin, late]) await gone(message(tab, hostile));
    await late.reload();
    await message(late, "Welcome, viewer!").waitFor();
    assert.equal(await message(late, hostile).count(), 0, "deleted messages are not in the history");
    await late.close();

    // A price and a stock travel; what is bought is gone for everybody; what is not paid comes back.
    const boss = await staff("admin");
    const { id } = await boss.product("Celadon tea cup");
    await boss.call("PATCH", `/products/${id}`, { price: 23000, stock: 7 });
    await viewer.getByRole("button", { name: /Show products: \d/ }).click();
    const cup = item(viewer, "Celadon tea cup");
    await reads(cup.locator(".price b"), "₩23,000");
    await reads(cup, "7 left");
    await admin.locator("#bag").click();
    await cup.getByRole("button", { name: /Buy/ }).click();
    await viewer.getByRole("button", { name: "One more" }).click();
    await reads(viewer.locator("#total"), "₩46,000");
    await viewer.screenshot(picture("buying"));
    const told = reads(news(admin, "just bought"), /M\S+ just bought something/); // waited for from here on: news pass by
    await viewer.getByRole("button", { name: "Order for ₩46,000" }).click();
    await reads(viewer.locator("#orders li").first(), /Pay within 1\d:\d\d/);
    await reads(viewer.locator(".done"), /Ordered\. Pay within/);
    await told;
    await reads(item(admin, "Celadon tea cup"), "5 left");
    await viewer.locator("#orders").getByRole("button", { name: "Pay" }).click();
    await viewer.locator("#orders .paid").waitFor();
    await viewer.getByRole("button", { name: "In this show" }).click();
    await cup.getByRole("button", { name: /Buy/ }).click();
    await boss.call("PATCH", `/products/${id}`, { price: 22000 });
    await reads(viewer.locator("#trouble"), "The price has changed");
    await viewer.getByRole("button", { name: "Order for ₩22,000" }).click();
    await reads(item(admin, "Celadon tea cup"), "4 left");
    await viewer.locator("#orders").getByRole("button", { name: "Cancel order" }).click();
    await viewer.locator("#orders .cancelled").waitFor();
    await reads(item(admin, "Celadon tea cup"), "5 left");

    // Sold out is grey and last, and back again.
    await viewer.getByRole("button", { name: "In this show" }).click();
    await boss.call("PATCH", `/products/${id}`, { stock: 0 });
    await reads(viewer.locator("#items li").last(), "Celadon tea cup");
    await cup.getByRole("button", { name: /Sold out/ }).and(viewer.locator(":disabled")).waitFor();
    await boss.call("PATCH", `/products/${id}`, { stock: 20 });
    await reads(viewer.locator("#items li").first(), "Celadon tea cup");
    await viewer.keyboard.press("Escape");

    // Nothing comes from elsewhere, no cookie is left, and nothing outlives the tab but the language.
    assert.deepEqual(asked.filter((address) => !address.startsWith(url) && !address.startsWith("data:")), []);
    assert.deepEqual(await viewer.context().cookies(), []);
    assert.deepEqual(await viewer.evaluate(() => [...Object.keys(localStorage), ...Object.keys(sessionStorage)]), []);

    // Another person by two presses, and a guest again.
    await viewer.getByRole("button", { name: /sign in and other shows/ }).click();
    await viewer.getByRole("link", { name: /Joon/ }).click();
    await reads(viewer.locator("#name"), "Joon");
    await viewer.getByRole("button", { name: /sign in and other shows/ }).click();
    await viewer.getByRole("button", { name: "Sign out" }).click();
    await reads(viewer.locator("#name"), "Guest");
    for (const tab of [viewer, admin]) await reads(tab.locator("#viewers"), /^2 watching$/);
    boss.close();
    clean(viewer, admin, late);
  },

  /** Without a connection, and refused. */
  async away(browser) {
    const way = await tunnel(url);
    try {
      const boss = await staff("admin");
      const admin = await enter(browser, "admin");
      const traveller = await enter(browser, "viewer3", { base: way.url });
      await say(traveller, "Before the tunnel");
      await message(admin, "Before the tunnel").waitFor();

      way.cut();
      await reads(traveller.locator("#connection"), "Reconnecting");
      await say(admin, "Inside the tunnel");
      await menu(admin, "Before the tunnel");
      await admin.getByRole("button", { name: "Delete message" }).click();
      await gone(message(admin, "Before the tunnel"));
      const { id } = await boss.product("Linen apron");
      await boss.call("PATCH", `/products/${id}`, { price: 41000 });
      await say(traveller, "Written without a connection");
      await traveller.locator("#messages .pending").waitFor();
      await traveller.screenshot(picture("recovering"));

      way.mend();
      await connected(traveller);
      await hidden(traveller.locator("#connection"));
      await message(traveller, "Inside the tunnel").waitFor();
      await gone(message(traveller, "Before the tunnel"));
      await traveller.locator("#bag").click();
      await reads(item(traveller, "Linen apron").locator(".price"), "₩41,000");
      await message(admin, "Written without a connection").waitFor();
      await noneOf(traveller, "#messages .pending");
      for (const tab of [admin, traveller]) assert.equal(await message(tab, "Written without a connection").count(), 1);

      // Logged out elsewhere: said why, not tried for ever, and a way back in.
      const other = await staff("viewer3");
      await traveller.keyboard.press("Escape");
      await other.call("POST", "/auth/logout-all");
      await traveller.locator("#stage[data-connection=refused]").waitFor();
      await reads(traveller.locator("#connection"), "Cannot connect: you were logged out");
      await mayWrite(traveller, false);
      await traveller.screenshot(picture("refused"));
      await traveller.getByRole("button", { name: "Try again" }).click();
      await connected(traveller);
      await mayWrite(traveller, true);
      for (const each of [boss, other]) each.close();
      clean(admin);
    } finally {
      way.close();
    }
  },

  /** What moderators do, as viewers see it. */
  async moderated(browser) {
    const [host, viewer, admin] = [await enter(browser, "host"), await enter(browser, "viewer1"), await staff("admin")];
    for (const text of ["First", "Second", "Third"]) {
      await say(viewer, text);
      await message(host, text).waitFor();
    }
    await menu(host, "First");
    assert.deepEqual(await host.locator("#menu button").allTextContents(), ["Pin on top", "Report", "Close"], "a host does not delete");
    await host.getByRole("button", { name: "Pin on top" }).click();
    await pin(viewer, "First").waitFor();
    await menu(host, "Second");
    await host.getByRole("button", { name: "Pin on top" }).click();
    await pin(viewer, "Second").waitFor();
    await gone(pin(viewer, "First")); // the newest stands for all
    await viewer.getByRole("button", { name: "Show 1 more pinned" }).click();
    await pin(viewer, "First").waitFor();
    assert.equal(await viewer.getByRole("button", { name: /^Unpin|Moderate/ }).count(), 0, "viewers only look");
    await host.getByRole("button", { name: "Unpin: Second" }).click();
    await gone(pin(viewer, "Second"));
    const late = await enter(browser, "viewer2");
    await pin(late, "First").waitFor();

    // What is deleted is not on top either.
    const { id, userId } = await admin.find("First");
    await admin.ask("chat:delete-message", { messageId: id });
    for (const tab of [host, viewer, late]) {
      await gone(message(tab, "First"));
      await hidden(tab.locator("#pins"));
    }

    // Muted: said until when, and over when it is taken back.
    await field(viewer).fill("I was about to say");
    await admin.ask("chat:mute-user", { userId, seconds: 300 });
    await reads(why(viewer), /You are muted until \d\d:\d\d/);
    await mayWrite(viewer, false);
    await viewer.screenshot(picture("muted"));
    await admin.ask("chat:unmute-user", { userId });
    await mayWrite(viewer, true);
    assert.equal(await field(viewer).inputValue(), "I was about to say");

    // Cleared, and brought back to its places.
    const { clearId } = await admin.ask("chat:clear");
    for (const tab of [host, viewer]) await gone(message(tab, "Third"));
    await say(late, "What was here?");
    await message(viewer, "What was here?").waitFor();
    await admin.ask("chat:undo-clear", { clearId });
    await message(viewer, "Third").waitFor();
    assert.deepEqual(await viewer.locator("#messages .text").allTextContents(), ["Second", "Third", "What was here?"]);

    // Banned from the chat, not from the show; a reload does not help, pardon does.
    await admin.ask("chat:ban-user", { userId });
    await reads(why(viewer), /^You are banned from this chat$/);
    await mayWrite(viewer, false);
    await viewer.reload();
    await connected(viewer);
    await reads(why(viewer), "You are banned from this chat");
    assert.equal(await message(viewer, "Third").count(), 0);
    await viewer.screenshot(picture("banned"));
    await admin.ask("chat:unban-user", { userId });
    await viewer.reload();
    await message(viewer, "Third").waitFor();
    await mayWrite(viewer, true);
    admin.close();
    clean(host, viewer, late);
  },

  /** Who cannot write is told why, and for how long. */
  async ruled(browser) {
    const [host, viewer, guest] = [await staff("host"), await enter(browser, "viewer3"), await enter(browser)];
    await guest.getByRole("button", { name: "Sign in to join the chat" }).click();
    await guest.getByRole("heading", { name: "You watch as a guest" }).waitFor();
    await guest.keyboard.press("Escape");
    await guest.locator("#featured").getByRole("button", { name: /Buy/ }).click();
    await guest.getByRole("heading", { name: "You watch as a guest" }).waitFor();
    await guest.keyboard.press("Escape");
    await host.ask("chat:allow-guests", { allowed: true });
    await mayWrite(guest, true);
    await say(guest, "Hello from outside");
    await message(viewer, "Hello from outside").waitFor();

    await host.ask("chat:freeze", { frozen: true });
    await reads(why(viewer), "The host has paused the chat");
    for (const tab of [viewer, guest]) await mayWrite(tab, false);
    await viewer.screenshot(picture("frozen"));
    await host.ask("chat:freeze", { frozen: false });
    await mayWrite(viewer, true);
    await host.ask("chat:announce", { message: "Five minutes to go" });
    await message(viewer, "Five minutes to go").filter({ hasText: "Announcement · Hana" }).waitFor();

    // Slow mode counts down where something was written; another tab of the same person waits its turn.
    const again = await enter(browser, "viewer3");
    await host.ask("chat:slow-mode", { seconds: 60 });
    for (const tab of [viewer, again]) await reads(why(tab), "Slow mode: one message every 60 s");
    await say(viewer, "One");
    await reads(viewer.locator("#wait"), /^in \d+ s$/);
    await viewer.locator("#say button:disabled").waitFor();
    await viewer.screenshot(picture("slow"));
    await say(again, "Two");
    await message(again, "Two").and(again.locator(".pending")).waitFor();
    await host.ask("chat:slow-mode", { seconds: 0 });
    await viewer.locator("#say button:enabled").waitFor();
    await hidden(viewer.locator("#standing"));
    host.close();
    clean(viewer, guest, again);
  },

  /** The product on air, deals, notifications, and a show before, after and not at all. */
  async shown(browser) {
    const [host, admin] = [await staff("host"), await staff("admin")];
    const viewer = await enter(browser, "viewer2");
    const guest = await enter(browser);
    for (let presses = 0; presses < 3; presses++) await guest.getByRole("button", { name: "Send a heart" }).click();
    await viewer.locator("#heart[data-heard='3']").waitFor(); // one request, or two if the machine is slow
    const lamp = await host.product("Moon jar lamp");
    await host.call("PUT", "/streams/demo/featured-product", { productId: lamp.id });
    await reads(viewer.locator("#featured"), /On air\s*Moon jar lamp/);
    await viewer.reload();
    await reads(viewer.locator("#featured"), /On air\s*Moon jar lamp/);
    await host.call("DELETE", "/streams/demo/featured-product");
    await reads(viewer.locator("#featured"), "Celadon tea cup");
    await noneOf(viewer, "#featured .now");

    await host.call("POST", `/products/${lamp.id}/deal`, { price: 79000, until: new Date(Date.now() + 600_000).toISOString() });
    await reads(viewer.locator("#deal"), /Moon jar lamp ₩119,000 → ₩79,000/);
    await reads(viewer.locator("#deal time"), /^(10:00|9:\d\d)$/);

    const { userId } = await admin.call("GET", "/users?search=viewer2").then(({ items: [{ id }] }) => ({ userId: id }));
    const told = reads(news(viewer, "On its way"), /On its way\s*Your lamp has left <b>Icheon<\/b>/);
    await admin.call("POST", "/notifications", { userId, title: "On its way", message: "Your lamp has left <b>Icheon</b>", level: "SUCCESS" });
    await told;

    await host.call("POST", "/streams/demo/stop");
    await reads(viewer.locator("#curtain"), /The show has ended/);
    await hidden(viewer.locator("#live"));
    await viewer.locator("#featured .buy:disabled").waitFor();
    await viewer.screenshot(picture("ended"));

    await host.call("POST", "/streams", { key: "later", title: "Spring glazes", scheduledAt: new Date(Date.now() + 7_500_000).toISOString() });
    const early = await enter(browser, "viewer2", { live: "later", look: NARROW });
    await reads(early.locator("#curtain"), /The show starts in\s*2:0\d:\d\d/);
    await early.screenshot(picture("before"));
    await host.call("POST", "/streams/later/start");
    await hidden(early.locator("#curtain"));
    await early.locator("#live").waitFor();
    const lost = await enter(browser, "viewer2", { live: "nowhere" });
    await reads(lost.locator("#curtain"), "There is no such show");
    for (const each of [host, admin]) each.close();
    assert.equal(await guest.locator("#heart").getAttribute("data-heard"), "0", "own hearts have flown already");
    clean(viewer, early, guest);
  },

  /** Every view on phones of two widths and in two languages: nothing overflows, axe finds nothing serious. */
  async looks(browser) {
    const [host, admin] = [await staff("host-ko", "demo-ko"), await staff("admin", "demo-ko")];
    const cup = await host.product("청자 찻잔");
    const fan = await host.product("한지 부채");
    await admin.call("PATCH", `/products/${fan.id}`, { stock: 0 });
    await admin.call("PATCH", `/products/${(await host.product("놋수저 두 벌")).id}`, { stock: 4 });
    await host.call("POST", `/products/${cup.id}/deal`, { price: 19000, until: new Date(Date.now() + 290_000).toISOString() });
    await host.call("PUT", "/streams/demo-ko/featured-product", { productId: cup.id });
    const tab = await enter(browser, "viewer-ko", { look: NARROW, locale: "ko-KR" });
    await say(tab, "안녕하세요! 찻잔 색상은 몇 가지예요?");
    await message(tab, "안녕하세요").waitFor();
    const { id } = await admin.find("안녕하세요! 찻잔 색상은 몇 가지예요?");
    for (const text of ["어서 오세요, 오늘은 이천에서 온 찻잔을 보여 드려요", "청자와 백자, 두 가지입니다"]) await host.ask("chat:send-message", { message: text });
    await host.ask("chat:pin-message", { messageId: id });
    await host.ask("chat:announce", { message: "5분 동안만 19,000원에 드립니다" });
    await say(tab, "지난번에 산 것과 세트로 쓰고 싶어요. 두 개 주문할게요");
    await pin(tab, "안녕하세요").waitFor();
    await message(tab, "두 개 주문할게요").waitFor();
    await reads(tab.locator("#deal"), "청자 찻잔 30,000원 → 19,000원");
    await tab.mouse.click(200, 300);
    await tab.screenshot(picture("ko"));
    const wrong = [];
    for (const language of ["ko", "en"]) {
      if (language === "en") {
        await tab.locator("#language").click();
        await reads(tab.locator("#viewers"), /watching/);
      }
      for (const width of [390, 320]) {
        await tab.setViewportSize({ width, height: width === 320 ? 568 : 844 });
        const look = async (what) => {
          await checkPage(tab, `${what} at ${width} in ${language}`).catch(({ message }) => wrong.push(message));
          if (width === 390 || what === "live") await tab.screenshot(picture(`${what}-${language}-${width}`));
        };
        await look("live");
        await tab.locator("#bag").click();
        await look("sheet");
        await tab.locator("#items .buy:enabled").first().click();
        await look("buy");
        if (width === 390) {
          await tab.locator("#confirm").click();
          await tab.locator("#orders li").first().waitFor();
        } else await tab.locator("#orders-tab").click();
        await look("orders");
        await tab.locator("#sheet .close").click();
        await tab.locator("#me").click();
        await look("account");
        await tab.locator("#account .close").click();
      }
    }
    await tab.setViewportSize({ width: 1360, height: 860 });
    await checkPage(tab, "the wide page");
    assert.deepEqual(wrong, []);
    await tab.screenshot(picture("wide"));
    for (const each of [host, admin]) each.close();
    clean(tab);
  },

  /** Against a gateway whose access tokens last a few seconds. */
  async renewed(browser) {
    const tab = await enter(browser, "host");
    await tab.evaluate(() => {
      const stage = document.querySelector("#stage");
      window.states = [];
      new MutationObserver(() => window.states.push(stage.dataset.connection)).observe(stage, { attributeFilter: ["data-connection"] });
    });
    const renewed = tab.waitForResponse(/auth\/refresh/);
    assert.equal((await renewed).status(), 200);
    await tab.waitForTimeout(4_500); // longer than the first token lasts
    await say(tab, "Still here");
    await message(tab, "Still here").waitFor();
    await noneOf(tab, "#messages .pending");
    await tab.locator("#bag").click();
    await tab.locator("#orders-tab").click();
    await tab.getByText("You have no orders yet").waitFor();
    const states = await tab.evaluate(() => window.states);
    assert.deepEqual([...new Set(states)].filter((state) => state !== "connected"), [], "the live sockets took the fresh token");
    clean(tab);
  },
};

