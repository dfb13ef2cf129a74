// What visitors of the gateway's pages do and see: `node scenarios.mjs <scenario> <chromium> <url> <artifacts>`.
// Ends with an error when something is not as it should be; then there is a picture of every tab. Started by scenarios.py.

import { join } from "node:path";
import { documents } from "./documents.mjs";
import { withBrowser } from "./page.mjs";
import { reports } from "./reports.mjs";
import { shop } from "./shop.mjs";

const [name, chromium, , artifacts] = process.argv.slice(2);

await withBrowser(chromium, async (browser) => {
  try {
    await { ...documents, ...reports, ...shop }[name](browser);
  } catch (error) {
    const tabs = browser.contexts().flatMap((context) => context.pages());
    for (const [number, tab] of tabs.entries()) {
      console.error(`tab ${number}: ${tab.url()} ${tab.complaints?.join("; ")}`);
      await tab.screenshot({ path: join(artifacts, `failed-${name}-${number}.png`), timeout: 5000 }).catch(() => {});
    }
    throw error;
  }
});
