// One person in the room: rights, messages, and the actions on them.

import type { PersonView, SanctionView, StoredMessagePage } from "@dorami/client";
import { ActionIcon, Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, get } from "../../api";
import { confirm } from "../../components/dialogs";
import { Card, Loaded, RoleTag, Tag } from "../../components/page";
import { said } from "../../components/said";
import { attempt, toast } from "../../components/toasts";
import { PersonLink } from "../../components/person-link";
import { clock, date, day, number } from "../../format";
import { Icon } from "../../icons";
import { queries } from "../../queries";
import { useOnline } from "../../shell";
import { useSlice } from "../../stores";
import { useLiveWords } from "../../words/live";
import { useTime } from "./actions";
import { Clear } from "./clear";
import { MUTES, type Subject, useRoom } from "./room";

const FOREVER = Date.UTC(2200, 0); // later ends mean that a sanction has none
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

/** The content of the card at the right, and of the sheet on a phone. */
export function AboutPerson({ person }: { person: Person }) {
  const t = useLiveWords();
  const room = useRoom();
  const about = useQuery({ queryKey: ["/people", person.userId], queryFn: () => get<PersonView>(`/people/${person.userId}`) });
  const messages = useQuery({
    queryKey: ["/messages", room.key, person.userId],
    queryFn: () => get<StoredMessagePage>(`/streams/${room.key}/messages`, { userId: person.userId, limit: SHOWN }),
    refetchInterval: 10_000,
  });
  return (
    <div className="stack">
      <div className="row">
        <span className="person-name">
          <PersonLink id={person.userId} name={person.username} />
        </span>
        <RoleTag role={person.role} />
      </div>
      <Buttons person={person} />
      <Loaded query={about} lines={3}>
        {({ counts, createdAt, online, sanctions }) => (
          <>
            <dl className="person-facts">
              <dt>{t("since")}</dt>
              <dd>{day(createdAt)}</dd>
              <dt>{t("online")}</dt>
              <dd>{online.length ? online.map(({ streamKey }) => streamKey).join(", ") : t("offline")}</dd>
              <dt>{t("written")}</dt>
              <dd>
                {number(counts.messages)}
                {counts.deletedMessages > 0 && <span className="dim"> ({t("deletedCount", { count: counts.deletedMessages })})</span>}
              </dd>
              <dt>{t("bought")}</dt>
              <dd>{number(counts.orders)}</dd>
            </dl>
            <h3>{t("sanctions")}</h3>
            {sanctions.length ? sanctions.map((sanction) => <Sanction key={sanction.id} sanction={sanction} person={person} />) : <p className="dim">{t("noSanctions")}</p>}
          </>
        )}
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
  void queries.invalidateQueries({ queryKey: ["/people", userId] });
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
      <Tag tone={sanction.active ? "bad" : "neutral"}>{t(sanction.kind)}</Tag>
      <span className="grow">
        {sanction.liveId === null && <>{t("everywhere")} </>}
        {sanction.liftedAt ? t("liftedBy", { name: sanction.liftedByName ?? "" }) : forGood ? t("forGood") : t("until", { time: date(sanction.until) })} {!sanction.liftedAt && <span className="dim">{t("by", { name: sanction.imposedByName })}</span>}
        {sanction.reason && <div className="dim">{sanction.reason}</div>}
      </span>
      {sanction.active && (
        <Button size="compact-xs" variant="default" disabled={!online} onClick={() => void lift()}>
          {t("lift")}
        </Button>
      )}
    </div>
  );
}
