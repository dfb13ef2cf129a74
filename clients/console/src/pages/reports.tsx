// Reported messages: the queue, the messages around one of them, and the actions, by buttons or keys.

import type { Message, ReportedMessageDetail, ReportedMessageView } from "@dorami/client";
import { Button, Kbd } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import { api, get } from "../api";
import { refresh } from "../components/acts";
import { Choose, Filters, Listed, ShowAll, Switcher } from "../components/filters";
import { REPORTS } from "../components/open-reports";
import { Card, Empty, Loaded, PageHead, Tag } from "../components/page";
import { PersonLink } from "../components/person-link";
import { said } from "../components/said";
import { attempt, toast, undoable, undoLast } from "../components/toasts";
import { ago, clock, date } from "../format";
import { useFilters, usePages } from "../lists";
import { dorami, useRole, useSession } from "../session";
import { useOnline } from "../shell";
import { useReportWords } from "../words/reports";
import { useKeys } from "./live/keys";
import "./reports.css";

const EVERY = 5_000; // ms between two requests for new reports
const MUTE = 300; // s
const REASONS = ["SPAM", "ABUSE", "SEXUAL", "FRAUD", "PRIVACY", "OTHER"] as const;
type Status = ReportedMessageView["status"];
type Reason = (typeof REASONS)[number];

export default function Reports() {
  const t = useReportWords();
  const [{ status: given }, turn] = useFilters("status");
  const [{ reason, room }, filter, clear] = useFilters("reason", "room");
  const status = (given || "OPEN") as Status;
  const pages = usePages<ReportedMessageView>(REPORTS, { status, reason, liveId: room });
  useEffect(() => {
    const timer = setInterval(() => void refresh(REPORTS), EVERY);
    return () => clearInterval(timer);
  }, []);
  return (
    <>
      <PageHead title={t("title")} />
      <Filters>
        <Switcher
          label={t("which")}
          value={status}
          change={(value) => turn({ status: value === "OPEN" ? "" : value })}
          choices={[
            ["OPEN", t("OPEN")],
            ["KEPT", t("KEPT")],
            ["DELETED", t("DELETED")],
          ]}
        />
        <Choose
          label={t("reason")}
          value={reason}
          change={(reason) => filter({ reason })}
          choices={[["", t("allReasons")], ...REASONS.map((each) => [each, t(each)] as const)]}
        />
        {(reason || room) && <ShowAll clear={clear} />}
      </Filters>
      <Card>
        <Listed pages={pages} clear={clear} noneFound={t("noneFound")} empty={<Empty>{t(status === "OPEN" ? "none" : "noneYet")}</Empty>}>
          {(messages) => <Queue messages={messages} />}
        </Listed>
      </Card>
      <p className="hint reports-keys">{t("keys")}</p>
    </>
  );
}

function Queue({ messages }: { messages: ReportedMessageView[] }) {
  const t = useReportWords();
  const { powers } = useSession();
  const bans = powers.includes("BAN");
  const list = useRef<HTMLOListElement>(null);
  const [chosen, choose] = useState<string | null>(null);
  // The chosen report may have been removed: then choose the one in its place.
  const place = useRef(0);
  const found = messages.findIndex(({ messageId }) => messageId === chosen);
  if (found >= 0) place.current = found;
  const at = Math.min(place.current, messages.length - 1);
  const current = messages[at]!;
  if (current.messageId !== chosen) choose(current.messageId); // otherwise a key would act on a new report above it

  const move = (by: number) => {
    const next = messages[Math.max(0, Math.min(messages.length - 1, at + by))]!;
    choose(next.messageId);
    requestAnimationFrame(() => list.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" }));
  };
  const act = useActs();
  const on = (action: (message: ReportedMessageView) => unknown) => () => void action(current);
  useKeys({
    KeyJ: () => move(1),
    KeyK: () => move(-1),
    KeyA: on(act.keep),
    KeyD: on(act.remove),
    KeyM: on(act.mute),
    KeyB: () => bans && void act.ban(current),
    KeyU: undoLast,
  });
  return (
    <ol className="reports" ref={list} aria-label={t("list")}>
      {messages.map((message) => (
        <li key={message.messageId} aria-current={message === current || undefined} onClick={() => choose(message.messageId)}>
          <Row message={message} />
          {message === current && <Around id={message.messageId} />}
          <Buttons message={message} act={act} bans={bans} />
        </li>
      ))}
    </ol>
  );
}

function Row({ message }: { message: ReportedMessageView }) {
  const t = useReportWords();
  const { userId, username, liveId, message: text, timestamp, reports, reasons, hidden, lastReportedAt, status, reviewedAt, reviewedByName } = message;
  return (
    <div className="reports-row">
      <p className="reports-who">
        <PersonLink id={userId} name={username} /> <Link href={`/live/${liveId}`}>{liveId}</Link>{" "}
        <time className="dim" dateTime={timestamp} title={date(timestamp)}>
          {clock(timestamp)}
        </time>
      </p>
      <blockquote className="reports-text" dir="auto">
        {text ?? <span className="dim">{t("gone")}</span>}
      </blockquote>
      <p className="reports-facts">
        <Tag tone="warn">{t("people", { count: reports })}</Tag>
        {hidden && <Tag tone="bad">{t("hidden")}</Tag>}
        {REASONS.filter((reason) => reasons[reason]).map((reason) => (
          <Tag key={reason}>
            {t(reason)} {reasons[reason]! > 1 && reasons[reason]}
          </Tag>
        ))}
        <span className="dim">
          {status === "OPEN" || !reviewedAt ? t("reported", { time: ago(lastReportedAt) }) : t("decided", { name: reviewedByName ?? t("nobody"), time: ago(reviewedAt) })}
        </span>
      </p>
    </div>
  );
}

/** The notes of people, and the messages before and after. */
function Around({ id }: { id: string }) {
  const t = useReportWords();
  const detail = useQuery({ queryKey: [`${REPORTS}/${id}`], queryFn: () => get<ReportedMessageDetail>(`${REPORTS}/${id}`) });
  return (
    <Loaded query={detail} lines={2}>
      {({ before, after, notes, username, message }) => (
        <>
          {notes.length > 0 && (
            <>
              <h3 className="reports-head">{t("notes")}</h3>
              <ul className="reports-notes">
                {notes.map(({ reason, note, timestamp }) => (
                  <li key={timestamp + note}>
                    <Tag>{t(reason as Reason)}</Tag> {note}
                  </li>
                ))}
              </ul>
            </>
          )}
          {before.length + after.length > 0 && (
            <>
              <h3 className="reports-head">{t("around")}</h3>
              <ul className="reports-around">
                {before.map(line)}
                <li data-reported>
                  <b>{username}</b> {message ?? t("gone")}
                </li>
                {after.map(line)}
              </ul>
            </>
          )}
        </>
      )}
    </Loaded>
  );
}

const line = ({ id, username, message }: Message) => (
  <li key={id}>
    <b>{username}</b> {message}
  </li>
);

type Acts = ReturnType<typeof useActs>;

/** The actions on a reported message. */
function useActs() {
  const { user } = useSession();
  const admin = useRole() === "ADMIN";
  const online = useOnline();
  const changed = () => refresh(REPORTS, "/moderation/log");
  const review = (decision: "KEEP" | "DELETE", word: "kept" | "removed") => async (message: ReportedMessageView) => {
    if (!online || !may(message, decision)) return;
    if (await attempt(() => api("POST", `${REPORTS}/${message.messageId}/review`, { decision }))) toast(said(useReportWords, word, { name: message.username }));
    await changed();
  };
  const may = ({ status, userId }: ReportedMessageView, decision: "KEEP" | "DELETE") =>
    decision === "DELETE" ? status !== "DELETED" : status === "OPEN" && (admin || userId !== user.id);
  const sanction = (kind: "mute" | "ban") => async ({ liveId, userId, username }: ReportedMessageView) => {
    if (!online || userId === user.id) return;
    const ask = (on: boolean) =>
      kind === "mute"
        ? dorami().ask("/chat", on ? "chat:mute-user" : "chat:unmute-user", { liveId, userId, ...(on && { seconds: MUTE }) })
        : dorami().ask("/chat", on ? "chat:ban-user" : "chat:unban-user", { liveId, userId });
    if (await attempt(() => ask(true))) undoable(said(useReportWords, kind === "mute" ? "muted" : "banned", { name: username }), () => ask(false));
  };
  return { may, keep: review("KEEP", "kept"), remove: review("DELETE", "removed"), mute: sanction("mute"), ban: sanction("ban") };
}

function Buttons({ message, act, bans }: { message: ReportedMessageView; act: Acts; bans: boolean }) {
  const t = useReportWords();
  const online = useOnline();
  const one = (key: string, label: string, run: (message: ReportedMessageView) => unknown, color?: string) => (
    <Button size="compact-sm" variant="default" color={color} disabled={!online} onClick={() => void run(message)}>
      {label}
      <Kbd className="reports-keys reports-key" size="xs">
        {key}
      </Kbd>
    </Button>
  );
  return (
    <div className="reports-acts">
      {act.may(message, "KEEP") && one("A", t(message.hidden ? "show" : "keep"), act.keep)}
      {act.may(message, "DELETE") && one("D", t("remove"), act.remove)}
      {one("M", t("mute"), act.mute)}
      {bans && one("B", t("ban"), act.ban)}
    </div>
  );
}
