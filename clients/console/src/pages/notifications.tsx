// The composer of notifications, and the sent notifications.

import type { SentBatch, SentNotifications, UserPage } from "@dorami/client";
import { MultiSelect, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, get } from "../api";
import { Act, refresh } from "../components/acts";
import { confirm } from "../components/dialogs";
import { Listed } from "../components/filters";
import { Card, Empty, PageHead, Tag, type Tone } from "../components/page";
import { said } from "../components/said";
import { Table } from "../components/table";
import { toast } from "../components/toasts";
import { ago, date, number } from "../format";
import { usePages } from "../lists";
import { useNotificationWords } from "../words/notifications";

type Level = SentBatch["level"];
const TONES: Record<Level, Tone> = { INFO: "brand", SUCCESS: "good", WARNING: "warn", ERROR: "bad" };
const LEVELS = Object.keys(TONES) as Level[];
const SENT = "/notifications/sent";
const PAUSE = 250; // ms without a key press before people are searched

export default function Notifications() {
  const t = useNotificationWords();
  const pages = usePages<SentBatch>(SENT);
  return (
    <>
      <PageHead title={t("title")} />
      <Composer />
      <Card title={t("sent")}>
        <Listed pages={pages} empty={<Empty>{t("none")}</Empty>}>
          {(batches) => (
            <Table
              label={t("sent")}
              rows={batches}
              id={({ id }) => id}
              columns={[
                {
                  name: "title",
                  head: t("heading"),
                  bare: true,
                  cell: ({ title, message, level }) => (
                    <div className="grow start">
                      <b>{title}</b> <Tag tone={TONES[level]}>{t(level)}</Tag>
                      <div className="dim lines">{message}</div>
                    </div>
                  ),
                },
                { name: "by", head: t("by"), cell: ({ sentByName }) => sentByName },
                { name: "recipients", head: t("recipients"), end: true, cell: ({ recipients }) => number(recipients) },
                { name: "delivered", head: t("delivered"), end: true, cell: ({ delivered }) => number(delivered) },
                { name: "read", head: t("read"), end: true, cell: ({ read }) => number(read) },
                {
                  name: "time",
                  head: t("time"),
                  cell: ({ timestamp }) => (
                    <time dateTime={timestamp} title={date(timestamp)}>
                      {ago(timestamp)}
                    </time>
                  ),
                },
              ]}
            />
          )}
        </Listed>
      </Card>
    </>
  );
}

function Composer() {
  const t = useNotificationWords();
  const [people, setPeople] = useState<string[]>([]);
  const [names, setNames] = useState<Record<string, string>>({}); // of those who were chosen
  const [typed, setTyped] = useState("");
  const [search] = useDebouncedValue(typed, PAUSE);
  const [title, setTitle] = useState("");
  const [message, setMessage] = useState("");
  const [level, setLevel] = useState<string>("INFO");
  const found = useQuery({ queryKey: ["/users", "choice", search], queryFn: () => get<UserPage>("/users", { search, limit: 20 }), placeholderData: keepPreviousData });
  const offered = Object.fromEntries((found.data?.items ?? []).map(({ id, username, email }) => [id, `${username} · ${email}`]));
  const labels = { ...offered, ...names };
  const count = people.length;
  const send = async () => {
    if (!(await confirm({ title: t("sendTitle", { count }), body: t("sendText"), action: t("send") }))) return;
    const { items } = await api<SentNotifications>("POST", "/notifications", { userIds: people, title: title.trim(), message: message.trim(), level });
    toast(said(useNotificationWords, "sentNow", { count: items.length }));
    setPeople([]);
    setTitle("");
    setMessage("");
    await refresh(SENT);
  };
  const ready = count > 0 && title.trim() && message.trim();
  return (
    <Card title={t("compose")}>
      <div className="card-body stack">
        <MultiSelect
          label={t("to")}
          placeholder={count ? undefined : t("toHelp")}
          searchable
          searchValue={typed}
          onSearchChange={setTyped}
          filter={({ options }) => options} // the gateway has searched
          value={people}
          onChange={(chosen) => {
            setNames(Object.fromEntries(chosen.map((id) => [id, labels[id] ?? id])));
            setPeople(chosen);
          }}
          data={Object.entries(labels).map(([value, label]) => ({ value, label }))}
          nothingFoundMessage={t("nobody")}
          hidePickedOptions
        />
        <div className="pair">
          <TextInput label={t("heading")} value={title} onChange={(event) => setTitle(event.currentTarget.value)} maxLength={200} />
          <NativeSelect label={t("level")} value={level} onChange={(event) => setLevel(event.currentTarget.value)} data={LEVELS.map((level) => ({ value: level, label: t(level) }))} />
        </div>
        <Textarea label={t("message")} value={message} onChange={(event) => setMessage(event.currentTarget.value)} maxLength={2000} rows={3} />
        <div className="row end">
          <Act disabled={!ready} run={send}>
            {t("send")}
          </Act>
        </div>
      </div>
    </Card>
  );
}
