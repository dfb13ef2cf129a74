// The start page: what is live, what is next, what was sold today, what needs attention.

import type { NodePage, Product, ProductPage, StreamList, StreamStats, StreamView } from "@dorami/client";
import { Button } from "@mantine/core";
import { useQueries, useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useMemo } from "react";
import { Link } from "wouter";
import { get } from "../api";
import { Card, Empty, Loaded, PageHead, Tag } from "../components/page";
import { ago, date, money, number } from "../format";
import { useRole, useSession } from "../session";
import { useShop } from "../shop";
import { useHomeWords } from "../words/home";

const Graph = lazy(() => import("../components/graph").then((module) => ({ default: module.Graph })));

const EVERY = 15_000; // ms
const HOUR = 3_600_000;
const LOW = 5; // pieces; a lower stock is marked as nearly sold out
const SHOWN = 8;

interface Sales {
  points: { at: string; orders: number; amount: number; paidOrders: number }[];
}

const useStreams = (path: string) => useQuery({ queryKey: [path], queryFn: () => get<StreamList>(path), refetchInterval: EVERY });

export default function Home() {
  const t = useHomeWords();
  const { analytics } = useShop();
  const { user } = useSession();
  const live = useStreams("/streams/active");
  const next = useStreams("/streams/upcoming");
  const streams = live.data?.streams ?? [];
  const mine = user.role === "HOST" ? streams.filter(({ hostId }) => hostId === user.id) : streams;
  return (
    <>
      <PageHead title={t("title")} />
      <div className="columns">
        <Card title={t("live")}>
          <Loaded query={live}>
            {() =>
              mine.length ? (
                mine.map((stream) => <LiveStream key={stream.key} stream={stream} />)
              ) : (
                <Empty
                  action={
                    <Button component={Link} href="/streams" variant="default">
                      {t("allStreams")}
                    </Button>
                  }
                >
                  {t("nobodyLive")}
                </Empty>
              )
            }
          </Loaded>
        </Card>
        <Alerts streams={mine} />
        {analytics && user.role !== "MODERATOR" && <SalesToday />}
        <Card title={t("next")}>
          <Loaded query={next}>
            {({ streams }) => (streams.length ? streams.map((stream) => <Show key={stream.key} stream={stream} note={stream.scheduledAt ? date(stream.scheduledAt) : ""} />) : <Empty>{t("nothingNext")}</Empty>)}
          </Loaded>
        </Card>
      </div>
    </>
  );
}

function LiveStream({ stream }: { stream: StreamView }) {
  const t = useHomeWords();
  const stats = useQuery({ queryKey: ["/stats", stream.key], queryFn: () => get<StreamStats>(`/streams/${stream.key}/stats`), refetchInterval: EVERY });
  return (
    <Show stream={stream} note={t("since", { time: ago(stream.startedAt!) })}>
      <Tag tone="bad">LIVE</Tag>
      {stats.data && (
        <span className="dim">
          {t("viewers", { count: stats.data.viewers })} · {t("perMinute", { count: stats.data.messagesPerMinute })}
        </span>
      )}
    </Show>
  );
}

function Show({ stream, note, children }: { stream: StreamView; note: string; children?: ReactNode }) {
  const t = useHomeWords();
  return (
    <div className="card-body row">
      <div className="grow">
        <b>{stream.title}</b>
        <div className="row">
          {children}
          <span className="dim">{note}</span>
        </div>
      </div>
      <Button component={Link} href={`/live/${stream.key}`} variant="light" size="xs">
        {t("moderate")}
      </Button>
    </div>
  );
}

function SalesToday() {
  const t = useHomeWords();
  const { currency } = useShop();
  const midnight = new Date().setHours(0, 0, 0, 0);
  const sales = useQuery({
    queryKey: ["/analytics/sales", midnight],
    queryFn: () => get<Sales>("/analytics/sales", { from: new Date(midnight).toISOString(), bucket: "hour" }),
    refetchInterval: 60_000,
  });
  const points = sales.data?.points;
  const data = useMemo(() => {
    const hours = new Map(points?.map(({ at, orders }) => [Date.parse(at), orders]));
    const times = Array.from({ length: 24 }, (_, hour) => midnight + hour * HOUR);
    return [times.map((at) => at / 1000), times.map((at) => hours.get(at) ?? 0)] as [number[], number[]];
  }, [points, midnight]);
  const range = useMemo((): [number, number] => [midnight / 1000, (midnight + 24 * HOUR) / 1000], [midnight]);
  return (
    <Card title={t("sales")}>
      <Loaded query={sales}>
        {({ points }) => {
          const total = (field: "orders" | "amount" | "paidOrders") => points.reduce((sum, point) => sum + point[field], 0);
          return (
            <>
              <p className="card-body row">
                <b className="big number">{money(total("amount"), currency)}</b>
                <span className="dim">
                  {t("orders", { count: total("orders") })} · {t("paid", { count: total("paidOrders") })}
                </span>
              </p>
              <Suspense fallback={<div className="graph-space" />}>
                <Graph kind="bars" height={110} data={data} range={range} label={t("perHour", { count: number(total("orders")) })} />
              </Suspense>
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

/** Nodes that have ended or are degraded, and products of live streams that are nearly or entirely sold out. */
function Alerts({ streams }: { streams: readonly StreamView[] }) {
  const t = useHomeWords();
  const shelves = useQueries({
    queries: streams.map(({ key }) => ({ queryKey: ["/products", "low", key], queryFn: () => get<ProductPage>("/products", { streamKey: key, limit: 100 }), refetchInterval: EVERY })),
  });
  const role = useRole();
  const nodes = useQuery({ queryKey: ["/cluster/nodes"], queryFn: () => get<NodePage>("/cluster/nodes"), refetchInterval: EVERY, enabled: role === "ADMIN" });
  const ill = (nodes.data?.items ?? []).flatMap((node) => (node.status === "ok" ? [] : [{ ...node, status: node.status }]));
  const low: Product[] = shelves.flatMap(({ data }) => data?.items ?? []).filter(({ stock }) => stock <= LOW);
  low.sort((one, other) => one.stock - other.stock);
  return (
    <Card title={t("alerts")}>
      {ill.map(({ id, name, status }) => (
        <div key={id} className="card-body row">
          <span className="grow">{t("node", { name })}</span>
          <Tag tone={status === "draining" ? "warn" : "bad"}>{t(status)}</Tag>
        </div>
      ))}
      {low.length ? (
        low.slice(0, SHOWN).map(({ id, name, stock, streamKey }) => (
          <div key={id} className="card-body row">
            <span className="grow">{name}</span>
            <Tag tone={stock ? "warn" : "bad"}>{stock ? t("left", { count: stock }) : t("soldOut")}</Tag>
            <Button component={Link} href={`/live/${streamKey}`} variant="default" size="compact-xs">
              {t("moderate")}
            </Button>
          </div>
        ))
      ) : ill.length ? null : (
        <Empty>{t("noAlerts")}</Empty>
      )}
    </Card>
  );
}
