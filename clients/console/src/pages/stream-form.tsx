// The dialog that creates or changes a stream.

import type { StreamView } from "@dorami/client";
import { Switch, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { api } from "../api";
import { FormDialog, refresh } from "../components/acts";
import { said } from "../components/said";
import { toast } from "../components/toasts";
import { fromField, toField } from "../moments";
import { useCommonWords } from "../words/common";
import { useStreamWords } from "../words/streams";

const KEY = /^[A-Za-z0-9_-]{1,64}$/;

export function StreamForm({ stream, close, done }: { stream?: StreamView; close: () => void; done?: (stream: StreamView) => void }) {
  const t = useStreamWords();
  const common = useCommonWords();
  const [title, setTitle] = useState(stream?.title ?? "");
  const [key, setKey] = useState("");
  const [description, setDescription] = useState(stream?.description ?? "");
  const [time, setTime] = useState(toField(stream?.scheduledAt ?? null));
  const [always, setAlways] = useState(stream?.ordersWhenNotLive ?? false);
  const timed = !stream || stream.status === "SCHEDULED";
  const save = async () => {
    const given = { title: title.trim(), description, ordersWhenNotLive: always, ...(timed && { scheduledAt: fromField(time) }) };
    const stored = await (stream ? api<StreamView>("PATCH", `/streams/${stream.key}`, given) : api<StreamView>("POST", "/streams", { ...given, ...(key && { key }) }));
    toast(said(useStreamWords, stream ? "saved" : "created", { title: stored.title }));
    await refresh("/streams");
    done?.(stored);
  };
  const action = stream ? common("save") : t("create");
  return (
    <FormDialog title={stream ? t("edit") : t("create")} action={action} save={save} close={close} valid={!!title.trim() && (!key || KEY.test(key))}>
      <TextInput label={t("name")} value={title} onChange={(event) => setTitle(event.currentTarget.value)} maxLength={200} required data-autofocus />
      {!stream && (
        <TextInput label={t("key")} description={t("keyHelp")} value={key} onChange={(event) => setKey(event.currentTarget.value)} error={!!key && !KEY.test(key)} maxLength={64} />
      )}
      <Textarea label={t("description")} value={description} onChange={(event) => setDescription(event.currentTarget.value)} maxLength={5000} rows={3} />
      {timed && <TextInput type="datetime-local" label={t("scheduledAt")} description={t("scheduledHelp")} value={time} onChange={(event) => setTime(event.currentTarget.value)} />}
      <Switch label={t("ordersWhenNotLive")} checked={always} onChange={(event) => setAlways(event.currentTarget.checked)} />
    </FormDialog>
  );
}
