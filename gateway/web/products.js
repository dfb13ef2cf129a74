// The products of a stream as they change, the featured one first; bought here, changed by an admin. Built by main.js.

import { notify } from "./notices.js";
import { hue } from "./people.js";
import { Room } from "./room.js";

const LOW = 5; // below this many, say how many are left
const START = 40; // px that still count as looking at the first

const money = (amount, currency) => new Intl.NumberFormat("en", { style: "currency", currency }).format(amount);

export class Products {
  #session;
  #streamId;
  #room;
  #shown = new Map(); // id → {product, card}
  #featured = null; // the id of what is shown first
  #list = document.querySelector("#products");
  #template = document.querySelector("#product-template");

  constructor(realtime, session, streamId) {
    this.#session = session;
    this.#streamId = streamId;
    this.#room = new Room(realtime, "/", {
      join: { event: "join:stream", payload: { streamId } },
      snapshot: ({ products }) => {
        this.clearCards();
        for (const product of products) this.#put(product);
      },
      admitted: ({ featured }) => this.#feature(featured?.id ?? null, featured),
      failed: (error) => notify(`The products cannot be followed: ${error.message}`),
      heard: {
        "live:product:added": (product) => this.#put(product),
        "live:product:updated": (product) => this.#shown.has(product.id) && this.#put(product),
        "live:product:soldout": ({ productId, version }) => this.#sellOut(productId, version),
        "live:product:deleted": ({ productId }) => this.#remove(productId),
        "stream:featured-product:updated": ({ productId, product }) => this.#feature(productId, product),
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
    this.#featured = null;
    this.#list.replaceChildren();
  }

  /** Show a product, unless what is shown is as new or newer. */
  #put(product) {
    const known = this.#shown.get(product.id);
    if (known && known.product.version >= product.version) return;
    const card = known?.card ?? this.#create(product);
    this.#shown.set(product.id, { product, card });
    this.#draw(card, product, known?.product);
    this.#place(product, card);
  }

  /** Put a card where it belongs; whoever is in it stays there. */
  #place(product, card) {
    const next = [...this.#shown.values()]
      .filter((other) => other.product.id !== product.id && this.#compare(product, other.product) < 0)
      .sort((one, other) => this.#compare(one.product, other.product))[0];
    if (card.isConnected && card.nextElementSibling === (next?.card ?? null)) return;
    const focused = card.contains(document.activeElement) ? document.activeElement : null;
    this.#list.insertBefore(card, next?.card ?? null);
    focused?.focus({ preventScroll: true });
  }

  /** Show a product first, or none; `product` is what it is now. */
  #feature(id, product) {
    const before = this.#featured;
    const atStart = this.#list.scrollLeft < START;
    this.#featured = id;
    if (product) this.#put(product);
    for (const each of [before, id]) {
      const known = this.#shown.get(each);
      if (!known) continue;
      this.#mark(known.card, each);
      this.#place(known.product, known.card);
    }
    if (atStart) this.#list.scrollLeft = 0; // where products lie in one row, the browser would stay with those it showed
  }

  #mark(card, id) {
    const featured = id === this.#featured;
    card.classList.toggle("featured", featured);
    card.querySelector(".first").hidden = !featured;
    card.querySelector(".star").setAttribute("aria-pressed", String(featured));
  }

  #compare(one, other) {
    const first = (product) => Number(product.id !== this.#featured);
    return first(one) - first(other) || one.sortOrder - other.sortOrder || (one.id < other.id ? -1 : 1);
  }

  #sellOut(id, version) {
    const known = this.#shown.get(id);
    if (!known || version < known.product.version) return;
    const product = { ...known.product, version, stock: 0, status: "SOLD_OUT" };
    this.#shown.set(id, { ...known, product });
    this.#draw(known.card, product, known.product);
    notify(`Sold out: ${product.name}`, "news");
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
    if (this.#session.user?.role === "GUEST") {
      buy.disabled = true;
      buy.textContent = "Sign in to buy";
    } else {
      buy.setAttribute("aria-label", `Buy ${product.name}`);
      buy.addEventListener("click", () => this.#buy(product.id, buy));
    }
    const star = card.querySelector(".star");
    star.setAttribute("aria-label", `Show ${product.name} first`);
    star.addEventListener("click", () => this.#choose(product.id, star));
    this.#mark(card, product.id);
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
    put(".price", money(product.price, product.currency));
    put(".original", product.originalPrice > product.price ? money(product.originalPrice, product.currency) : "");
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

  async #choose(id, button) {
    const path = `/streams/${encodeURIComponent(this.#streamId)}/featured-product`;
    const put = id !== this.#featured;
    button.disabled = true;
    try {
      await this.#session.call(put ? "PUT" : "DELETE", path, put ? { productId: id } : undefined);
    } catch (error) {
      notify(`Not shown first: ${error.message}`);
    } finally {
      button.disabled = false;
      button.focus({ preventScroll: true });
    }
  }

  async #buy(id, button) {
    const order = { items: [{ productId: id, quantity: 1 }] };
    button.disabled = true;
    try {
      // Under one key: when the answer is lost, asking again buys nothing twice.
      const key = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join("-");
      const ask = () => this.#session.call("POST", "/orders", order, key);
      const { items } = await ask().catch((error) => (error.retryable ? ask() : Promise.reject(error)));
      notify(`It is yours: ${items[0].name}`, "success");
    } catch (error) {
      notify(`Not bought: ${error.message}`);
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
      notify(`Not changed: ${error.message}`);
    } finally {
      save.disabled = false;
    }
  }
}

/** Bring a form up to date, except for what somebody is typing into it. */
function fill(form, product, before) {
  for (const field of form ? ["price", "stock"] : []) {
    const input = form.elements[field];
    const text = field === "price" ? String(product.price) : String(product.stock);
    const typed = before && Number(input.value) !== before[field];
    if (!typed) input.value = text;
  }
}

function initials(name) {
  const words = name.split(/\s+/).filter(Boolean);
  return words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("");
}
