// Viewers and orders over time: minutes of the analytics database, then the counts while the page is open.

import type { Product, StreamView } from "@dorami/client";
import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { get } from "../../api";
import { Graph, type Mark } from "../../components/graph";
import { Card } from "../../components/page";
import { money, number } from "../../format";
import { useShop } from "../../shop";
import { store, type Store, useStore } from "../../stores";
import { useLiveWords } from "../../words/live";
import { type Room, useRoom } from "./room";

const MINUTE = 60_000;
const MOST = 5_000; // samples
const HOLE = 2.5 * MINUTE;

interface Point {
  at: string;
  viewers: number | null;
  orders: number;
}

interface Counted {
  viewers: readonly (readonly [at: number, viewers: number])[];
  orders: readonly number[]; // when they were placed, in ms
  marks: readonly Mark[];
}

const counts = new WeakMap<Room, Store<Counted>>();

/** Return the counts of a room while the page was open. */
function useCounted(): Store<Counted> {
  const room = useRoom();
  if (!counts.has(room)) counts.set(room, store<Counted>({ viewers: [], orders: [], marks: [] }));
  const counted = counts.get(room)!;
  const t = useLiveWords();
  useEffect(() => {
    const add = (change: Partial<Counted>) => counted.set({ ...counted.get(), ...change });
    const sample = () => {
      const stats = room.stats.get();
      if (stats) add({ viewers: [...counted.get().viewers, [Date.now(), stats.viewers] as const].slice(-MOST) });
    };
    const mark = (label: string, tone: Mark["tone"]) => add({ marks: [...counted.get().marks, { at: Date.now(), label, tone }].slice(-50) });
    let prices = new Map([...room.products.state.get().products.values()].map(({ id, price }) => [id, price]));
    const stops = [
      room.stats.subscribe(sample),
      room.products.on("order:purchase:notification", () => add({ orders: [...counted.get().orders, Date.now()].slice(-MOST) })),
      room.products.state.subscribe(() => {
        const products: Product[] = [...room.products.state.get().products.values()];
        for (const { id, name, price, currency } of products) {
          const before = prices.get(id);
          if (before !== undefined && price < before) mark(t("drop", { name, price: money(price, currency) }), "brand");
        }
        prices = new Map(products.map(({ id, price }) => [id, price]));
      }),
      room.chat.on("chat:settings", ({ frozen }) => frozen && mark(t("freeze"), "warn")),
    ];
    return () => stops.forEach((stop) => stop());
  }, [room, counted, t]);
  return counted;
}

/** `reported`: whether the user may read the analytics of the stream. */
export function Graphs({ stream, reported }: { stream: StreamView; reported: boolean }) {
  const t = useLiveWords();
  const room = useRoom();
  const counted = useStore(useCounted());
  const stats = useStore(room.stats);
  const [minutes, setMinutes] = useState("15");
  const { analytics } = useShop();
  const report = useQuery({
    queryKey: ["analytics", stream.key],
    queryFn: () => get<{ points: Point[] }>(`/analytics/streams/${stream.key}`, { bucket: "minute", from: stream.startedAt ?? stream.createdAt }),
    refetchInterval: MINUTE,
    retry: false,
    enabled: analytics && reported,
  });
  const points = report.data?.points;

  const { viewers, orders, range } = useMemo(() => {
    const end = Date.now();
    const began = Date.parse(stream.startedAt ?? stream.createdAt);
    const start = minutes === "all" ? Math.min(began, end - 15 * MINUTE) : end - Number(minutes) * MINUTE;
    const live = counted.viewers[0]?.[0] ?? end;
    const past = (points ?? []).map((point) => ({ ...point, ms: Date.parse(point.at) }));
    const seen: [number, number | null][] = [...past.filter(({ ms }) => ms < live).map(({ ms, viewers }) => [ms, viewers] as [number, number | null]), ...counted.viewers.map(([at, count]) => [at, count] as [number, number])];
    const placed = new Map(past.map(({ ms, orders }) => [ms, orders]));
    const counts = new Map<number, number>();
    for (const at of counted.orders) counts.set(at - (at % MINUTE), (counts.get(at - (at % MINUTE)) ?? 0) + 1);
    for (const [ms, count] of counts) placed.set(ms, Math.max(count, placed.get(ms) ?? 0)); // both count the same orders
    const bars: [number, number][] = []; // one for every minute, since their distance sets their width
    for (let at = start - (start % MINUTE); at <= end; at += MINUTE) bars.push([at, placed.get(at) ?? 0]);
    // The report omits minutes without a count: the line has gaps there.
    const line = seen.flatMap(([at, count], index): [number, number | null][] => {
      const before = seen[index - 1]?.[0] ?? at;
      return at - before > HOLE ? [[before + 1, null], [at, count]] : [[at, count]];
    });
    const split = (pairs: [number, number | null][]): [number[], (number | null)[]] => [pairs.map(([ms]) => ms / 1000), pairs.map(([, value]) => value)];
    return { viewers: split(line), orders: split(bars), range: [start / 1000, end / 1000] as [number, number] };
  }, [counted, points, minutes, stream]);

  return (
    <Card
      className="graphs"
      title={t("graphs")}
      actions={
        <SegmentedControl
          size="xs"
          value={minutes}
          onChange={setMinutes}
          aria-label={t("graphs")}
          data={[
            { value: "15", label: t("window15") },
            { value: "60", label: t("window60") },
            { value: "all", label: t("windowAll") },
          ]}
        />
      }
    >
      <Graph kind="line" height={140} data={viewers} range={range} marks={counted.marks} times={false} sync={`live-${stream.key}`} label={t("viewersGraph", { now: number(stats?.viewers ?? 0), peak: number(stream.peakViewers) })} />
      <p className="graph-name dim">{t("orders")}</p>
      <Graph kind="bars" height={92} data={orders} range={range} sync={`live-${stream.key}`} label={t("salesGraph", { now: number(stats?.ordersPerMinute ?? 0) })} />
      {!analytics && <p className="graph-name dim">{t("noHistory")}</p>}
    </Card>
  );
}
