// The nodes of the gateway, and the connections of a person.

import type { NodePage, NodeView } from "@dorami/client";
import { useQuery } from "@tanstack/react-query";
import { api, get } from "../api";
import { Act, refresh } from "../components/acts";
import { confirm } from "../components/dialogs";
import { Filters, Search } from "../components/filters";
import { Card, Empty, Loaded, PageHead, Tag, type Tone } from "../components/page";
import { said } from "../components/said";
import { Table } from "../components/table";
import { toast } from "../components/toasts";
import { ago, date, number } from "../format";
import { useFilters } from "../lists";
import { useClusterWords } from "../words/cluster";
import { ConnectionsCard } from "./connections-card";

const EVERY = 5_000; // ms
const MIB = 1 << 20;

export default function Cluster() {
  const t = useClusterWords();
  const [{ user }, filter] = useFilters("user");
  return (
    <>
      <PageHead title={t("title")} />
      <Nodes />
      <Filters>
        <Search label={t("find")} value={user} change={(user) => filter({ user })} />
      </Filters>
      {user ? (
        <ConnectionsCard userId={user} />
      ) : (
        <Card title={t("byPerson")}>
          <Empty>{t("findHelp")}</Empty>
        </Card>
      )}
    </>
  );
}

/** The components of a node that are not up. */
const away = ({ components }: NodeView) => Object.keys(components).filter((name) => components[name] !== "up");

function Nodes() {
  const t = useClusterWords();
  const query = useQuery({ queryKey: ["/cluster/nodes"], queryFn: () => get<NodePage>("/cluster/nodes"), refetchInterval: EVERY });
  const drain = async (node: NodeView, alone: boolean) => {
    const body = alone ? t("drainAlone") : t("drainText", { count: node.connections });
    if (!(await confirm({ title: t("drainTitle", { node: node.name }), body, action: t("drain"), danger: true }))) return;
    await api("POST", `/cluster/nodes/${node.id}/drain`);
    toast(said(useClusterWords, "drained", { node: node.name }));
    await refresh("/cluster/nodes");
  };
  const takeBack = async (node: NodeView) => {
    await api("DELETE", `/cluster/nodes/${node.id}/drain`);
    toast(said(useClusterWords, "undrained", { node: node.name }));
    await refresh("/cluster/nodes");
  };
  return (
    <Card title={t("nodes")}>
      <Loaded query={query}>
        {({ items }) =>
          items.length ? (
            <Table
              label={t("nodes")}
              rows={items}
              id={({ id }) => id}
              columns={[
                { name: "node", head: t("node"), bare: true, cell: ({ name }) => <b>{name}</b> },
                { name: "status", head: t("status"), cell: (node) => <State node={node} /> },
                { name: "version", head: t("version"), cell: ({ version }) => <code>{version}</code> },
                {
                  name: "since",
                  head: t("since"),
                  cell: ({ startedAt }) => (
                    <time dateTime={startedAt} title={date(startedAt)}>
                      {ago(startedAt)}
                    </time>
                  ),
                },
                { name: "connections", head: t("connections"), end: true, cell: ({ connections }) => number(connections) },
                { name: "received", head: t("received"), end: true, cell: ({ eventsPerSecond }) => rounded(eventsPerSecond) },
                { name: "delivered", head: t("delivered"), end: true, cell: ({ deliveriesPerSecond }) => rounded(deliveriesPerSecond) },
                { name: "memory", head: t("memory"), end: true, cell: ({ memory }) => (memory === null ? "–" : `${number(Math.round(memory / MIB))} MiB`) },
                {
                  name: "actions",
                  head: "",
                  bare: true,
                  end: true,
                  cell: (node) =>
                    node.status !== "gone" && (
                      <Act size="compact-sm" variant="default" run={() => (node.status === "draining" ? takeBack(node) : drain(node, items.every(({ id, status }) => id === node.id || status === "gone")))}>
                        {node.status === "draining" ? t("undrain") : t("drain")}
                      </Act>
                    ),
                },
              ]}
            />
          ) : (
            <Empty>{t("none")}</Empty>
          )
        }
      </Loaded>
    </Card>
  );
}

const TONES: Record<NodeView["status"], Tone> = { ok: "good", degraded: "warn", error: "bad", draining: "warn", gone: "bad" };

/** A number of a node; nodes of older versions do not send it. */
const rounded = (value: number | null) => (value === null ? "–" : number(Math.round(value)));

function State({ node }: { node: NodeView }) {
  const t = useClusterWords();
  const names = away(node);
  return (
    <span className="row">
      <Tag tone={TONES[node.status]}>{t(node.status)}</Tag>
      {names.length > 0 && <span className="dim">{t("away", { names: names.join(", ") })}</span>}
    </span>
  );
}
