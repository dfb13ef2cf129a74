// About one person in the room: what they may do, what they wrote, and what can be done about it.

import type { SanctionView, StoredMessage } from "@dorami/client";
import { ActionIcon, Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, get } from "../../api";
import { confirm } from "../../components/dialogs";
import { Card, Loaded, RoleTag, Tag } from "../../components/page";
import { said } from "../../components/said";
import { attempt, toast } from "../../components/toasts";
import { clock, date } from "../../format";
import { Icon } from "../../icons";
import { queries } from "../../queries";
import { useOnline } from "../../shell";
import { useSlice } from "../../stores";
import { useLiveWords } from "../../words/live";
import { useTime } from "./actions";
import { Clear } from "./clear";
import { MUTES, type Subject, useRoom } from "./room";

const FOREVER = Date.UTC(2200, 0); // the gateway writes "for good" as a time far away
const SHOWN = 20;

export interface Person extends Subject {
  role: string;
}

export function PersonCard({ person, close }: { person: Person; close: () => void }) {
  const t = useLiveWords();
  return (
    <Card
      className="person"
      fill
      title={t("personTitle")}
      actions={
        <ActionIcon variant="subtle" color="gray" aria-label={t("close")} onClick={close}>
          <Icon name="close" size={18} />
        </ActionIcon>
      }
    >
      <div className="card-body person-body">
        <AboutPerson person={person} />
      </div>
    </Card>
  );
}

/** The same in the card at the right and in the sheet on a phone. */
export function AboutPerson({ person }: { person: Person }) {
  const t = useLiveWords();
  const room = useRoom();
  const sanctions = useQuery({
    queryKey: ["/moderation/sanctions", person.userId],
    queryFn: () => get<{ items: SanctionView[] }>("/moderation/sanctions", { userId: person.userId, active: true }),
  });
  const messages = useQuery({
    queryKey: ["/messages", room.key, person.userId],
    queryFn: () => get<{ items: StoredMessage[] }>(`/streams/${room.key}/messages`, { userId: person.userId, limit: SHOWN }),
    refetchInterval: 10_000,
  });
  return (
    <div className="stack">
      <div className="row">
        <b className="person-name">{person.username}</b>
        <RoleTag role={person.role} />
      </div>
      <Buttons person={person} />
      <h3>{t("sanctions")}</h3>
      <Loaded query={sanctions} lines={1}>
        {({ items }) => (items.length ? items.map((sanction) => <Sanction key={sanction.id} sanction={sanction} person={person} />) : <p className="dim">{t("noSanctions")}</p>)}
      </Loaded>
      <h3>{t("messages")}</h3>
      <Loaded query={messages} lines={3}>
        {({ items }) =>
          items.length ? (
            <ul className="person-messages">
              {items.map(({ id, message, timestamp, deletedAt }) => (
                <li key={id}>
                  <time className="dim number">{clock(timestamp)}</time>
                  <span>
                    {message ?? ""} {deletedAt && <Tag>{t("deleted")}</Tag>}
                  </span>
                </li>
              ))}
            </ul>
          ) : (
            <p className="dim">{t("noMessages")}</p>
          )
        }
      </Loaded>
    </div>
  );
}

const refresh = (userId: string) => {
  void queries.invalidateQueries({ queryKey: ["/moderation/sanctions", userId] });
};

function Buttons({ person }: { person: Person }) {
  const t = useLiveWords();
  const time = useTime();
  const room = useRoom();
  const online = useOnline();
  const powers = useSlice(room.chat.state, ({ you }) => you?.powers) ?? [];
  const self = useSlice(room.chat.state, ({ you }) => you?.userId) === person.userId;
  if (self) return null;
  const everywhere = async () => {
    const sure = await confirm({ title: said(useLiveWords, "banAllAsk", { name: person.username }), body: said(useLiveWords, "banAllWhy"), action: said(useLiveWords, "banAll"), danger: true });
    if (sure) await room.banEverywhere(person);
    refresh(person.userId);
  };
  return (
    <div className="row">
      {powers.includes("MUTE") &&
        MUTES.map((seconds) => (
          <Button key={seconds} size="xs" variant="default" disabled={!online} onClick={() => void room.mute(person, seconds, time(seconds)).then(() => refresh(person.userId))}>
            {t("mute", { time: time(seconds) })}
          </Button>
        ))}
      {powers.includes("BAN") && (
        <>
          <Button size="xs" color="red" disabled={!online} onClick={() => void room.ban(person).then(() => refresh(person.userId))}>
            {t("ban")}
          </Button>
          <Button size="xs" color="red" variant="outline" disabled={!online} onClick={() => void everywhere()}>
            {t("banAll")}
          </Button>
        </>
      )}
      {powers.includes("CLEAR") && <Clear of={person} />}
    </div>
  );
}

function Sanction({ sanction, person }: { sanction: SanctionView; person: Person }) {
  const t = useLiveWords();
  const online = useOnline();
  const lift = async () => {
    if (await attempt(() => api("DELETE", `/moderation/sanctions/${sanction.id}`))) toast(said(useLiveWords, "lifted", { name: person.username }));
    refresh(person.userId);
  };
  const forGood = Date.parse(sanction.until) > FOREVER;
  return (
    <div className="row sanction">
      <Tag tone="bad">{t(sanction.kind)}</Tag>
      <span className="grow">
        {sanction.liveId === null && <>{t("everywhere")} </>}
        {forGood ? t("forGood") : t("until", { time: date(sanction.until) })} <span className="dim">{t("by", { name: sanction.imposedByName })}</span>
        {sanction.reason && <div className="dim">{sanction.reason}</div>}
      </span>
      <Button size="compact-xs" variant="default" disabled={!online} onClick={() => void lift()}>
        {t("lift")}
      </Button>
    </div>
  );
}
