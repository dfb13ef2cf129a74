// New orders: all for administrators, those of their own streams for hosts.

import type { Order } from "@dorami/client";
import { Button } from "@mantine/core";
import { useEffect, useState } from "react";
import { api } from "../api";
import { Act, refresh } from "../components/acts";
import { confirm } from "../components/dialogs";
import { Export, Filters, Listed, Switcher } from "../components/filters";
import { Card, Empty, PageHead, Tag, type Tone } from "../components/page";
import { PersonLink } from "../components/person-link";
import { said } from "../components/said";
import { Table } from "../components/table";
import { toast } from "../components/toasts";
import { ago, date, money } from "../format";
import { useFilters, usePages } from "../lists";
import { dorami, useRole } from "../session";
import { useShop } from "../shop";
import { useStore } from "../stores";
import { useCommonWords } from "../words/common";
import { useOrderWords } from "../words/orders";

/** An order, for staff with the name of its buyer. */
type Sold = Order & { username?: string };

const TONES: Record<Order["status"], Tone> = { PENDING: "warn", PAID: "good", CANCELLED: "neutral", EXPIRED: "neutral" };
const STATUSES = Object.keys(TONES) as Order["status"][];

export default function Orders() {
  const t = useOrderWords();
  return (
    <>
      <PageHead title={t("title")} />
      <OrdersCard />
    </>
  );
}

/** The orders of a stream, or of all that the user may see. */
export function OrdersCard({ streamKey }: { streamKey?: string }) {
  const t = useOrderWords();
  const common = useCommonWords();
  const admin = useRole() === "ADMIN";
  const { currency } = useShop();
  const [{ status, user }, filter, clear] = useFilters("status", "user");
  const query = { status, userId: user, streamKey, scope: admin ? undefined : "sold" };
  const pages = usePages<Sold>("/orders", query);
  const { orders } = useStore(useRoom().state);
  const [fresh, reset] = useFresh(streamKey, user, status);
  const current = (order: Sold): Sold => {
    const { status, paidAt, cancelledAt } = orders.get(order.id) ?? order;
    return status === "PENDING" ? order : { ...order, status, paidAt, cancelledAt };
  };
  const renew = async () => {
    reset();
    await refresh("/orders");
  };
  const buyer = ({ username, userId }: Sold) => username ?? userId.slice(0, 8);

  const pay = async (order: Sold) => {
    const body = t("payText", { buyer: buyer(order), total: money(order.total, currency) });
    if (!(await confirm({ title: t("payTitle"), body, action: t("pay") }))) return;
    await api("POST", `/orders/${order.id}/paid`);
    toast(said(useOrderWords, "paid", { buyer: buyer(order) }));
    await refresh("/orders");
  };
  const cancel = async (order: Sold) => {
    const body = (
      <>
        <p>{t("cancelText")}</p>
        <Items order={order} />
      </>
    );
    if (!(await confirm({ title: t("cancelTitle", { buyer: buyer(order) }), body, action: t("cancel"), danger: true }))) return;
    await api("DELETE", `/orders/${order.id}`);
    toast(said(useOrderWords, "cancelled", { buyer: buyer(order) }));
    await refresh("/orders");
  };
  return (
    <>
      <Filters>
        <Switcher label={t("status")} value={status} change={(status) => filter({ status })} choices={[["", common("all")], ...STATUSES.map((status) => [status, t(status)] as const)]} />
        {user && (
          <Button variant="default" size="sm" onClick={() => filter({ user: "" })}>
            {t("allPeople")}
          </Button>
        )}
        <Export path="/orders" query={query} name="orders" />
      </Filters>
      {fresh > 0 && (
        <Button className="pill" radius="xl" size="sm" onClick={() => void renew()}>
          {t("new", { count: fresh })}
        </Button>
      )}
      <Card>
        <Listed pages={pages} clear={clear} noneFound={t("noneFound")} empty={<Empty>{t("none")}</Empty>}>
          {(found) => (
            <Table
              label={t("title")}
              rows={found.map(current)}
              id={({ id }) => id}
              columns={[
                {
                  name: "buyer",
                  head: t("buyer"),
                  bare: true,
                  cell: (order) => <PersonLink id={order.userId} name={buyer(order)} />,
                },
                { name: "items", head: t("items"), bare: true, cell: (order) => <Items order={order} /> },
                { name: "total", head: t("total"), end: true, cell: ({ total }) => money(total, currency) },
                {
                  name: "status",
                  head: t("status"),
                  cell: ({ status, expiresAt }) => (
                    <span className="row">
                      <Tag tone={TONES[status]}>{t(status)}</Tag>
                      {status === "PENDING" && expiresAt && <span className="dim">{t("until", { time: ago(expiresAt) })}</span>}
                    </span>
                  ),
                },
                {
                  name: "time",
                  head: t("time"),
                  cell: ({ createdAt }) => (
                    <time dateTime={createdAt} title={date(createdAt)}>
                      {ago(createdAt)}
                    </time>
                  ),
                },
                ...(admin
                  ? [
                      {
                        name: "actions",
                        head: "",
                        bare: true,
                        end: true,
                        cell: (order: Sold) =>
                          order.status === "PENDING" && (
                            <span className="row end">
                              <Act size="compact-sm" variant="default" run={() => pay(order)}>
                                {t("pay")}
                              </Act>
                              <Act size="compact-sm" variant="default" run={() => cancel(order)}>
                                {t("cancel")}
                              </Act>
                            </span>
                          ),
                      },
                    ]
                  : []),
              ]}
            />
          )}
        </Listed>
      </Card>
    </>
  );
}

function Items({ order }: { order: Order }) {
  const t = useOrderWords();
  return (
    <ul className="items">
      {order.items.map(({ productId, name, quantity }, place) => (
        <li key={productId ?? place}>{t("item", { name, quantity })}</li>
      ))}
    </ul>
  );
}

function useRoom() {
  const room = dorami().orders();
  useEffect(() => room.retain(), [room]);
  return room;
}

/** The number of orders placed since the list was read that match its filters, and a function that resets it. */
function useFresh(streamKey: string | undefined, user: string, status: string): [count: number, reset: () => void] {
  const [count, setCount] = useState(0);
  useEffect(() => {
    setCount(0);
    return dorami()
      .orders()
      .on("order:new", (order) => {
        const ours = !streamKey || order.items.some((item) => item.streamKey === streamKey);
        if (ours && (!user || order.userId === user) && (!status || status === "PENDING")) setCount((before) => before + 1);
      });
  }, [streamKey, user, status]);
  return [count, () => setCount(0)];
}
