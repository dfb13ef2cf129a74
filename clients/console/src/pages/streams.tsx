// All streams by status.

import type { StreamView } from "@dorami/client";
import { Button } from "@mantine/core";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { Choose, Filters, Listed, Search, Switcher } from "../components/filters";
import { Card, Empty, PageHead, Tag, type Tone } from "../components/page";
import { Table } from "../components/table";
import { ago, date, number } from "../format";
import { useFilters, usePages } from "../lists";
import { useRole, useSession } from "../session";
import { useStreamWords } from "../words/streams";
import { StreamForm } from "./stream-form";

export type Status = StreamView["status"];
export const TONES: Record<Status, Tone> = { LIVE: "bad", SCHEDULED: "brand", ENDED: "neutral", CANCELLED: "neutral" };
const STATUSES: readonly Status[] = ["LIVE", "SCHEDULED", "ENDED", "CANCELLED"];

export default function Streams() {
  const t = useStreamWords();
  const creates = useRole() !== "MODERATOR";
  const { user } = useSession();
  const [, go] = useLocation();
  const [{ status, search, host }, filter, clear] = useFilters("status", "search", "host");
  const [creating, setCreating] = useState(false);
  const pages = usePages<StreamView>("/streams", { status, search, hostId: host && user.id });
  const create = creates && <Button onClick={() => setCreating(true)}>{t("create")}</Button>;
  return (
    <>
      <PageHead title={t("title")}>{create}</PageHead>
      <Filters>
        <Switcher label={t("status")} value={status} change={(status) => filter({ status })} choices={[["", t("all")], ...STATUSES.map((status) => [status, t(status)] as const)]} />
        <Search label={t("find")} value={search} change={(search) => filter({ search })} />
        {creates && (
          <Choose
            label={t("whose")}
            value={host}
            change={(host) => filter({ host })}
            choices={[
              ["", t("everyone")],
              ["me", t("mine")],
            ]}
          />
        )}
      </Filters>
      <Card>
        <Listed pages={pages} clear={clear} noneFound={t("noneFound")} empty={<Empty action={create}>{t("none")}</Empty>}>
          {(streams) => (
            <Table
              label={t("title")}
              rows={streams}
              id={({ key }) => key}
              columns={[
                {
                  name: "title",
                  head: t("stream"),
                  bare: true,
                  cell: ({ key, title }) => (
                    <Link href={`/streams/${key}`} className="strong">
                      {title}
                    </Link>
                  ),
                },
                { name: "status", head: t("status"), cell: ({ status }) => <Tag tone={TONES[status]}>{t(status)}</Tag> },
                { name: "time", head: t("time"), cell: (stream) => <Time stream={stream} /> },
                { name: "peak", head: t("peak"), end: true, cell: ({ peakViewers }) => number(peakViewers) },
                { name: "total", head: t("total"), end: true, cell: ({ totalViewers }) => number(totalViewers) },
              ]}
            />
          )}
        </Listed>
      </Card>
      {creating && <StreamForm close={() => setCreating(false)} done={({ key }) => go(`/streams/${key}`)} />}
    </>
  );
}

/** When a stream ended, started, or will start. */
function Time({ stream }: { stream: StreamView }) {
  const t = useStreamWords();
  const at = stream.endedAt ?? stream.startedAt ?? stream.scheduledAt;
  if (!at) return <span className="dim">{t("unknownTime")}</span>;
  return (
    <time dateTime={at} title={date(at)}>
      {ago(at)}
    </time>
  );
}
