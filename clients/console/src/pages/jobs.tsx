// Background jobs with their progress, and the dialog that cuts a replay.

import type { Job } from "@dorami/client";
import { Button, Chip, NumberInput, Progress, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";
import { Link } from "wouter";
import { api } from "../api";
import { Act, FormDialog, refresh } from "../components/acts";
import { confirm } from "../components/dialogs";
import { Filters, Listed, Switcher } from "../components/filters";
import { Card, Empty, PageHead, Tag, type Tone } from "../components/page";
import { said } from "../components/said";
import { Table } from "../components/table";
import { toast } from "../components/toasts";
import { ago, date, number } from "../format";
import { useFilters, usePages } from "../lists";
import { dorami } from "../session";
import { useStore } from "../stores";
import { useCommonWords } from "../words/common";
import { useJobWords } from "../words/jobs";

const TONES: Record<Job["status"], Tone> = { QUEUED: "brand", RUNNING: "warn", DONE: "good", FAILED: "bad", CANCELLED: "neutral" };
const STATUSES = Object.keys(TONES) as Job["status"][];
const RENDITIONS = ["1080p", "720p", "480p", "360p"];
const MB = 1e6;

/** The result of a replay. */
interface Replay {
  truncated: boolean;
  files: { rendition: string; path: string; size: number }[];
}

export default function Jobs() {
  const t = useJobWords();
  const [creating, setCreating] = useState(false);
  return (
    <>
      <PageHead title={t("title")}>
        <Button onClick={() => setCreating(true)}>{t("create")}</Button>
      </PageHead>
      <JobList />
      {creating && <Cut close={() => setCreating(false)} />}
    </>
  );
}

/** The jobs of a stream, with the button that starts one. */
export function JobsCard({ streamKey }: { streamKey: string }) {
  const t = useJobWords();
  const [creating, setCreating] = useState(false);
  return (
    <>
      <div className="page-actions">
        <Button onClick={() => setCreating(true)}>{t("create")}</Button>
      </div>
      <JobList streamKey={streamKey} />
      {creating && <Cut streamKey={streamKey} close={() => setCreating(false)} />}
    </>
  );
}

const EVERY = 10_000; // ms between two requests: jobs of other administrators send no events to this user

function JobList({ streamKey }: { streamKey?: string }) {
  const t = useJobWords();
  const common = useCommonWords();
  const [{ status }, filter, clear] = useFilters("status");
  const pages = usePages<Job>("/jobs", { status, streamKey });
  const mine = dorami().notifications();
  const { jobs } = useStore(mine.state);
  useEffect(() => mine.retain(), [mine]);
  useEffect(() => mine.on("job:update", ({ status }) => void (["DONE", "FAILED", "CANCELLED"].includes(status) && refresh("/jobs"))), [mine]);
  const running = pages.items?.some(({ status }) => status === "QUEUED" || status === "RUNNING");
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => void refresh("/jobs"), EVERY);
    return () => clearInterval(timer);
  }, [running]);
  /** A job with the progress of the last event about it. */
  const current = (job: Job): Job => {
    const update = jobs.get(job.id);
    return update?.status === "RUNNING" && (job.status === "QUEUED" || job.status === "RUNNING") ? { ...job, ...update } : job;
  };
  const retry = async ({ id }: Job) => {
    await api("POST", `/jobs/${id}/retry`);
    toast(said(useJobWords, "retried"));
    await refresh("/jobs");
  };
  const cancel = async ({ id, streamKey, progress }: Job) => {
    const body = t("cancelText", { progress });
    if (!(await confirm({ title: t("cancelTitle", { stream: streamKey }), body, action: t("cancel"), danger: true }))) return;
    await api("DELETE", `/jobs/${id}`);
    toast(said(useJobWords, "cancelled"));
    await refresh("/jobs");
  };
  return (
    <>
      <Filters>
        <Switcher label={t("status")} value={status} change={(status) => filter({ status })} choices={[["", common("all")], ...STATUSES.map((status) => [status, t(status)] as const)]} />
      </Filters>
      <Card>
        <Listed pages={pages} clear={clear} noneFound={t("noneFound")} empty={<Empty>{t("none")}</Empty>}>
          {(found) => (
            <Table
              label={t("title")}
              rows={found.map(current)}
              id={({ id }) => id}
              columns={[
                {
                  name: "stream",
                  head: t("job"),
                  bare: true,
                  cell: ({ streamKey }) => (
                    <Link href={`/streams/${streamKey}`} className="strong">
                      {streamKey}
                    </Link>
                  ),
                },
                { name: "status", head: t("status"), cell: ({ status }) => <Tag tone={TONES[status]}>{t(status)}</Tag> },
                {
                  name: "progress",
                  head: t("progress"),
                  cell: ({ status, progress }) =>
                    status === "RUNNING" ? (
                      <span className="progress">
                        <Progress value={progress} aria-label={t("progress")} />
                        <span className="number">{progress} %</span>
                      </span>
                    ) : (
                      <span className="dim number">{progress} %</span>
                    ),
                },
                { name: "result", head: t("result"), cell: (job) => <Result job={job} /> },
                {
                  name: "time",
                  head: t("time"),
                  cell: ({ createdAt }) => (
                    <time dateTime={createdAt} title={date(createdAt)}>
                      {ago(createdAt)}
                    </time>
                  ),
                },
                {
                  name: "actions",
                  head: "",
                  bare: true,
                  end: true,
                  cell: (job) =>
                    job.status === "FAILED" ? (
                      <Act size="compact-sm" variant="default" run={() => retry(job)}>
                        {t("retry")}
                      </Act>
                    ) : job.status === "QUEUED" || job.status === "RUNNING" ? (
                      <Act size="compact-sm" variant="default" run={() => cancel(job)}>
                        {t("cancel")}
                      </Act>
                    ) : null,
                },
              ]}
            />
          )}
        </Listed>
      </Card>
    </>
  );
}

function Result({ job: { result, detail } }: { job: Job }) {
  const t = useJobWords();
  if (!result) return <span className="dim">{detail}</span>;
  const { files, truncated } = result as unknown as Replay;
  return (
    <ul className="items">
      {files.map(({ rendition, path, size }) => (
        <li key={path} title={path}>
          {t("file", { rendition, size: number(Math.ceil((size / MB) * 10) / 10) })}
        </li>
      ))}
      {truncated && <li className="dim">{t("truncated")}</li>}
    </ul>
  );
}

function Cut({ streamKey = "", close }: { streamKey?: string; close: () => void }) {
  const t = useJobWords();
  const common = useCommonWords();
  const [stream, setStream] = useState(streamKey);
  const [source, setSource] = useState("");
  const [from, setFrom] = useState<number | string>(0);
  const [to, setTo] = useState<number | string>("");
  const [renditions, setRenditions] = useState(["720p"]);
  const save = async () => {
    const order = RENDITIONS.filter((rendition) => renditions.includes(rendition));
    await api("POST", "/jobs", { kind: "replay", streamKey: stream.trim(), source: source.trim(), from: Number(from), to: to === "" ? null : Number(to), renditions: order });
    toast(said(useJobWords, "created", { stream: stream.trim() }));
    await refresh("/jobs");
  };
  return (
    <FormDialog title={t("create")} action={t("create")} save={save} close={close} valid={!!stream.trim() && !!source.trim() && renditions.length > 0}>
      <p className="dim">{t("createText")}</p>
      {!streamKey && <TextInput label={common("stream")} value={stream} onChange={(event) => setStream(event.currentTarget.value)} maxLength={64} required data-autofocus />}
      <TextInput label={t("source")} description={t("sourceHelp")} value={source} onChange={(event) => setSource(event.currentTarget.value)} maxLength={500} required data-autofocus={streamKey ? true : undefined} />
      <div className="pair">
        <NumberInput label={t("cutFrom")} value={from} onChange={setFrom} min={0} hideControls />
        <NumberInput label={t("cutTo")} placeholder={t("toEnd")} value={to} onChange={setTo} min={0} hideControls />
      </div>
      <fieldset className="chips">
        <legend>{t("renditions")}</legend>
        <Chip.Group multiple value={renditions} onChange={setRenditions}>
          {RENDITIONS.map((rendition) => (
            <Chip key={rendition} value={rendition} size="sm">
              {rendition}
            </Chip>
          ))}
        </Chip.Group>
      </fieldset>
    </FormDialog>
  );
}
