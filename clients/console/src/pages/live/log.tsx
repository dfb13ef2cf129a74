// The live log: actions of moderators in this room, the newest first.

import type { LogPage } from "@dorami/client";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { get } from "../../api";
import { Card, Empty, Loaded } from "../../components/page";
import { clock } from "../../format";
import { queries } from "../../queries";
import { useLiveWords } from "../../words/live";
import { type LogName, useLogWords } from "../../words/log";
import { useRoom } from "./room";

const EVERY = 15_000; // ms
const ACTIONS = ["MUTE", "UNMUTE", "BAN", "UNBAN", "SLOW_MODE", "FREEZE", "UNFREEZE", "ALLOW_GUESTS", "REFUSE_GUESTS", "ANNOUNCE", "DELETE_MESSAGE", "KEEP_MESSAGE", "CLEAR", "UNDO_CLEAR", "PIN", "UNPIN"] as const;
type Known = (typeof ACTIONS)[number];
const known = (action: string): action is Known => (ACTIONS as readonly string[]).includes(action);
/** Events after which the log has a new entry. */
const TELLING = ["chat:message-deleted", "chat:cleared", "chat:restored", "chat:settings", "chat:announcement", "chat:pinned", "chat:unpinned"] as const;

export function LogCard() {
  const t = useLiveWords();
  const words = useLogWords();
  const room = useRoom();
  const log = useQuery({
    queryKey: ["/moderation/log", room.key],
    queryFn: () => get<LogPage>("/moderation/log", { liveId: room.key, limit: 30 }),
    refetchInterval: EVERY,
  });
  useEffect(() => {
    const again = () => void queries.invalidateQueries({ queryKey: ["/moderation/log", room.key] });
    const stops = TELLING.map((event) => room.chat.on(event, again));
    return () => stops.forEach((stop) => stop());
  }, [room]);
  return (
    <Card className="live-log" title={t("log")} fill>
      <Loaded query={log}>
        {({ items }) =>
          items.length ? (
            <ul className="entries">
              {items.map(({ id, action, actorName, subjectName, timestamp, reason, details }) => (
                <li key={id}>
                  <time className="dim number">{clock(timestamp)}</time>
                  <span>
                    {actorName && <b>{actorName} </b>}
                    {known(action) ? t(`${action}_action`) : words(action as LogName)}
                    {typeof details.name === "string" && <> · {details.name}</>}
                    {subjectName && <b> {subjectName}</b>}
                    {reason && <span className="dim"> · {reason}</span>}
                  </span>
                </li>
              ))}
            </ul>
          ) : (
            <Empty>{t("logEmpty")}</Empty>
          )
        }
      </Loaded>
      <p className="hint card-body">{t("choosePerson")}</p>
    </Card>
  );
}
