// The products of a stream, as they change; here they are bought, and changed by an admin. Built by main.js.

import { hue } from "./chat.js";
import { Room } from "./room.js";

const LOW = 5; // below this many, say how many are left

const money = new Intl.NumberFormat("en", { style: "currency", currency: "USD" });

export class Products {
  #session;
  #notify;
  #room;
  #shown = new Map(); // id → {product, card}
  #list = document.querySelector("#products");
  #template = document.querySelector("#product-template");

  constructor(realtime, session, streamId, notify) {
    this.#session = session;
    this.#notify = notify;
    this.#room = new Room(realtime, "/", {
      join: { event: "join:stream", payload: { streamId } },
      snapshot: ({ products }) => {
        this.clearCards();
        for (const product of products) this.#put(product);
      },
      failed: (error) => notify(`The products cannot be followed: ${error.message}`),
      heard: {
        "live:product:added": (product) => this.#put(product),
        "live:product:updated": (product) => this.#shown.has(product.id) && this.#put(product),
        "live:product:soldout": ({ productId, version }) => this.#sellOut(productId, version),
        "live:product:deleted": ({ productId }) => this.#remove(productId),
        "product:low-stock": ({ productName, remainingStock }) =>
          notify(`Only ${remainingStock} left: ${productName}`, "news"),
        "order:purchase:notification": ({ message }) => notify(message, "news"),
      },
    });
  }

  /** Forget everything: the next one to look may be somebody else. */
  clear() {
    this.#room.forget();
    this.clearCards();
  }

  clearCards() {
    this.#shown.clear();
    this.#list.replaceChildren();
  }

  /** Show a product, unless what is shown is as new or newer. */
  #put(product) {
    const known = this.#shown.get(product.id);
    if (known && known.product.version >= product.version) return;
    const card = known?.card ?? this.#create(product);
    this.#shown.set(product.id, { product, card });
    this.#draw(card, product, known?.product);
    const next = [...this.#shown.values()]
      .filter((other) => other.product.id !== product.id && sorted(product, other.product) < 0)
      .sort((one, other) => sorted(one.product, other.product))[0];
    if (card.nextElementSibling !== (next?.card ?? null) || !card.isConnected) this.#list.insertBefore(card, next?.card ?? null);
  }

  #sellOut(id, version) {
    const known = this.#shown.get(id);
    if (!known || version < known.product.version) return;
    const product = { ...known.product, version, stock: 0, status: "SOLD_OUT" };
    this.#shown.set(id, { ...known, product });
    this.#draw(known.card, product, known.product);
    this.#notify(`Sold out: ${product.name}`, "news");
  }

  #remove(id) {
    this.#shown.get(id)?.card.remove();
    this.#shown.delete(id);
  }

  #create(product) {
    const card = this.#template.content.firstElementChild.cloneNode(true);
    card.dataset.id = product.id;
    card.querySelector(".picture").style.setProperty("--hue", hue(product.id));
    const image = card.querySelector("img");
    image.addEventListener("error", () => (image.hidden = true));
    card.addEventListener("animationend", () => card.classList.remove("changed"));
    const buy = card.querySelector(".buy");
    buy.setAttribute("aria-label", `Buy ${product.name}`);
    buy.addEventListener("click", () => this.#buy(product.id, buy));
    const form = card.querySelector("form");
    if (this.#session.user?.role === "ADMIN") {
      form.setAttribute("aria-label", `Change ${product.name}`);
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.#change(product.id, form);
      });
    } else form.remove();
    return card;
  }

  #draw(card, product, before) {
    const put = (selector, text) => {
      const element = card.querySelector(selector);
      element.textContent = text;
      element.hidden = text === "";
    };
    const soldOut = product.status === "SOLD_OUT";
    put(".product-name", product.name);
    put(".description", product.description);
    put(".initials", initials(product.name));
    put(".price", money.format(product.price));
    put(".original", product.originalPrice > product.price ? money.format(product.originalPrice) : "");
    put(".discount", product.discountRate > 0 ? `−${product.discountRate}%` : "");
    put(".new", product.isNew ? "New" : "");
    put(".stock", soldOut ? "Sold out" : product.stock < LOW ? `Only ${product.stock} left` : `${product.stock} in stock`);
    card.querySelector(".stock").classList.toggle("low", product.stock < LOW);
    card.classList.toggle("sold-out", soldOut);
    card.querySelector(".buy").hidden = soldOut;
    card.classList.toggle("changed", Boolean(before && (before.price !== product.price || before.stock !== product.stock)));
    const image = card.querySelector("img");
    const own = product.imageUrl?.startsWith("/"); // the page's policy lets no foreign picture in
    if (own && image.getAttribute("src") !== product.imageUrl) image.src = product.imageUrl;
    image.hidden = !own;
    fill(card.querySelector("form"), product, before);
  }

  async #buy(id, button) {
    const order = { items: [{ productId: id, quantity: 1 }] };
    button.disabled = true;
    try {
      // Under one key: when the answer is lost, asking again buys nothing twice.
      const key = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join("-");
      const ask = () => this.#session.call("POST", "/orders", order, key);
      const { items } = await ask().catch((error) => (error.retryable ? ask() : Promise.reject(error)));
      this.#notify(`It is yours: ${items[0].name}`, "news");
    } catch (error) {
      this.#notify(`Not bought: ${error.message}`);
    } finally {
      button.disabled = false;
    }
  }

  async #change(id, form) {
    const { product } = this.#shown.get(id);
    const change = { version: product.version };
    const { price, stock, save } = form.elements;
    if (Number(price.value) !== product.price) change.price = price.value;
    if (Number(stock.value) !== product.stock) change.stock = Number(stock.value);
    if (Object.keys(change).length === 1) return;
    save.disabled = true;
    try {
      this.#put(await this.#session.call("PATCH", `/products/${encodeURIComponent(id)}`, change));
    } catch (error) {
      this.#notify(`Not changed: ${error.message}`);
    } finally {
      save.disabled = false;
    }
  }
}

/** Bring a form up to date, except for what somebody is typing into it. */
function fill(form, product, before) {
  for (const field of form ? ["price", "stock"] : []) {
    const input = form.elements[field];
    const text = field === "price" ? product.price.toFixed(2) : String(product.stock);
    const typed = before && Number(input.value) !== before[field];
    if (!typed) input.value = text;
  }
}

function sorted(one, other) {
  return one.sortOrder - other.sortOrder || (one.id < other.id ? -1 : 1);
}

function initials(name) {
  const words = name.split(/\s+/).filter(Boolean);
  return words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("");
}
