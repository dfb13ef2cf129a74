// The products of the room, changed in place: price, stock, the featured one, deals.

import { DoramiError, type Product } from "@dorami/client";
import { ActionIcon, Button, NumberInput, UnstyledButton } from "@mantine/core";
import { type FormEvent, useEffect, useState } from "react";
import { api } from "../../api";
import { confirm, Dialog } from "../../components/dialogs";
import { Card, Empty, Loading, Tag } from "../../components/page";
import { said } from "../../components/said";
import { attempt, fail, toast, undoable } from "../../components/toasts";
import { clock, money, number, span } from "../../format";
import { Icon } from "../../icons";
import { useOnline } from "../../shell";
import { useSlice } from "../../stores";
import { useLiveWords } from "../../words/live";
import { useShellWords } from "../../words/shell";
import { useRoom } from "./room";

const LOW = 5; // pieces; a lower stock is marked as nearly sold out
const DEAL = 10; // minutes

type Field = "price" | "stock";

/** The stored product after a refused change. */
function present(error: unknown): Product | undefined {
  return DoramiError.is(error, "CONFLICT") ? (error.details as { product?: Product } | undefined)?.product : undefined;
}

const written = (product: Product, field: Field) => (field === "price" ? money(product.price, product.currency) : number(product.stock));

/** Change a product. If somebody else has changed it, show both values and ask. */
async function change(product: Product, field: Field, value: number): Promise<void> {
  const send = (of: Product, to: number) => api<Product>("PATCH", `/products/${of.id}`, { [field]: to, expectedVersion: of.version });
  let changed: Product;
  let before = product;
  try {
    changed = await send(product, value);
  } catch (error) {
    const now = present(error);
    if (!now) return fail(error);
    if (!(await confirm({ title: said(useLiveWords, "conflict", { name: now.name }), body: <Conflict theirs={now} mine={{ ...now, [field]: value }} field={field} />, action: said(useLiveWords, "conflictUse") }))) return;
    before = now;
    if (!(await attempt(async () => (changed = await send(now, value))))) return;
  }
  const undo = () => send(changed!, before[field]);
  const { name, currency, price, stock } = changed!;
  undoable(field === "price" ? said(useLiveWords, "priceSet", { name, price: money(price, currency) }) : said(useLiveWords, "stockSet", { name, count: number(stock) }), undo);
}

function Conflict({ theirs, mine, field }: { theirs: Product; mine: Product; field: Field }) {
  const t = useLiveWords();
  return (
    <dl className="conflict">
      <dt>{t("conflictThem")}</dt>
      <dd>{written(theirs, field)}</dd>
      <dt>{t("conflictYou")}</dt>
      <dd>{written(mine, field)}</dd>
    </dl>
  );
}

/** `editable`: whether the user may change the products of this stream. */
export function Products({ editable }: { editable: boolean }) {
  const t = useLiveWords();
  const room = useRoom();
  const products = useSlice(room.products.state, ({ products }) => products);
  const status = useSlice(room.products.state, ({ status }) => status);
  const featured = useSlice(room.products.state, ({ featured }) => featured);
  const [deal, setDeal] = useState<Product | null>(null);
  return (
    <Card className="live-products" title={t("products")}>
      {!products.size && (status === "joining" ? <Loading /> : <Empty>{t("noProducts")}</Empty>)}
      <ul className="shelf" id="products" tabIndex={-1}>
        {[...products.values()].map((product) => (
          <Line key={product.id} product={product} featured={product.id === featured} editable={editable} deal={() => setDeal(product)} />
        ))}
      </ul>
      <Dialog opened={deal !== null} close={() => setDeal(null)} title={t("dealTitle")}>
        {deal && <Deal product={deal} close={() => setDeal(null)} />}
      </Dialog>
    </Card>
  );
}

function Line({ product, featured, editable, deal }: { product: Product; featured: boolean; editable: boolean; deal: () => void }) {
  const t = useLiveWords();
  const room = useRoom();
  const online = useOnline();
  const { name, stock, originalPrice, price, currency } = product;
  const feature = async () => {
    const path = `/streams/${room.key}/featured-product`;
    if (featured) {
      if (await attempt(() => api("DELETE", path))) toast(said(useLiveWords, "unfeatured"));
    } else if (await attempt(() => api("PUT", path, { productId: product.id }))) toast(said(useLiveWords, "featured", { name }));
  };
  const sellOut = async () => {
    if (await attempt(() => api("PATCH", `/products/${product.id}/sold-out`))) {
      undoable(said(useLiveWords, "stockSet", { name, count: 0 }), () => api("PATCH", `/products/${product.id}/stock`, { stock }));
    }
  };
  return (
    <li>
      <div className="shelf-name">
        {editable && (
          <ActionIcon variant="subtle" size="sm" color={featured ? "violet" : "gray"} disabled={!online} data-on={featured} className="star" aria-pressed={featured} aria-label={t(featured ? "unfeature" : "feature", { name })} onClick={() => void feature()}>
            <Icon name="star" size={16} />
          </ActionIcon>
        )}
        <span>{name}</span>
        <DealLeft product={product} />
      </div>
      <div className="shelf-numbers">
        {originalPrice !== null && originalPrice > price && <s className="dim number">{money(originalPrice, currency)}</s>}
        <Value product={product} field="price" editable={editable && online} />
        {stock > 0 && stock <= LOW && <Tag tone="warn">{t("left", { count: stock })}</Tag>}
        {stock === 0 && <Tag tone="bad">{t("soldOut")}</Tag>}
        <Value product={product} field="stock" editable={editable && online} />
        {editable && (
          <span className="row">
            <ActionIcon variant="subtle" color="gray" size="sm" disabled={!online} aria-label={t("deal", { name })} title={t("dealTitle")} onClick={deal}>
              <Icon name="clock" size={16} />
            </ActionIcon>
            <ActionIcon variant="subtle" color="gray" size="sm" disabled={!online || stock === 0} aria-label={t("sellOut", { name })} title={t("soldOut")} onClick={() => void sellOut()}>
              <Icon name="ban" size={16} />
            </ActionIcon>
          </span>
        )}
      </div>
    </li>
  );
}

function Value({ product, field, editable }: { product: Product; field: Field; editable: boolean }) {
  const t = useLiveWords();
  const [value, setValue] = useState<number | string | null>(null);
  const label = t(field === "price" ? "editPrice" : "editStock", { name: product.name });
  const save = (event: FormEvent) => {
    event.preventDefault();
    setValue(null);
    if (typeof value === "number" && value !== product[field]) void change(product, field, value);
  };
  if (!editable) return <span className="number">{written(product, field)}</span>;
  if (value === null) {
    return (
      <UnstyledButton className="editable number" aria-label={`${label}: ${written(product, field)}`} onClick={() => setValue(product[field])}>
        {written(product, field)}
      </UnstyledButton>
    );
  }
  return (
    <form onSubmit={save}>
      <NumberInput size="xs" w={field === "price" ? 104 : 76} autoFocus hideControls thousandSeparator allowNegative={false} decimalScale={field === "stock" ? 0 : 2} aria-label={label} value={value} onChange={setValue} onFocus={(event) => event.currentTarget.select()} onBlur={() => setValue(null)} onKeyDown={(event) => event.key === "Escape" && setValue(null)} />
    </form>
  );
}

function DealLeft({ product: { dealEndsAt } }: { product: Product }) {
  const t = useLiveWords();
  const [now, setNow] = useState(Date.now);
  const left = dealEndsAt ? Date.parse(dealEndsAt) - now : 0;
  useEffect(() => {
    if (!dealEndsAt) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [dealEndsAt]);
  return left > 0 ? <Tag tone="brand">{t("dealEnds", { time: span(left) })}</Tag> : null;
}

function Deal({ product, close }: { product: Product; close: () => void }) {
  const t = useLiveWords();
  const shell = useShellWords();
  const [price, setPrice] = useState<number | string>(Math.round(product.price * 0.9));
  const [minutes, setMinutes] = useState<number | string>(DEAL);
  const ready = typeof price === "number" && typeof minutes === "number" && price > 0 && price < product.price && minutes > 0;
  const start = (event: FormEvent) => {
    event.preventDefault();
    if (!ready) return;
    const until = new Date(Date.now() + Number(minutes) * 60_000);
    void attempt(async () => {
      await api("POST", `/products/${product.id}/deal`, { price, until: until.toISOString(), expectedVersion: product.version });
      toast(said(useLiveWords, "dealSet", { name: product.name, price: money(Number(price), product.currency), time: clock(until) }));
      close();
    });
  };
  return (
    <form className="stack" onSubmit={start}>
      <p>
        <b>{product.name}</b> <span className="number">{money(product.price, product.currency)}</span>
      </p>
      <NumberInput data-autofocus label={t("dealPrice")} thousandSeparator allowNegative={false} max={product.price} value={price} onChange={setPrice} hideControls />
      <NumberInput label={t("dealMinutes")} min={1} max={1440} value={minutes} onChange={setMinutes} hideControls />
      <div className="dialog-buttons">
        <Button variant="default" onClick={close}>
          {shell("cancel")}
        </Button>
        <Button type="submit" disabled={!ready}>
          {t("dealStart")}
        </Button>
      </div>
    </form>
  );
}
