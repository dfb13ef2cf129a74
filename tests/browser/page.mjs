// A browser for scenarios: tabs that collect complaints, waiting for texts, accessibility, and connections that can be cut.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer, connect } from "node:net";
import { chromium } from "playwright-core";

export const SCALE = Number(process.env.TEST_TIME_SCALE ?? 1); // see tests/timing.py

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const STILL = { reducedMotion: "reduce" }; // there is no graphics card: animations would take the processor
export const WIDE = { ...STILL, viewport: { width: 1360, height: 860 } };
export const NARROW = { ...STILL, viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

/** A headless Chromium with a fresh profile; `run(browser)` gets it. */
export async function withBrowser(executablePath, run, flags = []) {
  const browser = await chromium.launch({ executablePath, args: [...FLAGS, ...flags], timeout: 30_000 * SCALE });
  try {
    await run(browser);
  } finally {
    await browser.close();
  }
}

/** A new tab of a new visitor. `complaints` collects console errors, exceptions and policy violations. */
export async function openTab(context, url) {
  const tab = await context.newPage();
  tab.setDefaultTimeout(10_000 * SCALE);
  tab.complaints = [];
  tab.on("console", (message) => message.type() === "error" && tab.complaints.push(`console: ${message.text()}`));
  tab.on("pageerror", (error) => tab.complaints.push(`exception: ${error.message}`));
  await tab.exposeFunction("complain", (text) => tab.complaints.push(text));
  await tab.addInitScript(() =>
    document.addEventListener("securitypolicyviolation", (event) =>
      window.complain(`policy: ${event.violatedDirective} ${event.blockedURI}`),
    ),
  );
  await tab.goto(url);
  return tab;
}

export async function say(tab, text) {
  await tab.getByLabel("Your message").fill(text);
  await tab.keyboard.press("Enter");
}

/** Wait until a locator's text fits. */
export async function reads(locator, expected) {
  await locator.filter({ hasText: expected }).waitFor();
}

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** Fail if a page is wider than the screen, or if axe finds something serious or critical. */
export async function checkPage(tab, what) {
  const wider = await tab.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wider <= 0, `${what} is ${wider} px wider than the screen`);
  if (!(await tab.evaluate(() => "axe" in window))) await tab.evaluate(readFileSync(AXE, "utf8"));
  const found = await tab.evaluate(async () => {
    const { violations } = await window.axe.run({ resultTypes: ["violations"] });
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join("; ")}`);
  });
  assert.deepEqual(found, [], what);
}

/** A way to the gateway that can be cut and mended. */
export async function tunnel(url) {
  const { hostname, port } = new URL(url);
  const ends = new Set();
  let open = true;
  const server = createServer((near) => {
    if (!open) return near.destroy();
    const far = connect(Number(port), hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      ends.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        ends.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    cut() {
      open = false;
      for (const end of ends) end.destroy();
    },
    mend() {
      open = true;
    },
    close() {
      this.cut();
      server.close();
    },
  };
}
