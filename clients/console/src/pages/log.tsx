// The log of actions of moderators, hosts and administrators.

import type { LogEntry, ModerationAction } from "@dorami/client";
import { Link } from "wouter";
import { Choose, Export, Filters, Listed, Search, ShowAll, When } from "../components/filters";
import { Card, Empty, PageHead, Tag, type Tone } from "../components/page";
import { PersonLink } from "../components/person-link";
import { Table } from "../components/table";
import { date, money, number } from "../format";
import { useFilters, usePages } from "../lists";
import { endless, fromField } from "../moments";
import { useShop } from "../shop";
import { useCommonWords } from "../words/common";
import { type LogName, useLogWords } from "../words/log";

type Name = LogName;

const ACTIONS = [
  ...["MUTE", "UNMUTE", "BAN", "UNBAN", "CHANGE_SANCTION", "SLOW_MODE", "FREEZE", "UNFREEZE", "ALLOW_GUESTS", "REFUSE_GUESTS", "ANNOUNCE"],
  ...["DELETE_MESSAGE", "KEEP_MESSAGE", "CLEAR", "UNDO_CLEAR", "PIN", "UNPIN", "ADD_WORD", "CHANGE_WORD", "REMOVE_WORD"],
  ...["CREATE_STREAM", "CHANGE_STREAM", "START_STREAM", "STOP_STREAM", "CANCEL_STREAM", "ROTATE_INGEST_KEY"],
  ...["CREATE_PRODUCT", "CHANGE_PRODUCT", "DELETE_PRODUCT", "CANCEL_ORDER", "PAY_ORDER"],
  ...["CREATE_USER", "CHANGE_ROLE", "SUSPEND", "UNSUSPEND", "RESET_PASSWORD", "LOGOUT_USER", "DISCONNECT", "DRAIN_NODE"],
] as Name[];
const BAD: readonly string[] = ["MUTE", "BAN", "SUSPEND", "DELETE_MESSAGE", "CLEAR", "DELETE_PRODUCT", "CANCEL_STREAM", "CANCEL_ORDER"];
const tone = (action: string): Tone => (BAD.includes(action) ? "bad" : "neutral");
const LOG = "/moderation/log";

/** An entry with the names of its people, if the gateway knows them. */
type Entry = Omit<LogEntry, "action"> & { action: ModerationAction | string; actorName?: string | null; subjectName?: string | null };

export default function Log() {
  const t = useLogWords();
  const common = useCommonWords();
  const [{ action, room, actor, subject, from, to }, filter, clear] = useFilters("action", "room", "actor", "subject", "from", "to");
  const query = { action, liveId: room, actorId: actor, subjectId: subject, from: fromField(from), to: fromField(to) };
  const pages = usePages<Entry>(LOG, query);
  return (
    <>
      <PageHead title={t("title")}>
        <Export path={LOG} query={query} name="log" />
      </PageHead>
      <Filters>
        <Choose label={t("action")} value={action} change={(action) => filter({ action })} choices={[["", t("allActions")], ...ACTIONS.map((action) => [action, t(action)] as const)]} />
        <Search label={t("roomFilter")} value={room} change={(room) => filter({ room })} />
        <When label={common("from")} value={from} change={(from) => filter({ from })} />
        <When label={common("to")} value={to} change={(to) => filter({ to })} />
        <ShowAll clear={clear} />
      </Filters>
      <Card>
        <Listed pages={pages} clear={clear} noneFound={t("noneFound")} empty={<Empty>{t("none")}</Empty>}>
          {(entries) => (
            <Table
              label={t("title")}
              rows={entries}
              id={({ id }) => id}
              columns={[
                { name: "action", head: t("action"), bare: true, cell: ({ action }) => <Tag tone={tone(action)}>{t(action as Name)}</Tag> },
                {
                  name: "actor",
                  head: t("actor"),
                  cell: ({ actorId, actorName }) => (
                    <button type="button" className="link" title={t("onlyActor", { name: actorName ?? actorId })} onClick={() => filter({ actor: actorId })}>
                      {actorName ?? actorId.slice(0, 8)}
                    </button>
                  ),
                },
                { name: "subject", head: t("subject"), cell: ({ subjectId, subjectName }) => subjectId && <PersonLink id={subjectId} name={subjectName ?? subjectId.slice(0, 14)} /> },
                { name: "room", head: t("room"), cell: ({ liveId }) => (liveId ? <Link href={`/streams/${liveId}`}>{liveId}</Link> : common("everywhere")) },
                { name: "details", head: t("details"), cell: (entry) => <Details entry={entry} /> },
                { name: "time", head: t("time"), cell: ({ timestamp }) => <time dateTime={timestamp}>{date(timestamp)}</time> },
              ]}
            />
          )}
        </Listed>
      </Card>
    </>
  );
}

/** Values with translations: the actions on messages with a listed word. */
const VALUES: Record<string, Name> = { MASK: "MASK", BLOCK: "BLOCK", ALLOW: "ALLOW" };
const HIDDEN = ["seq"]; // details without a meaning for users

const PRICES = ["price", "originalPrice", "total"];
const MOMENT = /^\d{4}-\d\d-\d\dT/;

/** The names of details with translations. */
const NAMED: Record<string, Name> = {
  until: "until",
  devices: "devices",
  word: "word",
  slowModeSeconds: "slowModeSeconds",
  deleted: "deleted",
  restored: "restored",
  price: "price",
  stock: "stock",
  name: "name",
  title: "titled",
  dealEndsAt: "dealEndsAt",
  discountRate: "discountRate",
  originalPrice: "originalPrice",
  copyOf: "copyOf",
  total: "total",
  role: "role",
  message: "message",
  action: "action",
};

/** The reason and the details of an entry, each on one line. */
function Details({ entry: { reason, details } }: { entry: Entry }) {
  const t = useLogWords();
  const label = (field: string) => (field in NAMED ? t(NAMED[field]!) : field);
  const { currency } = useShop();
  const text = (value: unknown, field: string): string => {
    if (value === null || value === undefined) return "–";
    if (typeof value === "number") return PRICES.includes(field) ? money(value, currency) : number(value);
    if (typeof value === "string" && MOMENT.test(value)) return endless(value) ? t("forever") : date(value);
    if (typeof value === "string" && value in VALUES) return t(VALUES[value]!);
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  };
  const { before = {}, after = {}, ...rest } = details as { before?: Record<string, unknown>; after?: Record<string, unknown> } & Record<string, unknown>;
  const empty = (value: unknown) => value === null || value === undefined || value === "";
  const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((field) => !(empty(before[field]) && (empty(after[field]) || after[field] === 0)));
  const facts = Object.entries(rest).filter(([field, value]) => !field.endsWith("Id") && !HIDDEN.includes(field) && !fields.includes(field) && value !== null && value !== "" && typeof value !== "boolean");
  if (!reason && !fields.length && !facts.length) return null;
  return (
    <span className="details">
      {reason && <span>{reason}</span>}
      {fields.map((field) => (
        <span key={field}>
          {label(field)}: {!empty(before[field]) && `${text(before[field], field)} → `}
          {text(after[field], field)}
        </span>
      ))}
      {facts.map(([field, value]) => (
        <span key={field} className="dim">
          {label(field)}: {text(value, field)}
        </span>
      ))}
    </span>
  );
}
