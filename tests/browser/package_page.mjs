// A page on the React hooks of @dorami/client, bundled by package.mjs: who is here, what is said, what is sold.

import { createElement as h, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { Dorami, HttpSession } from "@dorami/client";
import { DoramiProvider, useChat, useProducts, useStatus, useViewers } from "@dorami/client/react";

const { email, password } = Object.fromEntries(new URLSearchParams(location.search));
const session = new HttpSession(location.origin);
const dorami = new Dorami({ url: location.origin, token: session.token });

function Status() {
  return h("p", { id: "status" }, useStatus().state);
}

function Room() {
  const { status, messages, pending, send } = useChat("demo");
  const { viewers } = useViewers("demo");
  const { products } = useProducts("demo");
  const submit = (event) => {
    event.preventDefault();
    send(event.target.elements.text.value);
    event.target.reset();
  };
  return h("section", null,
    h("p", { id: "room" }, `${status} ${viewers} viewers ${products.size} products`),
    h("ol", { id: "messages" }, ...messages.map(({ id, username, message }) => h("li", { key: id }, `${username}: ${message}`))),
    h("p", { id: "pending" }, pending.length),
    h("form", { onSubmit: submit }, h("input", { name: "text", "aria-label": "Your message" })),
  );
}

function Page() {
  const [shown, show] = useState(true);
  return h(DoramiProvider, { client: dorami }, h(Status), shown && h(Room), h("button", { onClick: () => show(!shown) }, "Switch"));
}

await (email ? session.login(email, password) : session.guest());
createRoot(document.getElementById("page")).render(h(StrictMode, null, h(Page)));
