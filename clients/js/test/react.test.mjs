// Hooks on a server: they render the present state and open nothing. In a browser: tests/browser/test_client_package.py.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { DoramiProvider, useChat, useNotifications, useOrders, useProducts, useStatus, useViewers } from "../dist/esm/react.js";
import { Gateway, pass } from "./gateway.mjs";

let gateway;
beforeEach(() => {
  gateway = new Gateway();
});
afterEach(() => mock.timers.reset());

function Page() {
  const { messages, pending, status } = useChat("demo");
  const shown = [status, messages.length, pending.length, useProducts("demo").products.size, useViewers("demo").viewers];
  return createElement("p", null, [...shown, useOrders().orders.size, useNotifications().notifications.size, useStatus().state].join(" "));
}

test("hooks render on a server without a connection", async () => {
  const client = gateway.client();
  assert.equal(renderToString(createElement(DoramiProvider, { client }, createElement(Page))), "<p>joining 0 0 0 0 0 0 idle</p>");
  await pass(5000);
  assert.deepEqual([gateway.url, client.status.get().state], [undefined, "idle"]);
});

test("a hook without a provider throws", () => {
  assert.throws(() => renderToString(createElement(Page)), /There is no <DoramiProvider>/);
});
