// The products: the card above the composer, the deal, the sheet with its list, buying, and own orders. Made by main.ts.

import { DoramiError, HttpSession, type Order, type OrderPage, type Product } from "@dorami/client";
import { $, button, dialog, follow, hue, initials, make, tell, write } from "./dom";
import { logIn, type Visit } from "./visit";
import { clock, money, reason, remaining, t } from "./words";

const FEW = 10; // below this stock the remaining number is shown
const MOST = 10; // pieces of a product in one order of this page

const soldOut = (product: Product): boolean => product.status === "SOLD_OUT" || product.stock < 1;
const price = (product: Product): string => money(product.price, product.currency);

/** Create or update the element of a product; `act` is the button beside it. */
function card(product: Product, shown: HTMLElement, act?: HTMLElement): void {
  const before = product.originalPrice !== null && product.originalPrice > product.price ? product.originalPrice : undefined;
  const was = shown.dataset.price;
  shown.dataset.price = String(product.price);
  shown.className = `card ${soldOut(product) ? "out" : ""} ${was && was !== shown.dataset.price ? "changed" : ""}`;
  const picture = make("div", "thumb", product.imageUrl ? "" : initials(product.name));
  picture.ariaHidden = "true";
  picture.style.setProperty("--hue", hue(product.name));
  if (product.imageUrl) {
    const image = make("img");
    image.src = product.imageUrl;
    image.alt = "";
    image.referrerPolicy = "no-referrer";
    image.onerror = () => picture.replaceChildren(initials(product.name));
    picture.append(image);
  }
  const old = before !== undefined && make("s", "", money(before, product.currency));
  if (old) old.ariaLabel = `${t("before")} ${old.textContent}`;
  const amount = make(
    "p", "price",
    before !== undefined && make("em", "", t("off", { n: Math.round((1 - product.price / before) * 100) })), before !== undefined && " ",
    make("b", "", price(product)), old && " ", old,
  );
  const stock = soldOut(product) ? make("p", "stock", t("soldOut")) : product.stock < FEW && make("p", "stock low", t("left", { n: product.stock }));
  const name = make("p", "title", product.isNew && make("span", "new", t("fresh")), product.isNew && " ", product.name);
  const info = make("div", "info", name, amount, stock);
  if (act && act.parentElement === shown) {
    shown.querySelectorAll(":scope > :is(.thumb, .info)").forEach((old) => old.remove()); // the button keeps its focus
    shown.prepend(picture, info);
  } else shown.replaceChildren(...[picture, info, act].filter((each) => each !== undefined));
}

export function showGoods(visit: Visit, signIn: () => void): void {
  const { products, viewers, session, orders, dorami, watch, now } = visit;
  const sheet = dialog("#sheet");
  let tab: "items" | "orders" = "items";
  let buying: { id: string; quantity: number; price: number; key: string } | undefined;
  let busy = false;
  let trouble = "";
  let mine: Order[] = [];
  let bank: HttpSession | undefined; // replaces the payment provider

  const all = () => [...products.state.get().products.values()];
  const currency = () => all()[0]?.currency ?? "KRW";

  /** Return the reason why nothing can be bought now. */
  const closed = (): string | undefined =>
    viewers.state.get().live || visit.stream?.ordersWhenNotLive || viewers.state.get().status !== "joined" ? undefined : t("liveOnly");

  // --- lists ---

  function choose(product: Product): void {
    if (!visit.member) return signIn();
    buying = { id: product.id, quantity: 1, price: product.price, key: crypto.getRandomValues(new Uint32Array(4)).join("-") };
    trouble = "";
    open("items");
    $("#confirm").focus();
  }

  function buyButton(product: Product, shown?: HTMLButtonElement): HTMLButtonElement {
    const act = shown ?? button("buy", "", () => {
      const newest = products.state.get().products.get(product.id);
      if (newest) choose(newest);
    });
    write(act, soldOut(product) ? t("soldOut") : t("buy"));
    act.ariaLabel = `${act.textContent} ${product.name}`;
    act.disabled = soldOut(product) || !!closed();
    return act;
  }

  function shelf(): void {
    const shown = all().sort((one, other) => +soldOut(one) - +soldOut(other));
    const featured = products.state.get().featured;
    follow<Product, HTMLLIElement>($("#items"), shown, ({ id }) => id, (product, before) => {
      const item = before ?? make("li", "", make("div"));
      const box = item.firstElementChild as HTMLElement;
      card(product, box, buyButton(product, box.querySelector<HTMLButtonElement>(".buy") ?? undefined));
      box.classList.toggle("first", product.id === featured);
      return item;
    });
    $("#shelf .empty").hidden = shown.length > 0 || products.state.get().status !== "joined";
    write($("#bag i"), shown.length ? String(shown.length) : "");
    $("#bag").ariaLabel = t("bag", { n: shown.length });
    const first = products.state.get().products.get(featured ?? "") ?? shown[0];
    const place = $("#featured");
    place.hidden = !first;
    if (!first) return;
    if (place.dataset.of !== first.id) place.replaceChildren(make("div"));
    place.dataset.of = first.id;
    const box = place.firstElementChild as HTMLElement;
    card(first, box, buyButton(first, box.querySelector<HTMLButtonElement>(".buy") ?? undefined));
    if (first.id !== featured) return;
    box.querySelector(".new")?.remove(); // one badge is enough
    $(".title", box).prepend(make("span", "now", t("now")), " ");
  }

  function deal(): void {
    const running = all().filter(({ dealEndsAt }) => dealEndsAt && Date.parse(dealEndsAt) > now());
    const [first] = running.sort((one, other) => Date.parse(one.dealEndsAt!) - Date.parse(other.dealEndsAt!));
    const place = $("#deal");
    place.hidden = !first;
    if (!first) return;
    const before = first.originalPrice !== null ? `${money(first.originalPrice, first.currency)} → ` : "";
    write($(".what", place), `${first.name} ${before}${price(first)}`);
    write($("time", place), remaining(Date.parse(first.dealEndsAt!) - now()));
  }

  // --- buying ---

  function purchase(): void {
    const product = buying && products.state.get().products.get(buying.id);
    if (buying && !product) buying = undefined;
    $("#shelf").hidden = tab !== "items" || !!buying;
    $("#buying").hidden = tab !== "items" || !buying;
    $("#bought").hidden = tab !== "orders";
    for (const name of ["items", "orders"] as const) $(`#${name}-tab`).ariaPressed = String(tab === name);
    $("#orders-tab").hidden = !visit.member;
    if (!buying || !product) return;
    if (product.price !== buying.price) {
      buying.price = product.price;
      buying.key += "-"; // another order
      trouble = t("priceChanged");
    }
    const most = Math.min(product.stock, MOST);
    if (buying.quantity > most && most > 0) {
      buying.quantity = most;
      trouble = t("shortage", { n: product.stock });
    }
    if (soldOut(product)) trouble = t("gone");
    card(product, $("#buying .card"));
    write($("#buying .description"), product.description);
    write($("#quantity"), String(buying.quantity));
    $<HTMLButtonElement>("#fewer").disabled = buying.quantity < 2;
    $<HTMLButtonElement>("#more").disabled = buying.quantity >= most;
    const total = money(product.price * buying.quantity, product.currency);
    write($("#total"), total);
    write($("#trouble"), closed() ?? trouble);
    write($("#confirm"), t("confirm", { amount: total }));
    $<HTMLButtonElement>("#confirm").disabled = busy || soldOut(product) || !!closed();
  }

  function change(by: number): void {
    buying!.quantity += by;
    buying!.key += "-";
    trouble = "";
    purchase();
  }

  async function order(): Promise<void> {
    const { id, quantity, price, key } = buying!;
    busy = true;
    trouble = "";
    purchase();
    try {
      const placed = await session.call<Order>("POST", "/orders", { items: [{ productId: id, quantity, price }] }, { idempotencyKey: key });
      mine = [placed, ...mine.filter((each) => each.id !== placed.id)];
      buying = undefined;
      open("orders");
      write($("#bought .done"), t("placed", { time: left(placed) }));
    } catch (error) {
      trouble = DoramiError.is(error, "PRICE_CHANGED") ? t("priceChanged") : reason(error);
    } finally {
      busy = false;
      purchase();
    }
  }

  // --- own orders ---

  const left = ({ expiresAt }: Order): string => remaining(expiresAt ? Date.parse(expiresAt) - now() : 0);

  async function settle(id: string, ask: () => Promise<Order>): Promise<void> {
    try {
      const changed = await ask();
      mine = mine.map((each) => (each.id === id ? changed : each));
      write($("#bought .done"), "");
    } catch (error) {
      tell(reason(error), "error");
    }
    listOrders();
  }

  /** Mark an order as paid, in place of the payment provider: only administrators may. */
  async function pay(id: string): Promise<Order> {
    if (!bank) {
      const made = new HttpSession("");
      await logIn(made, "admin");
      bank = made;
    }
    return bank.call<Order>("POST", `/orders/${id}/paid`);
  }

  function listOrders(): void {
    follow<Order, HTMLLIElement>($("#orders"), mine, ({ id }) => id, (each, shown) => {
      const item = shown ?? make("li", "", make("p", "when"), make("p", "what"), make("p", "sum"), make("p", "state"), make("div", "row"));
      write($(".when", item), clock(each.createdAt));
      write($(".what", item), each.items.map(({ name, quantity }) => `${name} × ${quantity}`).join(", "));
      write($(".sum", item), money(each.total, currency()));
      const state = { PENDING: t("pending", { time: left(each) }), PAID: t("paid"), CANCELLED: t("cancelled"), EXPIRED: t("expired") }[each.status];
      write($(".state", item), state);
      item.className = each.status.toLowerCase();
      const row = $(".row", item);
      if (each.status !== "PENDING") row.replaceChildren();
      else if (!row.firstChild) {
        row.append(
          button("quiet", "", () => void settle(each.id, () => session.call<Order>("DELETE", `/orders/${each.id}`))),
          button("buy", "", () => void settle(each.id, () => pay(each.id))),
        );
      }
      if (row.firstChild) {
        write(row.children[0]!, t("cancel"));
        write(row.children[1]!, t("pay"));
      }
      return item;
    });
    $("#bought .empty").hidden = mine.length > 0;
  }

  async function load(): Promise<void> {
    try {
      mine = (await session.call<OrderPage>("GET", `/orders?limit=20&userId=${session.user!.id}`)).items;
      listOrders();
    } catch (error) {
      tell(reason(error), "error");
    }
  }

  function open(which: typeof tab): void {
    tab = which;
    write($("#bought .done"), "");
    purchase();
    listOrders();
    if (!sheet.open) sheet.showModal();
  }

  // --- together ---

  const show = () => {
    shelf();
    deal();
    purchase();
    listOrders();
  };
  products.state.subscribe(show);
  viewers.state.subscribe(show);
  watch(show);
  watch(deal, "timed");
  watch(() => sheet.open && listOrders(), "timed");
  products.on("order:purchase:notification", ({ displayName }) => tell(t("bought", { who: displayName || t("somebody") })));
  orders.on("order:expired", (expired) => {
    mine = mine.map((each) => (each.id === expired.id ? expired : each));
    listOrders();
  });
  dorami.status.subscribe(({ state }) => state === "connected" && sheet.open && tab === "orders" && void load());
  $("#bag").onclick = () => {
    buying = undefined;
    open("items");
  };
  $("#items-tab").onclick = $("#back").onclick = () => {
    buying = undefined;
    open("items");
  };
  $("#orders-tab").onclick = () => {
    open("orders");
    void load();
  };
  $("#fewer").onclick = () => change(-1);
  $("#more").onclick = () => change(1);
  $<HTMLFormElement>("#buying").onsubmit = (event) => {
    event.preventDefault();
    if (!busy) void order();
  };
}
