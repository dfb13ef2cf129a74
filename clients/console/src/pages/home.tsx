// The start page: what is live, what is next.

import type { StreamList, StreamView } from "@dorami/client";
import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { get } from "../api";
import { Card, Empty, Loaded, PageHead, Tag } from "../components/page";
import { ago, date, number } from "../format";
import { useHomeWords } from "../words/home";

const EVERY = 15_000; // ms

function useStreams(path: string) {
  return useQuery({ queryKey: [path], queryFn: () => get<StreamList>(path), refetchInterval: EVERY });
}

export default function Home() {
  const t = useHomeWords();
  const live = useStreams("/streams/active");
  const next = useStreams("/streams/upcoming");
  return (
    <>
      <PageHead title={t("title")} />
      <div className="columns">
        <Card title={t("live")}>
          <Loaded query={live}>
            {({ streams: items }) =>
              items.length ? (
                items.map((stream) => (
                  <Show key={stream.key} stream={stream} note={t("since", { time: ago(stream.startedAt!) })}>
                    <Tag tone="bad">LIVE</Tag>
                    <span className="dim number">{t("peak", { count: number(stream.peakViewers) })}</span>
                  </Show>
                ))
              ) : (
                <Empty>{t("nobodyLive")}</Empty>
              )
            }
          </Loaded>
        </Card>
        <Card title={t("next")}>
          <Loaded query={next}>
            {({ streams: items }) =>
              items.length ? items.map((stream) => <Show key={stream.key} stream={stream} note={stream.scheduledAt ? date(stream.scheduledAt) : ""} />) : <Empty>{t("nothingNext")}</Empty>
            }
          </Loaded>
        </Card>
      </div>
    </>
  );
}

function Show({ stream, note, children }: { stream: StreamView; note: string; children?: ReactNode }) {
  const t = useHomeWords();
  return (
    <div className="card-body row">
      <div className="grow">
        <b>{stream.title}</b> {children}
        <div className="dim">{note}</div>
      </div>
      <Button component={Link} href={`/live/${stream.key}`} variant="light" size="xs">
        {t("moderate")}
      </Button>
    </div>
  );
}
