// Mutes and bans: those in force, or all.

import type { SanctionView } from "@dorami/client";
import { Button, Menu } from "@mantine/core";
import { Link } from "wouter";
import { api } from "../api";
import { Act, refresh } from "../components/acts";
import { Choose, Filters, Listed, ShowAll, Switcher } from "../components/filters";
import { Card, Empty, PageHead, Tag } from "../components/page";
import { PersonLink } from "../components/person-link";
import { said } from "../components/said";
import { Table } from "../components/table";
import { attempt, undoable } from "../components/toasts";
import { ago, date } from "../format";
import { useFilters, usePages } from "../lists";
import { endless } from "../moments";
import { dorami, useRole, useSession } from "../session";
import { useCommonWords } from "../words/common";
import { useSanctionWords } from "../words/sanctions";

export default function Sanctions() {
  const t = useSanctionWords();
  const [{ which }, turn] = useFilters("which");
  const [{ kind, room, user }, filter, clear] = useFilters("kind", "room", "user");
  const pages = usePages<SanctionView>("/moderation/sanctions", { active: which ? undefined : "true", kind, liveId: room, userId: user });
  const history = (
    <Button variant="default" onClick={() => turn({ which: "all" })}>
      {t("history")}
    </Button>
  );
  return (
    <>
      <PageHead title={t("title")} />
      <Filters>
        <Switcher
          label={t("which")}
          value={which}
          change={(which) => turn({ which })}
          choices={[
            ["", t("active")],
            ["all", t("history")],
          ]}
        />
        <Choose
          label={t("kind")}
          value={kind}
          change={(kind) => filter({ kind })}
          choices={[
            ["", t("allKinds")],
            ["MUTE", t("MUTE")],
            ["BAN", t("BAN")],
          ]}
        />
        {(room || user) && <ShowAll clear={clear} />}
      </Filters>
      <Card>
        <Listed pages={pages} clear={clear} noneFound={t("noneFound")} empty={which ? <Empty>{t("noneEver")}</Empty> : <Empty action={history}>{t("none")}</Empty>}>
          {(sanctions) => <SanctionTable sanctions={sanctions} />}
        </Listed>
      </Card>
    </>
  );
}

const HOUR = 3600;
const DAY = 24 * HOUR;

/** Sanctions with their actions; `unnamed`: all are of one person. */
export function SanctionTable({ sanctions, unnamed = false }: { sanctions: SanctionView[]; unnamed?: boolean }) {
  const t = useSanctionWords();
  const common = useCommonWords();
  const { powers, hostPowers } = useSession();
  const hosts = useRole() === "HOST"; // who sees only those in the rooms of their own streams
  const may = (kind: SanctionView["kind"]) => powers.includes(kind) || (hosts && hostPowers.includes(kind));
  const changed = () => refresh("/moderation/sanctions", "/people");
  const lift = async (sanction: SanctionView) => {
    await api("DELETE", `/moderation/sanctions/${sanction.id}`);
    undoable(said(useSanctionWords, "liftedNow", { name: name(sanction) }), async () => {
      await impose(sanction);
      await changed();
    });
    await changed();
  };
  const extend = (sanction: SanctionView, seconds: number | null) =>
    attempt(async () => {
      const path = `/moderation/sanctions/${sanction.id}`;
      await api("PATCH", path, { seconds });
      undoable(said(useSanctionWords, "extended", { name: name(sanction) }), async () => {
        await api("PATCH", path, { seconds: left(sanction) });
        await changed();
      });
      await changed();
    });
  const lengths: [seconds: number | null, label: string][] = [
    [600, common("minutes", { count: 10 })],
    [HOUR, common("hours", { count: 1 })],
    [DAY, common("days", { count: 1 })],
    [30 * DAY, common("days", { count: 30 })],
    [null, common("forever")],
  ];
  return (
    <Table
      label={t("title")}
      rows={sanctions}
      id={({ id }) => id}
      columns={[
        ...(unnamed
          ? []
          : [
              {
                name: "person",
                head: t("person"),
                bare: true,
                cell: (sanction: SanctionView) => <PersonLink id={sanction.userId} name={name(sanction)} />,
              },
            ]),
        { name: "kind", head: t("kind"), cell: ({ kind, active }) => <Tag tone={!active ? "neutral" : kind === "BAN" ? "bad" : "warn"}>{t(kind)}</Tag> },
        { name: "room", head: t("room"), cell: ({ liveId }) => (liveId === null ? t("anywhere") : <Link href={`/streams/${liveId}`}>{liveId}</Link>) },
        { name: "reason", head: t("reason"), cell: ({ reason }) => reason || <span className="dim">{t("noReason")}</span> },
        {
          name: "by",
          head: t("by"),
          cell: ({ imposedByName, createdAt }) => (
            <span>
              {imposedByName}{" "}
              <time className="dim" dateTime={createdAt} title={date(createdAt)}>
                {ago(createdAt)}
              </time>
            </span>
          ),
        },
        { name: "until", head: t("until"), cell: (sanction) => <End sanction={sanction} /> },
        {
          name: "actions",
          head: "",
          bare: true,
          end: true,
          cell: (sanction) =>
            sanction.active &&
            may(sanction.kind) && (
              <span className="row end">
                <Menu position="bottom-end">
                  <Menu.Target>
                    <Button size="compact-sm" variant="default" aria-label={t("extendLabel", { name: name(sanction) })}>
                      {t("extend")}
                    </Button>
                  </Menu.Target>
                  <Menu.Dropdown>
                    <Menu.Label>{t("fromNow")}</Menu.Label>
                    {lengths.map(([seconds, label]) => (
                      <Menu.Item key={label} onClick={() => void extend(sanction, seconds)}>
                        {label}
                      </Menu.Item>
                    ))}
                  </Menu.Dropdown>
                </Menu>
                <Act size="compact-sm" variant="default" run={() => lift(sanction)}>
                  {t("lift")}
                </Act>
              </span>
            ),
        },
      ]}
    />
  );
}

function End({ sanction }: { sanction: SanctionView }) {
  const t = useSanctionWords();
  const { until, liftedAt, liftedByName, active } = sanction;
  if (liftedAt) return <span className="dim">{t("lifted", { time: ago(liftedAt), name: liftedByName ?? t("byNobody") })}</span>;
  if (!active) return <span className="dim">{t("over", { time: ago(until) })}</span>;
  if (endless(until)) return t("forever");
  return (
    <time dateTime={until} title={date(until)}>
      {ago(until)}
    </time>
  );
}

const name = ({ username, userId }: SanctionView) => username ?? userId;

/** The remaining seconds of a sanction; null for one without an end. */
const left = ({ until }: SanctionView) => (endless(until) ? null : Math.max(1, Math.round((new Date(until).getTime() - Date.now()) / 1000)));

/** Impose a lifted sanction again. */
function impose(sanction: SanctionView): Promise<unknown> {
  const { kind, liveId, userId, reason } = sanction;
  const seconds = left(sanction);
  if (kind === "BAN") return dorami().ask("/chat", "chat:ban-user", { liveId, userId, seconds, reason });
  return dorami().ask("/chat", "chat:mute-user", { liveId: liveId!, userId, seconds, reason });
}
