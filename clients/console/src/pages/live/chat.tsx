// The chat of the room: a virtual list that follows the newest message unless the user reads further up, and the composer.

import type { HistoryMessage } from "@dorami/client";
import { ActionIcon, Button, Select, Switch, TextInput } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type FormEvent, type MouseEvent, memo, type PointerEvent, type ReactNode, type Ref, type RefObject, useCallback, useEffect, useImperativeHandle, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Empty, Loading, RoleTag, Tag } from "../../components/page";
import { Problem } from "../../components/problem";
import { attempt } from "../../components/toasts";
import { clock, number } from "../../format";
import { Icon } from "../../icons";
import { useOnline } from "../../shell";
import { framed, useSlice } from "../../stores";
import { useLiveWords } from "../../words/live";
import { Clear } from "./clear";
import { type Act, type Action, useMessageActions } from "./actions";
import { useRoom } from "./room";

const SLOW = [0, 3, 5, 10, 30, 60]; // s
const AT_END = 60; // px from the lower edge that still count as the end
const LIMIT = 500; // characters of a message
const REST = 4000; // ms without a movement after which a pointer over the list no longer stops it

export interface LogHandle {
  /** Select the next or the previous message. */
  move(step: 1 | -1): void;
  /** Select the newest visible message. */
  newest(): void;
  focus(): void;
}

export interface Selection {
  selected: HistoryMessage | null;
  select: (message: HistoryMessage | null) => void;
}

export function ChatCard({ selection, act, handle, searchBox }: { selection: Selection; act: Act; handle: RefObject<LogHandle | null>; searchBox: Ref<HTMLInputElement> }) {
  const t = useLiveWords();
  const room = useRoom();
  const frozen = useSlice(room.chat.state, ({ settings }) => settings?.frozen ?? false);
  const status = useSlice(room.chat.state, ({ status }) => status);
  const error = useSlice(room.chat.state, ({ error }) => error);
  const [search, setSearch] = useState("");
  return (
    <section className="card chat" data-frozen={frozen} aria-label={t("chat")}>
      <Head search={search} setSearch={setSearch} searchBox={searchBox} handle={handle} />
      {frozen && (
        <div className="frozen" role="status">
          <Icon name="snow" size={16} /> {t("frozen")}
        </div>
      )}
      <Sampled />
      <Pins act={act} />
      {status === "failed" ? (
        <div className="card-body">
          <Problem error={error} />
        </div>
      ) : (
        <Log selection={selection} act={act} handle={handle} search={search.trim().toLowerCase()} />
      )}
      <Composer />
    </section>
  );
}

/** Search and rules of the chat. Leaving them returns the focus to the list. */
function Head({ search, setSearch, searchBox, handle }: { search: string; setSearch: (text: string) => void; searchBox: Ref<HTMLInputElement>; handle: RefObject<LogHandle | null> }) {
  const t = useLiveWords();
  const room = useRoom();
  const online = useOnline();
  const settings = useSlice(room.chat.state, ({ settings }) => settings);
  const powers = useSlice(room.chat.state, ({ you }) => you?.powers);
  return (
    <header className="card-head chat-head">
      <h2>{t("chat")}</h2>
      <TextInput
        ref={searchBox}
        size="xs"
        className="chat-search"
        type="search"
        aria-label={t("search")}
        placeholder={t("search")}
        leftSection={<Icon name="search" size={14} />}
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.nativeEvent.isComposing) handle.current?.newest();
          if (event.key !== "Escape") return;
          setSearch("");
          event.currentTarget.blur();
        }}
      />
      {powers?.includes("SETTINGS") && settings && (
        <div className="rules">
          <Select
            size="xs"
            w={140}
            id="slow-mode"
            aria-label={t("slow")}
            disabled={!online}
            allowDeselect={false}
            value={String(settings.slowModeSeconds)}
            onChange={(value) => void room.slow(Number(value))}
            onDropdownClose={() => handle.current?.focus()}
            data={[...new Set([...SLOW, settings.slowModeSeconds])]
              .sort((one, other) => one - other)
              .map((seconds) => ({ value: String(seconds), label: seconds ? `${t("slow")}: ${t("seconds", { count: seconds })}` : t("slowOff") }))}
          />
          <Switch size="xs" label={t("guests")} disabled={!online} checked={settings.guestsAllowed} onChange={(event) => void room.guests(event.currentTarget.checked)} />
          <Switch size="xs" color="red" label={t("freeze")} disabled={!online} checked={settings.frozen} onChange={(event) => void room.freeze(event.currentTarget.checked)} />
        </div>
      )}
      {powers?.includes("CLEAR") && <Clear />}
    </header>
  );
}

const SAMPLED = 5000; // ms for which the hint is shown that messages are left out

/** The hint that not all messages are shown because there are too many. */
function Sampled() {
  const t = useLiveWords();
  const room = useRoom();
  const [counts, setCounts] = useState<{ shown: number; total: number } | null>(null);
  useEffect(() => room.chat.on("chat:sampled", setCounts), [room]);
  useEffect(() => {
    if (!counts) return;
    const timer = setTimeout(() => setCounts(null), SAMPLED);
    return () => clearTimeout(timer);
  }, [counts]);
  return counts ? <div className="sampled">{t("sampled", { shown: number(counts.shown), total: number(counts.total) })}</div> : null;
}

function Pins({ act }: { act: Act }) {
  const t = useLiveWords();
  const room = useRoom();
  const pinned = useSlice(room.chat.state, ({ pinned }) => pinned);
  const can = useSlice(room.chat.state, ({ you }) => you?.powers.includes("PIN") ?? false);
  if (!pinned.length) return null;
  return (
    <ul className="pins" aria-label={t("pinned")}>
      {pinned.map((pin) => (
        <li key={pin.id}>
          <Icon name="pin" size={15} />
          <span className="grow">
            <b>{pin.username}</b> {pin.message}
          </span>
          {can && (
            <ActionIcon variant="subtle" color="gray" size="sm" aria-label={t("unpin")} onClick={() => act("pin", pin as unknown as HistoryMessage)}>
              <Icon name="close" size={15} />
            </ActionIcon>
          )}
        </li>
      ))}
    </ul>
  );
}

function useOlder(): { older: readonly HistoryMessage[]; more: () => Promise<unknown> } {
  const room = useRoom();
  const [older, setOlder] = useState<readonly HistoryMessage[]>([]);
  const more = async () => {
    const first = older[0] ?? room.chat.state.get().messages.find(({ kind }) => !kind);
    if (!first) return;
    const page = await room.chat.history(first.id);
    setOlder((known) => (known[0]?.id === older[0]?.id ? [...page.messages, ...known] : known));
  };
  useEffect(() => room.chat.on("chat:message-deleted", ({ messageId }) => setOlder((known) => known.filter(({ id }) => id !== messageId))), [room]);
  useEffect(() => room.chat.on("chat:cleared", ({ fromSeq, beforeSeq, userId }) => setOlder((known) => known.filter(({ seq, ...message }) => seq < fromSeq || seq >= beforeSeq || (userId && userId !== message.userId)))), [room]);
  return { older, more };
}

/** Whether a pointer moves over an element: a list that scrolls under the pointer cannot be clicked. */
function useHover(): [over: boolean, handlers: { onPointerMove: (event: PointerEvent) => void; onPointerLeave: () => void }] {
  const [over, setOver] = useState(false);
  const timer = useRef(0);
  const leave = useCallback(() => {
    clearTimeout(timer.current);
    setOver(false);
  }, []);
  const move = useCallback(
    ({ movementX, movementY, pointerType }: PointerEvent) => {
      if (pointerType === "touch" || (!movementX && !movementY)) return; // the list moved, not the pointer
      setOver(true);
      clearTimeout(timer.current);
      timer.current = window.setTimeout(leave, REST);
    },
    [leave],
  );
  useEffect(() => () => clearTimeout(timer.current), []);
  return [over, { onPointerMove: move, onPointerLeave: leave }];
}

function Log({ selection, act, handle, search }: { selection: Selection; act: Act; handle: Ref<LogHandle>; search: string }) {
  const t = useLiveWords();
  const room = useRoom();
  const newest = useSlice(framed(room.chat.state), ({ messages }) => messages);
  const status = useSlice(room.chat.state, ({ status }) => status);
  const { older, more } = useOlder();
  const [loading, setLoading] = useState(false);
  const [atEnd, setAtEnd] = useState(true);
  const [seen, setSeen] = useState(0); // the place of the newest message when the list was at its end
  const box = useRef<HTMLDivElement>(null);
  const actions = useMessageActions();

  const all = useMemo(() => {
    const first = newest[0]?.seq ?? Infinity;
    return older.length ? [...older.filter(({ seq }) => seq < first), ...newest] : newest;
  }, [older, newest]);
  const { selected, select } = selection;
  const [over, hover] = useHover();
  const messages = useMemo(() => (search ? all.filter(({ message, username }) => `${username} ${message}`.toLowerCase().includes(search)) : all), [all, search]);

  const lost = selected !== null && !all.some(({ id }) => id === selected.id); // deleted in between, or too old
  useEffect(() => {
    if (lost) select(null);
  }, [lost, select]);
  const held = over || (selected !== null && messages.some(({ id }) => id === selected.id));
  const following = atEnd && !held;

  const rows = useVirtualizer({
    count: messages.length,
    getScrollElement: () => box.current,
    estimateSize: () => 32,
    getItemKey: (index) => messages[index]!.id,
    overscan: 10,
    anchorTo: "end",
    followOnAppend: following,
    scrollEndThreshold: AT_END,
  });
  useLayoutEffect(() => rows.scrollToEnd(), [rows, search]);
  useEffect(() => {
    if (following) rows.scrollToEnd();
  }, [rows, following]);

  const last = newest.at(-1)?.seq ?? 0;
  useEffect(() => {
    if (following) setSeen(last);
  }, [following, last]);
  const unseen = following ? 0 : newest.reduce((count, { seq }) => count + (seq > seen ? 1 : 0), 0);

  const go = (place: number) => {
    const message = messages[place];
    if (!message) return;
    select(message);
    rows.scrollToIndex(place, { align: "auto" });
    box.current?.focus({ preventScroll: true });
  };
  useImperativeHandle(handle, () => ({
    move(step) {
      const at = selected ? messages.findIndex(({ id }) => id === selected.id) : -1;
      go(at < 0 ? messages.length - 1 : Math.min(messages.length - 1, Math.max(0, at + step)));
    },
    newest: () => go(messages.length - 1),
    focus: () => box.current?.focus(),
  }));

  const point = (event: MouseEvent<HTMLDivElement>) => {
    const target = event.target as HTMLElement;
    const id = target.closest<HTMLElement>("[data-id]")?.dataset.id;
    const message = messages.find((each) => each.id === id);
    if (!message || message.kind) return;
    const action = target.closest<HTMLElement>("[data-act]")?.dataset.act as Parameters<Act>[0] | undefined;
    select(message);
    if (action) act(action, message);
    else act("open", message);
  };

  const toEnd = () => {
    select(null);
    rows.scrollToEnd();
  };

  const load = async () => {
    setLoading(true);
    await attempt(more);
    setLoading(false);
  };

  const items = rows.getVirtualItems();
  return (
    <div className="log-frame">
      <div
        ref={box}
        className="log"
        role="log"
        aria-live="off"
        aria-label={t("chat")}
        tabIndex={0}
        {...hover}
        onClick={point}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => setAtEnd(scrollHeight - scrollTop - clientHeight <= AT_END)}
      >
        {status === "joining" && !messages.length && <Loading lines={8} />}
        {status === "joined" && !messages.length && <Empty>{t(search ? "noMatch" : "quiet")}</Empty>}
        {!search && all.length >= 50 && (
          <div className="log-older">
            <Button size="compact-sm" variant="subtle" loading={loading} onClick={() => void load()}>
              {t("older")}
            </Button>
          </div>
        )}
        <div className="log-rows" style={{ height: rows.getTotalSize() }}>
          <div style={{ transform: `translateY(${items[0]?.start ?? 0}px)` }}>
            {items.map(({ key, index }) => (
              <Row key={key} index={index} message={messages[index]!} measure={rows.measureElement} selected={selected?.id === key} actions={actions} />
            ))}
          </div>
        </div>
      </div>
      <div className="visually-hidden" aria-live="polite">
        {selected && `${selected.username}: ${selected.message}`}
      </div>
      {unseen > 0 && (
        <Button className="log-newer" size="xs" radius="xl" leftSection={<Icon name="down" size={14} />} onClick={toEnd}>
          {t("newer", { count: unseen })}
        </Button>
      )}
    </div>
  );
}

/** One message. The list handles the clicks on all buttons. */
const Row = memo(function Row({ message, index, measure, selected, actions }: { message: HistoryMessage; index: number; measure: (node: Element | null) => void; selected: boolean; actions: readonly Action[] }) {
  const t = useLiveWords();
  if (message.kind) {
    return (
      <div className="message" data-kind="announcement" data-index={index} ref={measure}>
        <time dateTime={message.timestamp}>{clock(message.timestamp)}</time>
        <span>
          <Tag tone="brand">{t("announcement")}</Tag> {message.message}
        </span>
      </div>
    );
  }
  return (
    <div className="message" data-id={message.id} data-index={index} data-selected={selected} ref={measure}>
      <time dateTime={message.timestamp}>{clock(message.timestamp)}</time>
      <span className="message-text">
        <b>{message.username}</b>
        {message.role !== "USER" && <RoleTag role={message.role} />}
        {message.message}
      </span>
      <Actions name={message.username} actions={actions} />
    </div>
  );
});

function Actions({ name, actions }: { name: string; actions: readonly Action[] }): ReactNode {
  const t = useLiveWords();
  return (
    <span className="message-actions" role="group" aria-label={t("actionsOn", { name })}>
      {actions.map(({ act, icon, key, label }) => (
        <button key={act} type="button" data-act={act} aria-label={label} title={`${label} (${key})`} tabIndex={-1}>
          <Icon name={icon} size={16} />
        </button>
      ))}
    </span>
  );
}

function Composer() {
  const t = useLiveWords();
  const room = useRoom();
  const online = useOnline();
  const you = useSlice(room.chat.state, ({ you }) => you);
  const pending = useSlice(room.chat.state, ({ pending }) => pending);
  const [text, setText] = useState("");
  const send = useCallback(
    (event: FormEvent) => {
      event.preventDefault();
      const message = text.trim();
      if (!message) return;
      setText("");
      void attempt(() => room.chat.send(message)).then((sent) => sent || setText((now) => now || message));
    },
    [room, text],
  );
  const announce = async () => {
    const message = text.trim();
    if (message && (await room.announce(message))) setText("");
  };
  if (!you) return null;
  return (
    <form className="composer" onSubmit={send}>
      {pending.length > 0 && (
        <ul className="pending" aria-label={t("pending")}>
          {pending.map(({ clientMessageId, message }) => (
            <li key={clientMessageId}>
              <Icon name="clock" size={14} /> {message}
            </li>
          ))}
        </ul>
      )}
      <TextInput className="grow" maxLength={LIMIT} aria-label={t("say", { name: you.username })} placeholder={t("say", { name: you.username })} value={text} onChange={(event) => setText(event.currentTarget.value)} onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()} />
      <ActionIcon type="submit" size={36} aria-label={t("send")} disabled={!text.trim()}>
        <Icon name="send" />
      </ActionIcon>
      {you.powers.includes("ANNOUNCE") && (
        <Button className="announce" variant="default" disabled={!text.trim() || !online} title={t("announceHint")} aria-label={t("announce")} onClick={() => void announce()}>
          <Icon name="megaphone" size={16} />
          <span className="announce-word">{t("announce")}</span>
        </Button>
      )}
    </form>
  );
}
