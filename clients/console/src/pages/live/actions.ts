// The actions on a message: a button in its row, a key, or an entry in its sheet on a phone.

import type { HistoryMessage, Power } from "@dorami/client";
import { useCallback, useMemo } from "react";
import type { IconName } from "../../icons";
import { useSlice } from "../../stores";
import { useLiveWords } from "../../words/live";
import { MUTE, useRoom } from "./room";

/** `open` shows the sender. */
export type Act = (action: "pin" | "remove" | "mute" | "ban" | "open", message: HistoryMessage) => void;

export interface Action {
  act: "pin" | "remove" | "mute" | "ban";
  icon: IconName;
  /** The letter of its key. */
  key: string;
  label: string;
}

const POWERS: Record<Action["act"], Power> = { pin: "PIN", remove: "DELETE", mute: "MUTE", ban: "BAN" };

/** Return a function that writes a time in minutes or hours. */
export function useTime(): (seconds: number) => string {
  const t = useLiveWords();
  return useCallback((seconds) => (seconds === 3600 ? t("hour") : t("minutes", { count: seconds / 60 })), [t]);
}

/** Return the actions that the user may use in this room. */
export function useMessageActions(): readonly Action[] {
  const t = useLiveWords();
  const time = useTime();
  const powers = useSlice(useRoom().chat.state, ({ you }) => you?.powers);
  return useMemo(() => {
    const all: Action[] = [
      { act: "pin", icon: "pin", key: "P", label: t("pin") },
      { act: "remove", icon: "remove", key: "D", label: t("remove") },
      { act: "mute", icon: "mute", key: "M", label: t("mute", { time: time(MUTE) }) },
      { act: "ban", icon: "ban", key: "B", label: t("ban") },
    ];
    return all.filter(({ act }) => powers?.includes(POWERS[act]));
  }, [t, time, powers]);
}
