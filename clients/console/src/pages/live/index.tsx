// The room of a live stream for its moderators: chat, graphs, products, person or log. Without a stream it lists the rooms.

import type { HistoryMessage, StreamList, StreamView } from "@dorami/client";
import { ActionIcon, Button, Kbd } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { Link, Redirect, useLocation, useParams } from "wouter";
import { get } from "../../api";
import { Dialog } from "../../components/dialogs";
import { Card, Empty, Loaded, PageHead, Tag } from "../../components/page";
import { undoLast } from "../../components/toasts";
import { money, number, span } from "../../format";
import { Icon } from "../../icons";
import { useSession } from "../../session";
import { useShop } from "../../shop";
import { useStore } from "../../stores";
import { useLiveWords } from "../../words/live";
import { type Act, useMessageActions, useTime } from "./actions";
import { ChatCard, type LogHandle } from "./chat";
import { Graphs } from "./graphs";
import { useKeys } from "./keys";
import "./live.css";
import { LogCard } from "./log";
import { Members } from "./members";
import { AboutPerson, type Person, PersonCard } from "./person";
import { Products } from "./products";
import { OpenReportsHere } from "./reports";
import { MUTE, RoomContext, useJoinedRoom, useRoom } from "./room";

const PHONE = "(max-width: 860px)";
const TABS = ["chat", "graphs", "products", "log"] as const;
type Tab = (typeof TABS)[number];

export default function Live() {
  const { key } = useParams<{ key?: string }>();
  return key ? <Room key={key} stream={key} /> : <Choose />;
}

function Choose() {
  const t = useLiveWords();
  const live = useQuery({ queryKey: ["/streams/active"], queryFn: () => get<StreamList>("/streams/active"), refetchInterval: 15_000 });
  const only = live.data?.streams.length === 1 ? live.data.streams[0] : undefined;
  if (only) return <Redirect to={`/live/${only.key}`} replace />;
  return (
    <>
      <PageHead title={t("title")} />
      <Card title={t("choose")}>
        <Loaded query={live}>
          {({ streams }) =>
            streams.length ? (
              streams.map(({ key, title }) => (
                <div key={key} className="card-body row">
                  <b className="grow">{title}</b>
                  <Button component={Link} href={`/live/${key}`} variant="light" size="xs">
                    {t("open")}
                  </Button>
                </div>
              ))
            ) : (
              <Empty>{t("none")}</Empty>
            )
          }
        </Loaded>
      </Card>
    </>
  );
}

function Room({ stream: key }: { stream: string }) {
  const room = useJoinedRoom(key);
  const stream = useQuery({ queryKey: ["/streams", key], queryFn: () => get<StreamView>(`/streams/${key}`), refetchInterval: 10_000 });
  return (
    <RoomContext value={room}>
      <Loaded query={stream} lines={10}>
        {(view) => <View stream={view} />}
      </Loaded>
    </RoomContext>
  );
}

function View({ stream }: { stream: StreamView }) {
  const t = useLiveWords();
  const room = useRoom();
  const { user } = useSession();
  const time = useTime();
  const [, go] = useLocation();
  const phone = useMediaQuery(PHONE, undefined, { getInitialValueInEffect: false }) ?? false;
  const [tab, setTab] = useState<Tab>("chat");
  const [selected, setSelected] = useState<HistoryMessage | null>(null);
  const [person, setPerson] = useState<Person | null>(null);
  const [sheet, setSheet] = useState<HistoryMessage | null>(null);
  const [help, setHelp] = useState(false);
  const log = useRef<LogHandle>(null);
  const searchBox = useRef<HTMLInputElement>(null);

  const act = useCallback<Act>(
    (action, message) => {
      if (action === "open") {
        if (phone) setSheet(message);
        else setPerson(message);
      } else if (action === "pin") {
        if (room.can("PIN")) void room.pin(message);
      } else if (action === "remove") {
        if (room.can("DELETE")) void room.remove(message);
      } else if (action === "mute") {
        if (room.can("MUTE")) void room.mute(message, MUTE, time(MUTE));
      } else if (room.can("BAN")) void room.ban(message);
    },
    [phone, room, time],
  );

  const on = (action: Parameters<Act>[0]) => () => selected && act(action, selected);
  const show = (which: Tab, id: string) => () => {
    setTab(which);
    requestAnimationFrame(() => (which === "chat" ? log.current?.focus() : document.getElementById(id)?.focus()));
  };
  useKeys({
    KeyJ: () => log.current?.move(1),
    KeyK: () => log.current?.move(-1),
    KeyD: on("remove"),
    KeyM: on("mute"),
    KeyB: on("ban"),
    KeyP: on("pin"),
    KeyU: undoLast,
    Enter: on("open"),
    KeyS: () => document.getElementById("slow-mode")?.focus(),
    KeyF: () => void (room.can("SETTINGS") && room.toggleFreeze()),
    Slash: () => searchBox.current?.focus(),
    "Shift+Slash": () => setHelp(true),
    Escape: () => (person ? setPerson(null) : setSelected(null)),
    "KeyG KeyC": show("chat", ""),
    "KeyG KeyP": show("products", "products"),
    "KeyG KeyO": () => go(`/streams/${room.key}?tab=orders`),
  });

  const editable = user.role === "ADMIN" || stream.hostId === user.id;
  const staff = editable || user.role === "MODERATOR"; // hosts may also see the rooms of others
  useEffect(() => void (staff && room.readStats()), [staff, room]);
  const cards: Record<Tab, ReactNode> = {
    chat: <ChatCard selection={{ selected, select: setSelected }} act={act} handle={log} searchBox={searchBox} />,
    graphs: <Graphs stream={stream} reported={editable} />,
    products: <Products editable={editable} />,
    log: person && !phone ? <PersonCard key={person.userId} person={person} close={() => setPerson(null)} /> : staff ? <LogCard /> : null,
  };
  return (
    <div className="live">
      <Head stream={stream} listed={staff} open={setPerson} help={() => setHelp(true)} />
      <CaughtUp />
      {phone ? (
        <>
          <div className="live-tabs" role="tablist" aria-label={t("title")}>
            {TABS.map((each) => (
              <button key={each} type="button" role="tab" id={`tab-${each}`} aria-selected={tab === each} aria-controls="live-panel" onClick={() => setTab(each)}>
                {t(each === "graphs" ? "graphsShort" : each)}
              </button>
            ))}
          </div>
          <div className="live-panel" role="tabpanel" id="live-panel" aria-labelledby={`tab-${tab}`}>
            {cards[tab]}
          </div>
        </>
      ) : (
        <div className="live-grid">
          {cards.chat}
          <div className="live-middle">
            {cards.graphs}
            {cards.products}
          </div>
          <div className="live-right">{cards.log}</div>
        </div>
      )}
      <Dialog opened={sheet !== null} close={() => setSheet(null)} title={sheet ? t("person", { name: sheet.username }) : ""}>
        {sheet && (
          <div className="stack">
            <blockquote className="quoted">{sheet.message}</blockquote>
            <SheetActions
              act={(action) => {
                setSheet(null);
                act(action, sheet);
              }}
            />
            <AboutPerson person={sheet} />
          </div>
        )}
      </Dialog>
      <Dialog opened={phone && person !== null} close={() => setPerson(null)} title={person?.username ?? ""}>
        {person && <AboutPerson person={person} />}
      </Dialog>
      <Dialog opened={help} close={() => setHelp(false)} title={t("keysTitle")}>
        <Keys />
      </Dialog>
    </div>
  );
}

const CAUGHT_UP = 10_000; // ms for which the banner about the restored connection is shown
const COMING = 2_000; // ms in which missed messages arrive: a recovered connection gets them after it has joined

/** Show for a short time that the connection was restored, and how many messages were missed. */
function CaughtUp() {
  const t = useLiveWords();
  const room = useRoom();
  const [count, setCount] = useState<number | null>(null);
  useEffect(() => {
    let last: number | undefined; // the place of the newest message when the connection was lost
    let back = 0; // when it was restored, by the gateway's clock
    let timer = 0;
    const stop = room.chat.state.subscribe(() => {
      const { status, messages } = room.chat.state.get();
      if (status === "joining") {
        last ??= messages.at(-1)?.seq ?? 0;
        back = 0;
        clearTimeout(timer);
      } else if (status === "joined" && last !== undefined) {
        const before = last;
        if (!before) {
          last = undefined; // the room was entered
          return;
        }
        if (!back) {
          back = room.client.now();
          timer = window.setTimeout(() => {
            last = undefined;
            setCount((known) => known ?? 0);
          }, COMING);
        }
        const count = messages.filter(({ seq, timestamp }) => seq > before && Date.parse(timestamp) <= back).length;
        if (count) setCount(count);
      }
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [room]);
  useEffect(() => {
    if (count === null) return;
    const timer = setTimeout(() => setCount(null), CAUGHT_UP);
    return () => clearTimeout(timer);
  }, [count]);
  return (
    <div role="status">
      {count !== null && (
        <p className="banner" data-tone="good">
          {count ? t("caughtUp", { count }) : t("missedNothing")}
        </p>
      )}
    </div>
  );
}

const STATES = { SCHEDULED: "neutral", LIVE: "bad", ENDED: "neutral", CANCELLED: "neutral" } as const;

function Head({ stream, listed, open, help }: { stream: StreamView; listed: boolean; open: (person: Person) => void; help: () => void }) {
  const t = useLiveWords();
  const room = useRoom();
  const stats = useStore(room.stats);
  const { currency } = useShop();
  return (
    <PageHead title={stream.title}>
      <Tag tone={STATES[stream.status]}>{t(stream.status)}</Tag>
      <Elapsed stream={stream} />
      <span className="figure">
        {t("viewers")} <b className="number">{number(stats?.viewers ?? 0)}</b>
      </span>
      <span className="figure dim">
        {t("peak")} <b className="number">{number(Math.max(stats?.viewers ?? 0, stream.peakViewers))}</b>
      </span>
      {stats && (
        <span className="figure dim wide-only">
          {t("revenue")} <b className="number">{money(stats.revenue, currency)}</b>
        </span>
      )}
      <Members listed={listed} open={open} />
      <OpenReportsHere />
      <ActionIcon className="wide-only" variant="default" size="lg" aria-label={t("keys")} title={`${t("keys")} (?)`} onClick={help}>
        <Icon name="keyboard" />
      </ActionIcon>
    </PageHead>
  );
}

function Elapsed({ stream: { status, startedAt } }: { stream: StreamView }) {
  const t = useLiveWords();
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  if (status !== "LIVE" || !startedAt) return null;
  return (
    <span className="figure number" title={t("elapsed")}>
      {span(now - Date.parse(startedAt))}
    </span>
  );
}

/** The actions on the message; those on the person are below. */
function SheetActions({ act }: { act: (action: Parameters<Act>[0]) => void }) {
  const actions = useMessageActions().filter(({ act }) => act === "pin" || act === "remove");
  return (
    <div className="row">
      {actions.map(({ act: action, icon, label }) => (
        <Button key={action} variant="default" leftSection={<Icon name={icon} size={16} />} onClick={() => act(action)}>
          {label}
        </Button>
      ))}
    </div>
  );
}

function Keys() {
  const t = useLiveWords();
  const rows: [keys: string[], what: string][] = [
    [["J", "K"], t("keyMove")],
    [["Enter"], t("keyPerson")],
    ...useMessageActions().map(({ key, label }): [string[], string] => [[key], label]),
    [["U"], t("keyUndo")],
    [["S"], t("slow")],
    [["F"], t("freeze")],
    [["/"], t("keySearch")],
    [["G", "C / P / O"], t("keyGo")],
    [["?"], t("keyHelp")],
  ];
  return (
    <dl className="keys">
      {rows.map(([keys, what]) => (
        <div key={what}>
          <dt>
            {keys.map((key) => (
              <Kbd key={key}>{key}</Kbd>
            ))}
          </dt>
          <dd>{what}</dd>
        </div>
      ))}
    </dl>
  );
}
