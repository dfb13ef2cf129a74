// The course of a stream: viewers, messages and sales over time, from the analytics database.

import type { StreamView } from "@dorami/client";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useMemo } from "react";
import { get } from "../api";
import { Card, Empty, Loaded } from "../components/page";
import { money, number } from "../format";
import { useShop } from "../shop";
import { useStreamWords } from "../words/streams";

const Graph = lazy(() => import("../components/graph").then(({ Graph }) => ({ default: Graph })));

const EVERY = 60_000; // ms between two requests while the stream is live
const LENGTHS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }; // ms
const TALL = 120; // px
const LOW = 76; // px

interface Point {
  at: string;
  viewers: number | null; // null: nobody has counted, or nobody watched
  peakViewers: number | null;
  messages: number;
  amount: number;
}

/** The shown part of `GET /analytics/streams/{key}`. */
interface StreamReport {
  streamKey: string;
  from: string;
  to: string;
  bucket: keyof typeof LENGTHS;
  points: Point[];
}

/** Three graphs with one time axis, for users who may read the numbers of the stream. */
export function Course({ stream }: { stream: StreamView }) {
  const t = useStreamWords();
  const report = useQuery({
    queryKey: ["/analytics/streams", stream.key],
    queryFn: () => get<StreamReport>(`/analytics/streams/${stream.key}`),
    refetchInterval: stream.status === "LIVE" && EVERY,
  });
  return (
    <Card className="course" title={t("course")}>
      <Loaded query={report}>{(data) => (data.points.length ? <Graphs report={data} /> : <Empty>{t("nothingCounted")}</Empty>)}</Loaded>
    </Card>
  );
}

function Graphs({ report }: { report: StreamReport }) {
  const t = useStreamWords();
  const { currency } = useShop();
  const { bucket, points, streamKey } = report;
  const { viewers, messages, sales, range } = useMemo(() => over(report), [report]);
  const peak = Math.max(0, ...points.map(({ peakViewers }) => peakViewers ?? 0));
  const sum = (field: "messages" | "amount") => points.reduce((all, point) => all + point[field], 0);
  const common = { range, sync: `course-${streamKey}` };
  const by = t(bucket);
  return (
    <Suspense fallback={<div className="graph-space" />}>
      <p className="graph-name dim">{t("viewersOver", { peak: number(peak) })}</p>
      <Graph {...common} kind="line" height={TALL} data={viewers} times={false} label={t("viewersOver", { peak: number(peak) })} />
      <p className="graph-name dim">{t("messagesOver", { by, total: number(sum("messages")) })}</p>
      <Graph {...common} kind="bars" height={LOW} data={messages} times={false} label={t("messagesOver", { by, total: number(sum("messages")) })} />
      <p className="graph-name dim">{t("salesOver", { by, total: money(sum("amount"), currency) })}</p>
      <Graph {...common} kind="bars" height={LOW} data={sales} label={t("salesOver", { by, total: money(sum("amount"), currency) })} />
    </Suspense>
  );
}

type Series = [times: number[], values: (number | null)[]];

/** Return the values of every minute, hour or day: the report omits those without events. */
function over({ from, to, bucket, points }: StreamReport): { viewers: Series; messages: Series; sales: Series; range: [number, number] } {
  const length = LENGTHS[bucket];
  const known = new Map(points.map((point) => [Date.parse(point.at), point]));
  const first = Date.parse(points[0]!.at);
  const times: number[] = [];
  for (let at = first; at < Date.parse(to); at += length) times.push(at);
  const seconds = times.map((at) => at / 1000);
  const series = (value: (point: Point | undefined) => number | null): Series => [seconds, times.map((at) => value(known.get(at)))];
  return {
    viewers: series((point) => point?.viewers ?? null),
    messages: series((point) => point?.messages ?? 0),
    sales: series((point) => point?.amount ?? 0),
    range: [Math.min(first, Date.parse(from)) / 1000, Date.parse(to) / 1000],
  };
}
