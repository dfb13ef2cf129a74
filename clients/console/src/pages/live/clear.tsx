// Clearing the chat: first the number of messages, then their deletion with an undo.

import type { ClearAck } from "@dorami/client";
import { Button, SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Dialog } from "../../components/dialogs";
import { Loading } from "../../components/page";
import { Problem } from "../../components/problem";
import { Icon } from "../../icons";
import { useOnline } from "../../shell";
import { useShellWords } from "../../words/shell";
import { useLiveWords } from "../../words/live";
import { useTime } from "./actions";
import { type Subject, useRoom } from "./room";

const LAST = [60, 300, 1800]; // s

/** The button and its dialog: all messages, those of a period, or those of one person. */
export function Clear({ of }: { of?: Subject }) {
  const t = useLiveWords();
  const online = useOnline();
  const [opened, setOpened] = useState(false);
  return (
    <>
      <Button size="xs" variant="default" disabled={!online} leftSection={<Icon name="remove" size={15} />} onClick={() => setOpened(true)}>
        {t(of ? "clearPerson" : "clear")}
      </Button>
      <Dialog opened={opened} close={() => setOpened(false)} title={t("clearTitle")}>
        {opened && <Ask of={of} close={() => setOpened(false)} />}
      </Dialog>
    </>
  );
}

function Ask({ of, close }: { of: Subject | undefined; close: () => void }) {
  const t = useLiveWords();
  const shell = useShellWords();
  const time = useTime();
  const room = useRoom();
  const [seconds, setSeconds] = useState(of ? 0 : LAST[0]!);
  const what = { ...(of && { userId: of.userId }), ...(seconds && { lastSeconds: seconds }) };
  const dry = useQuery<ClearAck>({ queryKey: ["clear", room.key, what], queryFn: () => room.count(what), gcTime: 0, staleTime: 0 });
  const count = dry.data?.deleted ?? 0;
  return (
    <div className="stack">
      <SegmentedControl
        fullWidth
        orientation="vertical"
        aria-label={t("clearWhat")}
        value={String(seconds)}
        onChange={(value) => setSeconds(Number(value))}
        data={[...LAST.map((each) => ({ value: String(each), label: t("clearLast", { time: time(each) }) })), { value: "0", label: of ? t("clearOf", { name: of.username }) : t("clearAll") }]}
      />
      {dry.error ? <Problem error={dry.error} retry={() => void dry.refetch()} /> : dry.isFetching ? <Loading lines={1} /> : <p>{count ? t("clearCount", { count }) : t("clearNothing")}</p>}
      <div className="dialog-buttons">
        <Button variant="default" data-autofocus onClick={close}>
          {shell("cancel")}
        </Button>
        <Button
          color="red"
          disabled={!count || dry.isFetching}
          onClick={() => {
            close();
            void room.clear(what);
          }}
        >
          {t("clearDo", { count })}
        </Button>
      </div>
    </div>
  );
}
