// The products of a stream as the shop shows them now, and the forms that change them.

import { DoramiError, type Product, type StreamView } from "@dorami/client";
import { ActionIcon, Button, Checkbox, Menu, NativeSelect, NumberInput, Switch, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { memo, useEffect, useRef, useState } from "react";
import { api, get } from "../api";
import { Act, FormDialog } from "../components/acts";
import { confirm, Dialog } from "../components/dialogs";
import { Card, Empty, Loading, Tag } from "../components/page";
import { Problem } from "../components/problem";
import { said } from "../components/said";
import { type Column, Table } from "../components/table";
import { attempt, fail, toast, undoable } from "../components/toasts";
import { money, number, span } from "../format";
import { Icon } from "../icons";
import { dorami, useRole, useSession } from "../session";
import { useOnline } from "../shell";
import { useStore } from "../stores";
import { useCommonWords } from "../words/common";
import { showable, useShop } from "../shop";
import { useProductWords } from "../words/products";

const LOW = 5; // pieces, as in the warning of the live room
const LENGTHS = [5, 10, 30, 60, 180]; // minutes of a deal

type Field = "price" | "stock";

/** Change a product if its field is still what it was when the editing began. */
async function change(product: Product, field: Field, value: number, version = product.version): Promise<Product> {
  const path = field === "stock" ? `/products/${product.id}/stock` : `/products/${product.id}`;
  try {
    return await api<Product>("PATCH", path, { [field]: value, expectedVersion: version });
  } catch (error) {
    const now = rival(error);
    // Only other fields were changed: that is no conflict.
    if (now && now[field] === product[field] && now.version !== version) return change(product, field, value, now.version);
    throw error;
  }
}

/** The stored product, if an error is a conflict of versions. */
const rival = (error: unknown): Product | undefined =>
  DoramiError.is(error, "CONFLICT") ? (error.details as { product?: Product } | undefined)?.product : undefined;

interface Clash {
  field: Field;
  mine: number;
  now: Product;
}

type Asked = { what: "add" } | { what: "edit" | "deal"; product: Product } | { what: "bulk" } | { what: "clash"; clash: Clash } | undefined;

export function ProductsCard({ streamKey }: { streamKey: string }) {
  const t = useProductWords();
  const room = dorami().products(streamKey);
  useEffect(() => room.retain(), [room]);
  const { products, featured, status, error } = useStore(room.state);
  const role = useRole();
  const { user } = useSession();
  const stream = useQuery({ queryKey: [`/streams/${streamKey}`], queryFn: () => get<StreamView>(`/streams/${streamKey}`) });
  const edits = role === "ADMIN" || stream.data?.hostId === user.id;
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [asked, setAsked] = useState<Asked>();
  const shown = [...products.values()];
  const chosen = shown.filter(({ id }) => picked.has(id));
  const close = () => setAsked(undefined);

  const store = async (product: Product, field: Field, value: number) => {
    try {
      const stored = await change(product, field, value);
      const text =
        field === "price"
          ? said(useProductWords, "priced", { name: stored.name, price: money(stored.price, stored.currency) })
          : said(useProductWords, "stocked", { name: stored.name, stock: number(stored.stock) });
      undoable(text, () => change(stored, field, product[field]));
    } catch (error) {
      const now = rival(error);
      if (now) setAsked({ what: "clash", clash: { field, mine: value, now } });
      else fail(error);
    }
  };
  const sellOut = (product: Product) =>
    attempt(async () => {
      const stored = await api<Product>("PATCH", `/products/${product.id}/sold-out`);
      undoable(said(useProductWords, "soldOutNow", { name: product.name }), () => change(stored, "stock", product.stock));
    });
  const feature = (product: Product) =>
    attempt(async () => {
      const path = `/streams/${streamKey}/featured-product`;
      if (featured === product.id) {
        await api("DELETE", path);
        toast(said(useProductWords, "unfeaturedNow"));
      } else {
        await api("PUT", path, { productId: product.id });
        toast(said(useProductWords, "featuredNow", { name: product.name }));
      }
    });
  const move = (place: number, by: number) => {
    const ids = shown.map(({ id }) => id);
    ids.splice(place + by, 0, ...ids.splice(place, 1));
    return attempt(() => api("PATCH", "/products/order", { streamKey, ids }));
  };
  const remove = async ({ id, name, stock }: Product) => {
    const question = { title: t("removeTitle", { name }), body: t("removeText", { stock: number(stock) }), action: t("remove"), danger: true };
    if (!(await confirm(question))) return;
    await attempt(async () => {
      await api("DELETE", `/products/${id}`);
      toast(said(useProductWords, "removed", { name }));
    });
  };

  const columns: (Column<Product> | false)[] = [
    edits && {
      name: "picked",
      head: "",
      bare: true,
      cell: ({ id, name }) => (
        <Checkbox aria-label={t("pick", { name })} checked={picked.has(id)} onChange={({ currentTarget }) => setPicked(toggled(picked, id, currentTarget.checked))} />
      ),
    },
    { name: "name", head: t("product"), bare: true, cell: (product) => <Name product={product} featured={featured === product.id} /> },
    {
      name: "price",
      head: t("price"),
      end: true,
      cell: (product) => (
        <span>
          {product.originalPrice !== null && product.originalPrice > product.price && <s className="dim before">{money(product.originalPrice, product.currency)}</s>}
          <Edit
            name={t("changePrice", { name: product.name })}
            value={product.price}
            shown={money(product.price, product.currency)}
            store={edits && ((value) => store(product, "price", value))}
            decimals={2}
          />
        </span>
      ),
    },
    {
      name: "stock",
      head: t("stock"),
      end: true,
      cell: (product) => (
        <Edit
          name={t("changeStock", { name: product.name })}
          value={product.stock}
          shown={number(product.stock)}
          store={edits && ((value) => store(product, "stock", value))}
          decimals={0}
        />
      ),
    },
    {
      name: "status",
      head: t("status"),
      cell: ({ status, stock }) => {
        const low = status === "AVAILABLE" && stock < LOW;
        return <Tag tone={low ? "warn" : status === "AVAILABLE" ? "good" : "bad"}>{low ? t("low") : t(status)}</Tag>;
      },
    },
    edits && {
      name: "actions",
      head: t("actions"),
      bare: true,
      end: true,
      cell: (product) => {
        const place = shown.indexOf(product);
        return (
          <Menu position="bottom-end">
            <Menu.Target>
              <ActionIcon variant="default" size="lg" aria-label={t("more", { name: product.name })}>
                <Icon name="more" />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item onClick={() => setAsked({ what: "edit", product })}>{t("edit")}</Menu.Item>
              <Menu.Item onClick={() => setAsked({ what: "deal", product })}>{t("startDeal")}</Menu.Item>
              <Menu.Item onClick={() => void feature(product)}>{featured === product.id ? t("unfeature") : t("feature")}</Menu.Item>
              {product.status === "AVAILABLE" && <Menu.Item onClick={() => void sellOut(product)}>{t("soldOut")}</Menu.Item>}
              {place > 0 && <Menu.Item onClick={() => void move(place, -1)}>{t("up")}</Menu.Item>}
              {place < shown.length - 1 && <Menu.Item onClick={() => void move(place, 1)}>{t("down")}</Menu.Item>}
              <Menu.Divider />
              <Menu.Item color="red" onClick={() => void remove(product)}>
                {t("remove")}
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        );
      },
    },
  ];
  const add = edits && <Button onClick={() => setAsked({ what: "add" })}>{t("add")}</Button>;
  return (
    <Card title={t("title")} actions={shown.length > 0 && add} className="products">
      {status === "failed" ? (
        <Problem error={error} />
      ) : status === "joining" && !shown.length ? (
        <Loading />
      ) : shown.length ? (
        <>
          {edits ? (
            <div className="picked">
              <Checkbox
                label={chosen.length ? t("picked", { count: chosen.length }) : t("pickAll")}
                checked={chosen.length === shown.length}
                indeterminate={chosen.length > 0 && chosen.length < shown.length}
                onChange={({ currentTarget }) => setPicked(new Set(currentTarget.checked ? shown.map(({ id }) => id) : []))}
              />
              {chosen.length > 0 && (
                <Button size="compact-sm" variant="default" onClick={() => setAsked({ what: "bulk" })}>
                  {t("bulk")}
                </Button>
              )}
            </div>
          ) : (
            stream.data && <p className="picked dim">{t("reading")}</p>
          )}
          <Table label={t("title")} rows={shown} id={({ id }) => id} columns={columns.filter((column) => column !== false)} />
        </>
      ) : (
        <Empty action={add}>{t("none")}</Empty>
      )}
      {asked?.what === "add" && <ProductForm streamKey={streamKey} close={close} />}
      {asked?.what === "edit" && <ProductForm streamKey={streamKey} product={asked.product} close={close} />}
      {asked?.what === "deal" && <Deal product={asked.product} close={close} />}
      {asked?.what === "bulk" && <Bulk products={chosen} close={close} done={() => setPicked(new Set())} />}
      {asked?.what === "clash" && <Choice clash={asked.clash} close={close} store={({ now, field, mine }) => store(now, field, mine)} />}
    </Card>
  );
}

function toggled(set: ReadonlySet<string>, id: string, on: boolean): ReadonlySet<string> {
  const next = new Set(set);
  if (on) next.add(id);
  else next.delete(id);
  return next;
}

/** The picture of a product; nothing if there is none, the content policy forbids it, or it does not load. */
function Picture({ address }: { address: string | null }) {
  const { imageOrigins } = useShop();
  const [broken, setBroken] = useState("");
  if (!address || broken === address || !showable(address, imageOrigins)) return null;
  return <img src={address} alt="" loading="lazy" referrerPolicy="no-referrer" onError={() => setBroken(address)} />;
}

/** The name of a product and its tags. */
function Name({ product, featured }: { product: Product; featured: boolean }) {
  const t = useProductWords();
  return (
    <span className="named">
      <Picture address={product.imageUrl} />
      <span>{product.name}</span>
      {featured && <Tag tone="brand">{t("featured")}</Tag>}
      {product.isNew && <Tag>{t("isNew")}</Tag>}
      {product.dealEndsAt && <DealSign until={product.dealEndsAt} />}
    </span>
  );
}

/** The ms until a time, counted down each second; 0 when it has passed. */
function useCountdown(until: string): number {
  const left = () => Math.max(0, new Date(until).getTime() - Date.now());
  const [ms, setMs] = useState(left);
  useEffect(() => {
    setMs(left());
    const timer = setInterval(() => setMs(left()), 1000);
    return () => clearInterval(timer);
  }, [until]);
  return ms;
}

const DealSign = memo(function DealSign({ until }: { until: string }) {
  const t = useProductWords();
  const left = useCountdown(until);
  return left > 0 ? <Tag tone="warn">{t("deal", { left: span(left) })}</Tag> : null;
});

interface EditProps {
  name: string;
  value: number;
  shown: string;
  /** Stores another value; false if the user may not. */
  store: false | ((value: number) => unknown);
  decimals: number;
}

/** A number that is edited in place: Enter stores it, Escape cancels. */
function Edit({ name, value, shown, store, decimals }: EditProps) {
  const [draft, setDraft] = useState<number | string>();
  const begun = useRef(store); // for the version that was shown when the editing began
  const online = useOnline();
  if (!store) return shown;
  const begin = () => {
    begun.current = store;
    setDraft(value);
  };
  if (draft === undefined)
    return (
      <button type="button" className="edit" aria-label={`${name}: ${shown}`} disabled={!online} onClick={begin}>
        {shown}
      </button>
    );
  const finish = () => {
    const next = Number(draft);
    setDraft(undefined);
    const save = begun.current;
    begun.current = false; // the field may lose the focus, too
    if (save && draft !== "" && Number.isFinite(next) && next !== value) save(next);
  };
  return (
    <NumberInput
      size="xs"
      className="editing"
      aria-label={name}
      value={draft}
      min={0}
      decimalScale={decimals}
      thousandSeparator=","
      hideControls
      autoFocus
      onFocus={(event) => event.currentTarget.select()}
      onChange={setDraft}
      onBlur={finish}
      onKeyDown={(event) => {
        if (event.key === "Enter") finish();
        if (event.key === "Escape") setDraft(undefined);
      }}
    />
  );
}

/** The dialog after two people changed the same value: it shows both values and offers the choice. */
function Choice({ clash, close, store }: { clash: Clash; close: () => void; store: (clash: Clash) => Promise<void> }) {
  const t = useProductWords();
  const { field, mine, now } = clash;
  const value = (amount: number) => (field === "price" ? money(amount, now.currency) : number(amount));
  return (
    <Dialog opened close={close} title={t("conflict", { name: now.name })}>
      <p>{t("conflictText")}</p>
      <div className="versus">
        <div>
          <span className="dim">{t("theirs")}</span>
          <b>{value(now[field])}</b>
        </div>
        <div>
          <span className="dim">{t("yours")}</span>
          <b>{value(mine)}</b>
        </div>
      </div>
      <div className="dialog-buttons">
        <Button variant="default" data-autofocus onClick={close}>
          {t("takeTheirs")}
        </Button>
        <Act
          run={() => {
            close();
            return store(clash);
          }}
        >
          {t("takeYours")}
        </Act>
      </div>
    </Dialog>
  );
}

function ProductForm({ streamKey, product, close }: { streamKey: string; product?: Product; close: () => void }) {
  const t = useProductWords();
  const common = useCommonWords();
  const [name, setName] = useState(product?.name ?? "");
  const [price, setPrice] = useState<number | string>("");
  const [stock, setStock] = useState<number | string>("");
  const [before, setBefore] = useState<number | string>(product?.originalPrice ?? "");
  const [description, setDescription] = useState(product?.description ?? "");
  const [image, setImage] = useState(product?.imageUrl ?? "");
  const [fresh, setFresh] = useState(product?.isNew ?? false);
  const save = async () => {
    const given = { name: name.trim(), description, isNew: fresh, originalPrice: before === "" ? null : Number(before), imageUrl: image.trim() || null };
    const stored = product
      ? await api<Product>("PATCH", `/products/${product.id}`, { ...given, expectedVersion: product.version })
      : await api<Product>("POST", "/products", { ...given, streamKey, price: Number(price), stock: Number(stock) });
    toast(said(useProductWords, product ? "saved" : "added", { name: stored.name }));
  };
  const valid = !!name.trim() && (!!product || (price !== "" && stock !== ""));
  return (
    <FormDialog title={product ? product.name : t("add")} action={product ? common("save") : t("add")} save={save} close={close} valid={valid}>
      <TextInput label={t("name")} value={name} onChange={(event) => setName(event.currentTarget.value)} maxLength={200} required data-autofocus />
      {!product && (
        <div className="pair">
          <NumberInput label={t("price")} value={price} onChange={setPrice} min={0} decimalScale={2} thousandSeparator="," required hideControls />
          <NumberInput label={t("stock")} value={stock} onChange={setStock} min={0} decimalScale={0} thousandSeparator="," required hideControls />
        </div>
      )}
      <NumberInput label={t("originalPrice")} description={t("originalHelp")} value={before} onChange={setBefore} min={0} decimalScale={2} thousandSeparator="," hideControls />
      <Textarea label={t("description")} value={description} onChange={(event) => setDescription(event.currentTarget.value)} maxLength={5000} rows={3} />
      <TextInput label={t("imageUrl")} type="url" placeholder="https://" value={image} onChange={(event) => setImage(event.currentTarget.value)} maxLength={2048} />
      <Switch label={t("markNew")} checked={fresh} onChange={(event) => setFresh(event.currentTarget.checked)} />
    </FormDialog>
  );
}

function Deal({ product, close }: { product: Product; close: () => void }) {
  const t = useProductWords();
  const common = useCommonWords();
  const [price, setPrice] = useState<number | string>("");
  const [minutes, setMinutes] = useState("10");
  const save = async () => {
    const until = new Date(Date.now() + Number(minutes) * 60_000).toISOString();
    const stored = await api<Product>("POST", `/products/${product.id}/deal`, { price: Number(price), until });
    undoable(said(useProductWords, "dealStarted", { name: stored.name, price: money(stored.price, stored.currency) }), () => change(stored, "price", product.price));
  };
  return (
    <FormDialog title={t("dealTitle", { name: product.name })} action={t("startDeal")} save={save} close={close} valid={price !== ""}>
      <p>{t("dealText", { price: money(product.price, product.currency) })}</p>
      <NumberInput label={t("dealPrice")} value={price} onChange={setPrice} min={0} decimalScale={2} thousandSeparator="," hideControls data-autofocus required />
      <NativeSelect label={t("dealLength")} value={minutes} onChange={(event) => setMinutes(event.currentTarget.value)} data={LENGTHS.map((count) => ({ value: String(count), label: common("minutes", { count }) }))} />
    </FormDialog>
  );
}

/** One change of many products, of all or none, with a preview before and undo after it. */
function Bulk({ products, close, done }: { products: Product[]; close: () => void; done: () => void }) {
  const t = useProductWords();
  const [percent, setPercent] = useState<number | string>(0);
  const [more, setMore] = useState<number | string>(0);
  const repriced = ({ price, currency }: Product) => rounded(price * (1 + Number(percent) / 100), currency);
  const restocked = ({ stock }: Product) => Math.max(0, stock + Number(more));
  const send = (items: object[]) => api<{ items: Product[] }>("PATCH", "/products", { items });
  const save = async () => {
    const { items } = await send(
      products.map((product) => ({ id: product.id, expectedVersion: product.version, ...(Number(percent) && { price: repriced(product) }), ...(Number(more) && { stock: restocked(product) }) })),
    );
    done();
    const undo = () => send(items.map(({ id, version }, place) => ({ id, expectedVersion: version, price: products[place]!.price, stock: products[place]!.stock })));
    undoable(said(useProductWords, "bulkDone", { count: items.length }), undo);
  };
  const [first] = products;
  return (
    <FormDialog title={t("bulkTitle", { count: products.length })} action={t("bulk")} save={save} close={close} valid={Number(percent) !== 0 || Number(more) !== 0}>
      <NumberInput label={t("percent")} description={t("percentHelp")} value={percent} onChange={setPercent} min={-99} max={900} data-autofocus />
      <NumberInput label={t("restock")} description={t("restockHelp")} value={more} onChange={setMore} allowDecimal={false} />
      {first && (
        <p className="dim">
          {t("preview", { name: first.name, before: money(first.price, first.currency), after: money(repriced(first), first.currency), stock: number(restocked(first)) })}
        </p>
      )}
    </FormDialog>
  );
}

/** An amount with as many decimals as the currency has. */
function rounded(amount: number, currency: string): number {
  const digits = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2;
  return Number(amount.toFixed(digits));
}
