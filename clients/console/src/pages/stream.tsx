// One stream: its data and actions, products, orders, replay and messages.

import { DoramiError, type StreamStats, type StreamView } from "@dorami/client";
import { Button, Menu } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link, useLocation, useParams } from "wouter";
import { api, get } from "../api";
import { Act, Once, refresh } from "../components/acts";
import { confirm } from "../components/dialogs";
import { Facts, Switcher } from "../components/filters";
import { Card, Empty, Loading, PageHead, Tag } from "../components/page";
import { Problem } from "../components/problem";
import { said } from "../components/said";
import { attempt, toast } from "../components/toasts";
import { ago, date, money, number } from "../format";
import { Icon } from "../icons";
import { useFilters } from "../lists";
import { useRole, useSession } from "../session";
import { useShellWords } from "../words/shell";
import { useStreamWords } from "../words/streams";
import { JobsCard } from "./jobs";
import { OrdersCard } from "./orders";
import { ProductsCard } from "./products-card";
import { Course } from "./stream-course";
import { StreamForm } from "./stream-form";
import { StreamMessages } from "./stream-messages";
import { useShop } from "../shop";
import { TONES } from "./streams";

const EVERY = 10_000; // ms between two requests for the numbers of a live stream

export default function Stream() {
  const { key } = useParams<{ key: string }>();
  const t = useStreamWords();
  const role = useRole();
  const { user } = useSession();
  const query = useQuery({ queryKey: [`/streams/${key}`], queryFn: () => get<StreamView>(`/streams/${key}`), refetchInterval: EVERY });
  if (query.data) return <Shown stream={query.data} runs={role === "ADMIN" || query.data.hostId === user.id} />;
  if (!query.error) return <Loading />;
  const all = (
    <Button component={Link} href="/streams" variant="default">
      {t("back")}
    </Button>
  );
  return DoramiError.is(query.error, "NOT_FOUND") ? <Empty action={all}>{t("missing")}</Empty> : <Problem error={query.error} retry={() => void query.refetch()} />;
}

const PARTS = ["overview", "products", "orders", "replay", "chat"] as const;
type Part = (typeof PARTS)[number];

function Shown({ stream, runs }: { stream: StreamView; runs: boolean }) {
  const t = useStreamWords();
  const role = useRole();
  const [{ tab }, filter] = useFilters("tab");
  const parts = PARTS.filter((part) => (part === "orders" ? runs : part === "replay" ? role === "ADMIN" : part === "chat" ? runs || role === "MODERATOR" : true));
  const part = parts.find((part) => part === tab) ?? "overview";
  return (
    <>
      <PageHead title={stream.title}>
        <Tag tone={TONES[stream.status]}>{t(stream.status)}</Tag>
        <Button component={Link} href={`/live/${stream.key}`} size="sm" variant="default">
          {t("mod")}
        </Button>
        {runs && <Actions stream={stream} />}
      </PageHead>
      <Switcher label={t("parts")} value={part} change={(tab) => filter({ tab: tab === "overview" ? "" : tab })} choices={parts.map((part) => [part, t(part)] as const)} />
      <Content part={part} stream={stream} runs={runs} />
    </>
  );
}

function Content({ part, stream, runs }: { part: Part; stream: StreamView; runs: boolean }) {
  if (part === "products") return <ProductsCard streamKey={stream.key} />;
  if (part === "orders") return <OrdersCard streamKey={stream.key} />;
  if (part === "replay") return <JobsCard streamKey={stream.key} />;
  if (part === "chat") return <StreamMessages streamKey={stream.key} />;
  return <Overview stream={stream} runs={runs} />;
}

const stats = (key: string) => get<StreamStats>(`/streams/${key}/stats`);

function Actions({ stream }: { stream: StreamView }) {
  const t = useStreamWords();
  const [, go] = useLocation();
  const [editing, setEditing] = useState(false);
  const [ingestKey, setIngestKey] = useState("");
  const { key, title, status } = stream;
  const reopens = status === "ENDED" && stream.closesAt !== null && new Date(stream.closesAt).getTime() > Date.now();

  /** Change the stream and show a toast. */
  const put = (method: string, path: string, word: "started" | "reopened" | "stopped" | "cancelled") =>
    attempt(async () => {
      await api<StreamView>(method, path);
      toast(said(useStreamWords, word, { title }));
      await refresh("/streams");
    });
  /** The current number of viewers, for the question; undefined if it is not known. */
  const watching = () => stats(key).then(({ viewers }) => viewers, () => undefined);

  const start = async () => {
    const count = await watching();
    const body = count ? t("startText", { count }) : undefined;
    if (!count || (await confirm({ title: t("startTitle", { title }), body, action: t("start") }))) await put("POST", `/streams/${key}/start`, "started");
  };
  const stop = async () => {
    const count = await watching();
    const body = count === undefined ? t("stopUnknown") : t("stopText", { count });
    if (await confirm({ title: t("stopTitle", { title }), body, action: t("stop"), danger: true })) await put("POST", `/streams/${key}/stop`, "stopped");
  };
  const cancel = async () => {
    if (await confirm({ title: t("cancelTitle", { title }), body: t("cancelText"), action: t("cancel"), danger: true })) await put("DELETE", `/streams/${key}`, "cancelled");
  };
  const duplicate = () =>
    attempt(async () => {
      const copy = await api<StreamView>("POST", `/streams/${key}/duplicate`, {});
      toast(said(useStreamWords, "duplicated", { title: copy.title }));
      await refresh("/streams");
      go(`/streams/${copy.key}`);
    });
  const rotate = async () => {
    if (!(await confirm({ title: t("ingestTitle", { title }), body: t("ingestText"), action: t("ingest"), danger: true }))) return;
    await attempt(async () => setIngestKey((await api<{ ingestKey: string }>("POST", `/streams/${key}/ingest-key`)).ingestKey));
  };
  return (
    <>
      {status === "SCHEDULED" && <Act run={start}>{t("start")}</Act>}
      {status === "LIVE" && (
        <Act color="red" run={stop}>
          {t("stop")}
        </Act>
      )}
      {reopens && (
        <Act variant="default" run={() => put("POST", `/streams/${key}/start`, "reopened")}>
          {t("reopen")}
        </Act>
      )}
      <More>
        <Menu.Item onClick={() => setEditing(true)}>{t("edit")}</Menu.Item>
        <Menu.Item onClick={() => void duplicate()}>{t("duplicate")}</Menu.Item>
        {(status === "SCHEDULED" || status === "LIVE" || reopens) && <Menu.Item onClick={() => void rotate()}>{t("ingest")}</Menu.Item>}
        {status === "SCHEDULED" && (
          <>
            <Menu.Divider />
            <Menu.Item color="red" onClick={() => void cancel()}>
              {t("cancel")}
            </Menu.Item>
          </>
        )}
      </More>
      {editing && <StreamForm stream={stream} close={() => setEditing(false)} />}
      {ingestKey && <Once title={t("ingestShown")} text={t("ingestOnce")} value={ingestKey} close={() => setIngestKey("")} />}
    </>
  );
}

function More({ children }: { children: ReactNode }) {
  const t = useShellWords();
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button size="sm" variant="default" aria-label={t("actions")} px="xs">
          <Icon name="more" />
        </Button>
      </Menu.Target>
      <Menu.Dropdown>{children}</Menu.Dropdown>
    </Menu>
  );
}

function Overview({ stream, runs }: { stream: StreamView; runs: boolean }) {
  const t = useStreamWords();
  const { currency, analytics } = useShop();
  const live = stream.status === "LIVE";
  const now = useQuery({ queryKey: [`/streams/${stream.key}/stats`], queryFn: () => stats(stream.key), enabled: runs, retry: false, refetchInterval: live && EVERY });
  const moment = (at: string | null, none = t("notYet")) => (at ? <time dateTime={at}>{`${date(at)} (${ago(at)})`}</time> : <span className="dim">{none}</span>);
  return (
    <>
      <div className="columns">
        <Card title={t("overview")}>
          <div className="card-body">
            <p className="lines">{stream.description || <span className="dim">{t("noDescription")}</span>}</p>
            <Facts
              facts={[
                [t("key"), <code key="key">{stream.key}</code>],
                [t("ordersAlways"), t(stream.ordersWhenNotLive ? "ordersAlwaysYes" : "ordersAlwaysNo")],
                [t("createdAt"), moment(stream.createdAt)],
                [t("scheduledAt"), moment(stream.scheduledAt, t("unknownTime"))],
                [t("startedAt"), moment(stream.startedAt)],
                [t("endedAt"), moment(stream.endedAt)],
                ...(stream.closesAt ? [[t("closesAt"), moment(stream.closesAt)] as const] : []),
              ]}
            />
          </div>
        </Card>
        <Card title={t("numbers")}>
          <dl className="numbers">
            {now.data && live && <Number name={t("watching")} value={number(now.data.viewers)} />}
            <Number name={t("peak")} value={number(stream.peakViewers)} />
            <Number name={t("total")} value={number(stream.totalViewers)} />
            {now.data && live && <Number name={t("perMinute")} value={number(now.data.messagesPerMinute)} />}
            {now.data && <Number name={t("orderCount")} value={number(now.data.orders)} />}
            {now.data && <Number name={t("revenue")} value={money(now.data.revenue, currency)} />}
          </dl>
        </Card>
      </div>
      {runs && analytics && stream.startedAt && <Course stream={stream} />}
    </>
  );
}

const Number = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);
