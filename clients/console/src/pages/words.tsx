// The word lists, and a field that tests a text against them.

import type { FilteredText, WordView } from "@dorami/client";
import { Button, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import { api } from "../api";
import { Act, refresh } from "../components/acts";
import { Choose, Filters, Listed, Search, ShowAll } from "../components/filters";
import { Card, Empty, PageHead, Tag, type Tone } from "../components/page";
import { said } from "../components/said";
import { Table } from "../components/table";
import { attempt, toast, undoable } from "../components/toasts";
import { day } from "../format";
import { useFilters, usePages } from "../lists";
import { useWordWords } from "../words/words";

type Action = FilteredText["action"];
const TONES: Record<Action, Tone> = { MASK: "warn", BLOCK: "bad", ALLOW: "good" };
const ACTIONS = Object.keys(TONES) as Action[];
const LISTS = "/moderation/words";

const list = (word: string, action: string, liveId: string | null) => api<WordView>("POST", LISTS, { word, action, ...(liveId && { liveId }) });

export default function Words() {
  const t = useWordWords();
  const [{ search, action, room }, filter, clear] = useFilters("search", "action", "room");
  const pages = usePages<WordView>(LISTS, { search, action, liveId: room });
  const change = ({ id, word, action }: WordView, next: string) =>
    attempt(async () => {
      const put = (action: string) => api("PATCH", `${LISTS}/${id}`, { action }).then(() => refresh(LISTS));
      await put(next);
      undoable(said(useWordWords, "changed", { word, action: t(next as Action) }), () => put(action));
    });
  const remove = async ({ id, word, action, liveId }: WordView) => {
    await api("DELETE", `${LISTS}/${id}`);
    undoable(said(useWordWords, "removed", { word }), () => list(word, action, liveId).then(() => refresh(LISTS)));
    await refresh(LISTS);
  };
  return (
    <>
      <PageHead title={t("title")} />
      <div className="columns">
        <Add />
        <Try />
      </div>
      <Filters>
        <Search label={t("find")} value={search} change={(search) => filter({ search })} />
        <Choose label={t("action")} value={action} change={(action) => filter({ action })} choices={[["", t("allActions")], ...ACTIONS.map((action) => [action, t(action)] as const)]} />
        {room && <ShowAll clear={clear} />}
      </Filters>
      <Card>
        <Listed pages={pages} clear={clear} noneFound={t("noneFound")} empty={<Empty>{t("none")}</Empty>}>
          {(words) => (
            <Table
              label={t("title")}
              rows={words}
              id={({ id }) => id}
              columns={[
                { name: "word", head: t("word"), bare: true, cell: ({ word }) => <b>{word}</b> },
                {
                  name: "action",
                  head: t("action"),
                  cell: (word) => (
                    <NativeSelect
                      size="xs"
                      aria-label={t("actionLabel", { word: word.word })}
                      value={word.action}
                      onChange={(event) => void change(word, event.currentTarget.value)}
                      data={ACTIONS.map((action) => ({ value: action, label: t(action) }))}
                    />
                  ),
                },
                { name: "room", head: t("room"), cell: ({ liveId }) => (liveId ? <Link href={`/streams/${liveId}`}>{liveId}</Link> : t("rooms")) },
                { name: "since", head: t("since"), cell: ({ createdAt }) => <time dateTime={createdAt}>{day(createdAt)}</time> },
                {
                  name: "actions",
                  head: "",
                  bare: true,
                  end: true,
                  cell: (word) => (
                    <Act size="compact-sm" variant="default" aria-label={t("removeLabel", { word: word.word })} run={() => remove(word)}>
                      {t("remove")}
                    </Act>
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

function Add() {
  const t = useWordWords();
  const [word, setWord] = useState("");
  const [action, setAction] = useState("MASK");
  const [room, setRoom] = useState("");
  const add = () =>
    attempt(async () => {
      const listed = await list(word.trim(), action, room.trim() || null);
      toast(said(useWordWords, "added", { word: listed.word }));
      setWord("");
      await refresh(LISTS);
    });
  return (
    <Card title={t("addTitle")}>
      <form
        className="card-body stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (word.trim()) void add();
        }}
      >
        <div className="pair">
          <TextInput label={t("word")} value={word} onChange={(event) => setWord(event.currentTarget.value)} maxLength={100} autoComplete="off" />
          <NativeSelect label={t("action")} value={action} onChange={(event) => setAction(event.currentTarget.value)} data={ACTIONS.map((action) => ({ value: action, label: t(action) }))} />
        </div>
        <TextInput label={t("onlyRoom")} description={t("roomHelp")} value={room} onChange={(event) => setRoom(event.currentTarget.value)} maxLength={64} />
        <div className="row end">
          <Button type="submit" disabled={!word.trim()}>
            {t("add")}
          </Button>
        </div>
      </form>
    </Card>
  );
}

function Try() {
  const t = useWordWords();
  const [text, setText] = useState("");
  const [result, setResult] = useState<FilteredText>();
  const run = async () => setResult(await api<FilteredText>("POST", `${LISTS}/test`, { text }));
  return (
    <Card title={t("test")}>
      <div className="card-body stack">
        <Textarea
          label={t("testText")}
          description={t("testHelp")}
          value={text}
          onChange={(event) => {
            setText(event.currentTarget.value);
            setResult(undefined);
          }}
          maxLength={500}
          rows={2}
        />
        <div className="row">
          <div className="grow" role="status">
            {result && (
              <span className="row">
                <Tag tone={TONES[result.action]}>{t(result.action)}</Tag>
                {t(result.action === "ALLOW" ? "allowed" : result.action === "MASK" ? "masked" : "blocked")}
                {result.action === "MASK" && <b>{result.text}</b>}
              </span>
            )}
          </div>
          <Act variant="default" disabled={!text.trim()} run={run}>
            {t("test")}
          </Act>
        </div>
      </div>
    </Card>
  );
}
